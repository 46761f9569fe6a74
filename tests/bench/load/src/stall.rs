//! Measures memory of a component while the server writes at full speed and does not read.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::flow::{Extent, Flow};
use crate::links::Links;
use crate::peer::Running;
use crate::process::Memory;
use crate::sample::{Mark, Sample, Stall};
use crate::server::Server;

/// Memory limit that ends the flood: the component is unbounded, and the other peers need the
/// machine.
const CUT_SHORT_KIB: u64 = 1024 * 1024;
const LOOK: Duration = Duration::from_millis(100);
const QUIET: Duration = Duration::from_secs(3);
const COMES_BACK_WITHIN: Duration = Duration::from_secs(15);

pub fn measure(
    mut flow: Flow,
    server: &Server,
    running: &mut Running,
    extent: &Extent,
) -> Result<Sample> {
    let start = Memory::read(flow.pid)?;
    let before = Mark::read(flow.pid, 0)?;
    let mut stall = Stall {
        seconds: extent.stall.as_secs_f64(),
        ..Stall::default()
    };
    flood(&mut flow, server, running, extent.stall, &mut stall)?;
    read_all(&mut flow, server, running, &mut stall)?;
    let span = Mark::read(flow.pid, flow.ledger.answered)?.since(&before);
    stall.sent = u64::from(flow.seq);
    stall.answered = flow.ledger.answered;
    stall.refused = std::mem::take(&mut flow.ledger.faults.errors);
    stall.unanswered = stall.sent - stall.answered.min(stall.sent);
    stall.alive = still_answers(&mut flow);
    let memory = (start, Memory::read(flow.pid)?);
    let mut sample = Sample::new("stall", 256, &span, &flow.replies(), memory);
    sample.stall = Some(stall);
    Ok(sample)
}

fn flood(
    flow: &mut Flow,
    server: &Server,
    running: &mut Running,
    time: Duration,
    stall: &mut Stall,
) -> Result<()> {
    let deadline = Instant::now() + time;
    let mut look = Instant::now();
    while Instant::now() < deadline {
        let link = flow.links.stream(0);
        while link.has_room() {
            flow.source.render(&mut link.out, flow.seq);
            flow.seq += 1;
        }
        if link.flush().is_err() {
            reconnect(flow, server, running, stall)?;
        }
        flow.links.stream(0).wait(false, LOOK)?;
        if look.elapsed() >= LOOK {
            look = Instant::now();
            if Memory::read(flow.pid)?.now_kib > CUT_SHORT_KIB {
                stall.cut_short = true;
                break;
            }
        }
    }
    Ok(())
}

/// Reads again, and writes only the remainder of started output.
fn read_all(
    flow: &mut Flow,
    server: &Server,
    running: &mut Running,
    stall: &mut Stall,
) -> Result<()> {
    let mut quiet = Instant::now();
    while quiet.elapsed() < QUIET && flow.ledger.answered < u64::from(flow.seq) {
        let ledger = &mut flow.ledger;
        let turn = flow
            .links
            .turn(LOOK, |stanza, out| ledger.came_uncounted(stanza, out));
        match turn {
            Ok(0) => {}
            Ok(_) => quiet = Instant::now(),
            Err(_) => reconnect(flow, server, running, stall)?,
        }
    }
    Ok(())
}

fn still_answers(flow: &mut Flow) -> bool {
    let before = flow.ledger.answered;
    flow.run_for(Duration::from_millis(500)).is_ok() && flow.ledger.answered > before
}

/// Accepts a new connection. Stanzas on the old one count as unanswered.
fn reconnect(
    flow: &mut Flow,
    server: &Server,
    running: &mut Running,
    stall: &mut Stall,
) -> Result<()> {
    stall.reconnects += 1;
    let stream = server.accept(&mut running.child, COMES_BACK_WITHIN)?;
    flow.links = Links::new(vec![stream])?;
    Ok(())
}
