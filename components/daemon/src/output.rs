//! Texts written to stdout and stderr.

use std::io::{self, Write};

use crate::exit::Exit;

/// Writes a text and returns `exit`, or [`Exit::Machine`] when writing fails, as on a full disk.
///
/// A closed pipe is not a failure: readers such as `head` stop early.
pub(crate) fn say(mut to: impl Write, text: &str, exit: Exit) -> Exit {
    match to.write_all(text.as_bytes()).and_then(|()| to.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Exit::Machine,
        _ => exit,
    }
}
