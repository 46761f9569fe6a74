//! The loop that keeps so many stanzas in flight, and the two measurements that need no more than that.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::ledger::Ledger;
use crate::link::Link;
use crate::process::Memory;
use crate::sample::{Mark, Sample};
use crate::scenario::{Scenario, Source};

/// How long and how much.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    pub warm_up: Duration,
    pub measured: Duration,
    /// Stanzas of a run that goes by number.
    pub count: u64,
    /// How long the server does not read.
    pub stall: Duration,
}

/// When the next stanzas are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As soon as fewer than the window are in flight.
    Rolling,
    /// Only when all are answered: equal batches, for counts that must come out equal.
    Lockstep,
}

#[derive(Debug)]
pub struct Flow {
    pub link: Link,
    pub ledger: Ledger,
    pub source: Source,
    pub pid: u32,
    pub seq: u32,
    scenario: &'static str,
    window: u32,
    rate: Option<u32>,
    /// When the stanzas that a rate counts began.
    paced_since: (Instant, u32),
    base: Instant,
}

/// An unanswered stanza is waited for so long.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// So long nothing at all: the rest will not come. Under valgrind a batch takes its time.
const SILENCE: Duration = Duration::from_secs(15);
/// So many answers make a component warm.
const WARM_AFTER: u64 = 20_000;
const TURN: Duration = Duration::from_millis(100);
const PACED_TURN: Duration = Duration::from_millis(1);
/// A run that goes by number is given up after so long.
const COUNT_AT_MOST: Duration = Duration::from_secs(300);

impl Flow {
    pub fn new(stream: TcpStream, pid: u32, scenario: &Scenario, window: u32) -> Self {
        let source = scenario.source();
        Self {
            link: Link::new(stream),
            ledger: Ledger::new(&source, window),
            source,
            pid,
            seq: 0,
            scenario: scenario.name,
            window,
            rate: scenario.rate,
            paced_since: (Instant::now(), 0),
            base: Instant::now(),
        }
    }

    /// Throughput, latency and CPU over a fixed time, after a warm-up.
    pub fn measure(mut self, extent: &Extent) -> Result<Sample> {
        let start = Memory::read(self.pid)?;
        self.warm_up(extent.warm_up)?;
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
            self.source.weight,
            &self.ledger,
            memory,
        ))
    }

    /// The same over a fixed number; memory is read a second after the last answer.
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
            self.source.weight,
            &self.ledger,
            memory,
        ))
    }

    /// A just-in-time compiler wants numbers, not seconds: on a busy machine the warm-up takes longer.
    fn warm_up(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time * 6;
        self.run_for(time)?;
        while self.ledger.answered < WARM_AFTER && Instant::now() < deadline {
            self.run_for(time / 8)?;
        }
        Ok(())
    }

    /// Sends `count` and waits for the answers, as long as any come.
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

    pub fn run_for(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        self.paced_since = (Instant::now(), self.seq);
        while Instant::now() < deadline {
            self.fill(self.due(), Pace::Rolling);
            self.turn()?;
        }
        Ok(())
    }

    /// Reads what is still due; what does not come is counted.
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

    /// How many stanzas may have been sent by now.
    fn due(&self) -> u64 {
        let (since, from) = self.paced_since;
        self.rate.map_or(u64::MAX, |rate| {
            u64::from(from) + (since.elapsed().as_secs_f64() * f64::from(rate)) as u64
        })
    }

    fn mark(&self) -> Result<Mark> {
        Mark::read(self.pid, self.ledger.answered)
    }

    fn fill(&mut self, last: u64, pace: Pace) {
        if pace == Pace::Lockstep && self.ledger.open > 0 {
            return;
        }
        let now = self.now();
        while self.ledger.open * self.source.weight < self.window
            && u64::from(self.seq) < last
            && self.link.has_room()
        {
            self.source.render(&mut self.link.out, self.seq);
            self.ledger.sent(self.seq, now);
            self.seq += 1;
        }
    }

    /// Writes, waits, reads. Gives the number of bytes read.
    fn turn(&mut self) -> Result<usize> {
        self.link.flush()?;
        self.link.wait(
            true,
            if self.rate.is_some() {
                PACED_TURN
            } else {
                TURN
            },
        )?;
        let now = self.now();
        self.link
            .read(|stanza, out| self.ledger.came(stanza, now, out))
    }

    fn now(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }
}
