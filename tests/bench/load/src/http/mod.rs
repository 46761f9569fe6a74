//! Load on HTTP servers, which are measured like components.

mod connection;
mod connections;
mod frame;
mod multiplexed;
pub mod upstream;

use std::net::{Ipv4Addr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::flow::{ANSWER_TIMEOUT, Extent, WARM_AFTER};
use crate::histogram::Histogram;
use crate::ledger::Faults;
use crate::peer::{Addresses, Protocol, Running};
use crate::plan::Run;
use crate::process::Memory;
use crate::rounds::CONNECTS_WITHIN;
use crate::sample::{Mark, Replies, Sample};

use self::connections::Connections;
use self::multiplexed::Multiplexed;

/// One or several connections to a server.
trait Wire {
    /// Fills the window if `sending`, then waits and reads once.
    fn turn(&mut self, sending: bool, tally: &mut Tally) -> Result<()>;
}

/// Requests in flight, and the responses so far.
struct Tally {
    open: u32,
    answered: u64,
    latency: Histogram,
    faults: Faults,
    base: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// The body of the request was returned.
    Echo,
    /// Another status than 200, or no response.
    Status,
    /// Another body.
    Wrong,
}

struct HttpFlow {
    wire: Box<dyn Wire>,
    tally: Tally,
    pid: u32,
}

/// Measures throughput, latency and CPU of a server over a fixed time, after a warm-up.
pub fn measure(
    addresses: &Addresses,
    run: &Run<'_>,
    running: &mut Running,
    extent: &Extent,
) -> Result<Sample> {
    let &Run {
        scenario, window, ..
    } = run;
    let port = addresses.port;
    let pid = running.pid();
    let first = connect_first(port, running)?;
    let start = Memory::read(pid)?;
    let wire: Box<dyn Wire> = if run.peer.protocol == Protocol::Http2 {
        Box::new(Multiplexed::new(first, scenario, window)?)
    } else {
        Box::new(Connections::new(first, port, scenario, window)?)
    };
    let tally = Tally::default();
    let mut flow = HttpFlow { wire, tally, pid };
    flow.warm_up(extent)?;
    flow.tally.latency.clear();
    let before = flow.mark()?;
    flow.run_for(extent.measured)?;
    let span = flow.mark()?.since(&before);
    flow.drain()?;
    let replies = Replies {
        weight: 1,
        latency: &flow.tally.latency,
        faults: flow.tally.faults,
    };
    let memory = (start, Memory::read(pid)?);
    Ok(Sample::new(scenario.name, window, &span, &replies, memory))
}

/// Connects as soon as the server listens.
fn connect_first(port: u16, running: &mut Running) -> Result<TcpStream> {
    let deadline = Instant::now() + CONNECTS_WITHIN;
    loop {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(stream) => return Ok(stream),
            Err(e) => {
                ensure!(Instant::now() < deadline, "cannot connect: {e}");
                let ended = running.child.try_wait()?;
                ensure!(ended.is_none(), "the server ended before it listened");
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

impl HttpFlow {
    fn warm_up(&mut self, extent: &Extent) -> Result<()> {
        let deadline = Instant::now() + extent.warm_up_at_most;
        self.run_for(extent.warm_up)?;
        while self.tally.answered < WARM_AFTER && Instant::now() < deadline {
            self.run_for(extent.warm_up / 8)?;
        }
        Ok(())
    }

    fn run_for(&mut self, time: Duration) -> Result<()> {
        let deadline = Instant::now() + time;
        while Instant::now() < deadline {
            self.wire.turn(true, &mut self.tally)?;
        }
        Ok(())
    }

    /// Reads outstanding replies. Missing ones are counted.
    fn drain(&mut self) -> Result<()> {
        let mut quiet = Instant::now();
        while self.tally.open > 0 && quiet.elapsed() < ANSWER_TIMEOUT {
            let open = self.tally.open;
            self.wire.turn(false, &mut self.tally)?;
            if self.tally.open < open {
                quiet = Instant::now();
            }
        }
        self.tally.faults.unanswered += u64::from(self.tally.open);
        Ok(())
    }

    fn mark(&self) -> Result<Mark> {
        Mark::read(self.pid, self.tally.answered)
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            open: 0,
            answered: 0,
            latency: Histogram::default(),
            faults: Faults::default(),
            base: Instant::now(),
        }
    }
}

impl Tally {
    fn now(&self) -> u64 {
        self.base.elapsed().as_nanos() as u64
    }

    fn came(&mut self, outcome: Outcome, nanos: u64) {
        match outcome {
            Outcome::Echo => {}
            Outcome::Status => self.faults.errors += 1,
            Outcome::Wrong => self.faults.wrong += 1,
        }
        self.open -= 1;
        self.answered += 1;
        self.latency.record(nanos);
    }
}
