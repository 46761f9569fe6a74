//! The main loop, which keeps a window of stanzas in flight, and the two basic measurements.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::ledger::Ledger;
use crate::links::Links;
use crate::pace::Schedule;
use crate::process::Memory;
use crate::sample::{Mark, Replies, Sample};
use crate::scenario::{Scenario, Source};

/// Duration and size of a run.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub warm_up: Duration,
    /// Limit of the warm-up of programs that are slow.
    pub warm_up_at_most: Duration,
    pub measured: Duration,
    /// Number of stanzas in runs of fixed size.
    pub count: u64,
    /// Time for which the server does not read.
    pub stall: Duration,
}

/// Policy for sending the next stanzas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Keeps the window full.
    Rolling,
    /// Sends the next batch when all stanzas are answered, for reproducible counts.
    Lockstep,
}

#[derive(Debug)]
pub struct Flow {
    pub links: Links,
    pub ledger: Ledger,
    pub source: Source,
    pub pid: u32,
    pub seq: u32,
    scenario: &'static str,
    window: u32,
    /// Stanzas per second; `None` for as many as the window admits.
    rate: Option<f64>,
    /// The schedule of a run at a fixed rate.
    schedule: Option<Schedule>,
    base: Instant,
}

/// Time to wait for outstanding replies.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// Time without any input after which a run of fixed size is given up. Batches are slow under
/// valgrind.
const SILENCE: Duration = Duration::from_secs(15);
/// Number of replies after which a component counts as warmed up.
pub const WARM_AFTER: u64 = 20_000;
pub const TURN: Duration = Duration::from_millis(100);
const PACED_TURN: Duration = Duration::from_millis(1);
/// Fraction of the highest rate at which a paced run measures latency.
const PACED_SHARE: f64 = 0.9;
/// Time limit of a run of fixed size.
const COUNT_AT_MOST: Duration = Duration::from_secs(300);

impl Flow {
    pub fn new(
        streams: Vec<TcpStream>,
        pid: u32,
        scenario: &Scenario,
        window: u32,
    ) -> Result<Self> {
        let source = scenario.source();
        Ok(Self {
            links: Links::new(streams)?,
            ledger: Ledger::new(&source, window),
            source,
            pid,
            seq: 0,
            scenario: scenario.name,
            window,
            rate: scenario.rate.map(f64::from),
            schedule: None,
            base: Instant::now(),
        })
    }

    /// Measures throughput, latency and CPU over a fixed time, after a warm-up.
    pub fn measure(mut self, extent: &Extent) -> Result<Sample> {
        let start = Memory::read(self.pid)?;
        self.warm_up(extent)?;
        self.ledger.latency.clear();
        let before = self.mark()?;
        self.run_for(extent.measured)?;
        let span = self.mark()?.since(&before);
        self.drain()?;
        let memory = (start, Memory::read(self.pid)?);
        Ok(Sample::new(
            self.scenario,
            self.window,
            &span,
            &self.replies(),
            memory,
        ))
    }

    /// Measures the highest rate with a full window, then latency at 90 % of it.
    pub fn measure_paced(mut self, extent: &Extent) -> Result<Sample> {
        self.warm_up(extent)?;
        let before = self.mark()?;
        self.run_for(extent.measured)?;
        let span = self.mark()?.since(&before);
        self.drain()?;
        let highest = span.answered as f64 * f64::from(self.source.weight) / span.seconds;
        self.rate = Some(highest * PACED_SHARE);
        let mut sample = self.measure(extent)?;
        sample.highest_per_second = Some(highest);
        Ok(sample)
    }

    /// Measures a fixed number of stanzas. Memory is read one second after the last reply.
    pub fn measure_count(mut self, extent: &Extent) -> Result<Sample> {
        let start = Memory::read(self.pid)?;
        let before = self.mark()?;
        self.run_count(extent.count, Pace::Rolling)?;
        self.drain()?;
        let span = self.mark()?.since(&before);
        std::thread::sleep(Duration::from_secs(1));
        let memory = (start, Memory::read(self.pid)?);
        Ok(Sample::new(
            self.scenario,
            self.window,
            &span,
            &self.replies(),
            memory,
        ))
    }

    pub fn replies(&self) -> Replies<'_> {
        Replies {
            weight: self.source.weight,
            latency: &self.ledger.latency,
            faults: self.ledger.faults,
        }
    }

    /// Warms the component up. Just-in-time compilers need a number of stanzas, not seconds, so
    /// this takes longer on a busy machine.
    fn warm_up(&mut self, extent: &Extent) -> Result<()> {
        let time = extent.warm_up;
        let deadline = Instant::now() + extent.warm_up_at_most;
        self.run_for(time)?;
        while self.ledger.answered < WARM_AFTER && Instant::now() < deadline {
            self.run_for(time / 8)?;
        }
        Ok(())
    }

    /// Sends `count` stanzas and waits for the replies, as long as any arrive.
    pub fn run_count(&mut self, count: u64, pace: Pace) -> Result<()> {
        let last = u64::from(self.seq) + count;
        let deadline = Instant::now() + COUNT_AT_MOST;
        let mut heard = Instant::now();
        while (u64::from(self.seq) < last || self.ledger.open > 0) && Instant::now() < deadline {
            self.fill(last, pace);
            if self.turn()? > 0 {
                heard = Instant::now();
            } else if heard.elapsed() > SILENCE {
                break;
            }
        }
        Ok(())
    }

    /// Sends stanzas for a time. At a fixed rate, those that are due at its end are still sent.
    pub fn run_for(&mut self, time: Duration) -> Result<()> {
        let start = self.now();
        let end = start + time.as_nanos() as u64;
        self.schedule = self.rate.map(|rate| Schedule::new(rate, start, self.seq));
        let all = self.schedule.map(|schedule| schedule.due(end));
        loop {
            let now = self.now();
            let sent = all.is_none_or(|all| u64::from(self.seq) >= all);
            if now >= end && (sent || now - end > ANSWER_TIMEOUT.as_nanos() as u64) {
                break;
            }
            let due = |schedule: Schedule| schedule.due(now.min(end));
            self.fill(self.schedule.map_or(u64::MAX, due), Pace::Rolling);
            self.turn()?;
        }
        self.schedule = None;
        Ok(())
    }

    /// Reads outstanding replies. Missing ones are counted.
    fn drain(&mut self) -> Result<()> {
        let mut quiet = Instant::now();
        while self.ledger.open > 0 && quiet.elapsed() < ANSWER_TIMEOUT {
            if self.turn()? > 0 {
                quiet = Instant::now();
            }
        }
        self.ledger.give_up_open();
        Ok(())
    }

    fn mark(&self) -> Result<Mark> {
        Mark::read(self.pid, self.ledger.answered)
    }

    fn fill(&mut self, last: u64, pace: Pace) {
        if pace == Pace::Lockstep && self.ledger.open > 0 {
            return;
        }
        let now = self.now();
        let schedule = self.schedule;
        while self.ledger.open * self.source.weight < self.window && u64::from(self.seq) < last {
            let link = self.links.stream(self.source.stream_of(self.seq));
            if !link.has_room() {
                break;
            }
            self.source.render(&mut link.out, self.seq);
            let intended = |schedule: Schedule| schedule.intended(self.seq);
            self.ledger.sent(self.seq, schedule.map_or(now, intended));
            self.seq += 1;
        }
    }

    /// Writes, waits and reads once. Returns the number of bytes read.
    fn turn(&mut self) -> Result<usize> {
        let patience = if self.schedule.is_some() {
            PACED_TURN
        } else {
            TURN
        };
        let base = self.base;
        let ledger = &mut self.ledger;
        let mut now = None;
        self.links.turn(patience, |stanza, out| {
            // One clock reading for all stanzas of a turn.
            let now = *now.get_or_insert_with(|| base.elapsed().as_nanos() as u64);
            ledger.came(stanza, now, out);
        })
    }

    fn now(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }
}
