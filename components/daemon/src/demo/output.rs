//! Output of the demo: each stanza with its sender and recipient, as it passes.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::mpsc::SyncSender;
use std::time::Duration;

use campanile::error::BoxError;
use campanile::jid::Jid;
use campanile::stanza::Stanza;
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{PEOPLE, Refused, describe};
use crate::escape::Escaped;

/// Id prefix of stanzas that the demo sends for its own use and does not show.
pub(super) const HIDDEN: &str = "demo-hidden-";

/// The time for the printer to write what waits.
const PRINTER_TIMEOUT: Duration = Duration::from_secs(1);

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

/// Prints above a line that is being edited.
#[derive(Debug)]
pub(super) struct Printer {
    texts: SyncSender<String>,
    ended: mpsc::Receiver<()>,
}

impl Printer {
    /// Creates a printer from the channel to its thread, and one that closes when the thread ends.
    pub(super) fn new(texts: SyncSender<String>, ended: mpsc::Receiver<()>) -> Self {
        Self { texts, ended }
    }
}

/// Stdout, shared by the server's observer and the script or prompt.
#[derive(Debug)]
pub(super) struct Output {
    xml: bool,
    colors: bool,
    /// Prints instead of stdout while a line editor runs.
    printer: Mutex<Option<Printer>>,
    /// The first error of a write.
    failed: OnceLock<io::Error>,
}

impl Output {
    pub(super) fn new(xml: bool, colors: bool) -> Self {
        Self {
            xml,
            colors,
            printer: Mutex::default(),
            failed: OnceLock::new(),
        }
    }

    /// Returns an error if a write failed, as on a full disk.
    pub(super) fn check(&self) -> Result<(), BoxError> {
        match self.failed.get() {
            Some(error) => Err(Refused(format!("cannot write to stdout: {error}")).into()),
            None => Ok(()),
        }
    }

    /// Writes a line.
    pub(super) fn line(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// Writes a text without a line break.
    pub(super) fn text(&self, text: &str) {
        self.write(text);
    }

    /// Writes a heading.
    pub(super) fn heading(&self, text: &str) {
        self.write(&format!("\n{}\n", self.paint(BOLD, text)));
    }

    /// Returns a prompt in its color.
    pub(super) fn prompt(&self, text: &str) -> String {
        self.paint(GREEN, text)
    }

    /// Writes through a printer from now on.
    pub(super) fn print_through(&self, printer: Printer) {
        *self.printer.lock() = Some(printer);
    }

    /// Writes to stdout again, once the printer has written everything.
    pub(super) async fn stop_printer(&self) {
        let Some(Printer { texts, mut ended }) = self.printer.lock().take() else {
            return;
        };
        drop(texts);
        // A text that came just as the last line was entered may wait for a further line.
        let _ = timeout(PRINTER_TIMEOUT, ended.recv()).await;
    }

    /// Shows a stanza from or to a user. The keepalive of the components is not shown.
    pub(super) fn stanza(&self, stanza: &Stanza) {
        let own = |jid: Option<&Jid>| person(jid).is_some();
        let hidden = stanza.id().is_some_and(|id| id.starts_with(HIDDEN));
        if hidden || !(own(stanza.from()) || own(stanza.to())) {
            return;
        }
        let color = if own(stanza.from()) { GREEN } else { CYAN };
        let parties = format!("{} → {}", name(stanza.from()), name(stanza.to()));
        let mut text = format!(
            "  {}  {}\n",
            self.paint(color, &parties),
            Escaped(describe::of(stanza))
        );
        if self.xml {
            text += &format!(
                "      {}\n",
                self.paint(DIM, &Escaped(stanza.to_xml()).to_string())
            );
        }
        self.write(&text);
    }

    fn paint(&self, color: &str, text: &str) -> String {
        if self.colors {
            format!("{color}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }

    fn write(&self, text: &str) {
        let printer = self.printer.lock();
        match &*printer {
            // An error means that the terminal is gone.
            Some(printer) => drop(printer.texts.send(text.to_owned())),
            None => self.put(text),
        }
    }

    /// Writes to stdout. A closed pipe is no failure: readers such as `head` stop early.
    fn put(&self, text: &str) {
        let mut stdout = io::stdout().lock();
        let written = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        if let Err(error) = written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            // Only the first one is reported.
            let _ = self.failed.set(error);
        }
    }
}

/// Formats an address: users by their localpart only.
fn name(jid: Option<&Jid>) -> String {
    match (person(jid), jid) {
        (Some(name), _) => name.to_owned(),
        (None, Some(jid)) => Escaped(jid).to_string(),
        (None, None) => "the server".to_owned(),
    }
}

/// Returns the user with this JID.
fn person(jid: Option<&Jid>) -> Option<&'static str> {
    let jid = jid.filter(|jid| jid.domain().as_str() == "localhost")?;
    PEOPLE
        .into_iter()
        .find(|name| jid.node().is_some_and(|node| node.as_str() == *name))
}
