//! The command import, in small steps between which the daemon can write.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

use campanile_logger::export;
use campanile_logger::store::{Backend, StoreError};

use super::progress::Progress;
use super::{Failure, counted, named};

/// Number of entries per step.
pub(super) const STEP: usize = 500;
/// Number of attempts for a step while the database is busy.
const TRIES: u32 = 20;
/// Delay between two attempts.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// Some editors write it at the start of a file.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
/// Longest line of an export, in bytes. Stanzas are bounded, and JSON escapes enlarge them only a
/// few times.
const MAX_LINE: u64 = 16 << 20;

/// Imports entries exported as ndjson.
pub(super) fn import(backend: &mut dyn Backend, input: &Path) -> Result<(), Failure> {
    let (mut lines, size): (Box<dyn BufRead>, _) = if input == Path::new("-") {
        (Box::new(io::stdin().lock()), None)
    } else {
        let file = File::open(input).map_err(|error| named(input, &error))?;
        let size = file.metadata()?.len();
        (Box::new(BufReader::new(file)), Some(size))
    };
    let name = match input.to_str() {
        Some("-") => "stdin".into(),
        _ => input.to_string_lossy(),
    };
    let progress = Progress::bytes(size);
    let mut batch = Vec::new();
    let mut number = 0_u64;
    let mut kept = 0_u64;
    let mut skipped = 0_u64;
    loop {
        let mut line = Vec::new();
        let read = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line)?;
        number += 1;
        if number == 1 && line.starts_with(BYTE_ORDER_MARK) {
            line.drain(..BYTE_ORDER_MARK.len());
        }
        if read > 0 && !line.trim_ascii().is_empty() {
            let line = String::from_utf8_lossy(&line);
            match export::import(&line) {
                Ok(Some(draft)) => batch.push(draft),
                Ok(None) => skipped += 1,
                Err(why) => {
                    return Err(Failure::Usage(format!(
                        "{name}:{number}: {why}; {} imported",
                        counted(kept)
                    )));
                }
            }
        }
        if batch.len() >= STEP || (read == 0 && !batch.is_empty()) {
            retry(|| backend.commit(&batch))?;
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
        format!("; skipped {skipped} erased")
    } else {
        String::new()
    };
    Ok(writeln!(
        io::stdout(),
        "{} imported or already in the archive{erased}",
        counted(kept)
    )?)
}

/// Runs a step, and retries it while the daemon keeps the database busy.
pub(super) fn retry<T>(mut step: impl FnMut() -> Result<T, StoreError>) -> Result<T, StoreError> {
    for _ in 1..TRIES {
        match step() {
            Err(StoreError::Busy) => std::thread::sleep(RETRY_DELAY),
            done => return done,
        }
    }
    step()
}
