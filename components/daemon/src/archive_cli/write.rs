//! What writes: import and prune, in steps between which the daemon writes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

use campanile_logger::export;
use campanile_logger::store::{Backend, Prune, StoreError};

use super::Failure;
use super::filter::moment;
use super::progress::Progress;
use crate::config::unit;

/// Entries of one step.
const STEP: usize = 500;
/// How often, and after how long, a step that others hold up is tried again.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);
/// No line of an export is longer: stanzas are bounded, and JSON at most doubles them several
/// times.
const LINE: u64 = 16 << 20;

/// Reads what was exported.
pub(super) fn import(backend: &mut dyn Backend, input: &Path) -> Result<(), Failure> {
    let (mut lines, size): (Box<dyn BufRead>, _) = if input == Path::new("-") {
        (Box::new(io::stdin().lock()), None)
    } else {
        let file = File::open(input)?;
        let size = file.metadata()?.len();
        (Box::new(BufReader::new(file)), Some(size))
    };
    let progress = Progress::bytes(size);
    let mut batch = Vec::new();
    let mut number = 0_u64;
    let mut kept = 0_u64;
    let mut skipped = 0_u64;
    loop {
        let mut line = Vec::new();
        let read = lines.by_ref().take(LINE).read_until(b'\n', &mut line)?;
        number += 1;
        if read > 0 && !line.trim_ascii().is_empty() {
            let line = String::from_utf8_lossy(&line);
            match export::import(&line) {
                Ok(Some(draft)) => batch.push(draft),
                Ok(None) => skipped += 1,
                Err(why) => {
                    return Err(Failure::Usage(format!(
                        "line {number}: {why}; {kept} entries are imported"
                    )));
                }
            }
        }
        if batch.len() >= STEP || (read == 0 && !batch.is_empty()) {
            patiently(|| backend.commit(&batch))?;
            kept += batch.len() as u64;
            batch.clear();
        }
        progress.advance(read as u64);
        if read == 0 {
            break;
        }
    }
    progress.finish();
    let erased = if skipped > 0 {
        format!("; {skipped} erased ones are skipped")
    } else {
        String::new()
    };
    Ok(writeln!(
        io::stdout(),
        "{kept} entries are in the archive{erased}"
    )?)
}

/// Removes the oldest entries.
pub(super) fn prune(
    backend: &mut dyn Backend,
    before: Option<&str>,
    above: Option<&str>,
) -> Result<(), Failure> {
    let rule = match (before, above) {
        (Some(time), _) => Prune::Before(moment(time).map_err(Failure::Usage)?),
        (None, size) => {
            let size = size.unwrap_or_default();
            let bytes = unit::size(size)
                .ok_or_else(|| Failure::Usage(format!("{size:?} is no size: write 10GiB")))?;
            Prune::Above(bytes as u64)
        }
    };
    let progress = Progress::counting(None);
    let mut pruned = 0;
    loop {
        match patiently(|| backend.prune(&rule, STEP))? {
            0 => break,
            some => pruned += some,
        }
        progress.advance(STEP as u64);
    }
    patiently(|| backend.scrub())?;
    progress.finish();
    Ok(writeln!(io::stdout(), "{pruned} entries are removed")?)
}

/// The daemon may hold the database for a while.
fn patiently<T>(mut step: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    for _ in 1..TRIES {
        match step() {
            Err(StoreError::Busy) => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
    step()
}
