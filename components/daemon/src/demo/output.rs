//! What the demo shows: who says what to whom, as it happens.

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use campanile::jid::Jid;
use campanile::stanza::Stanza;

use super::{PEOPLE, describe};
use crate::escape::Escaped;

/// Ids of stanzas that the demo sends for itself, and does not show.
pub(super) const HIDDEN: &str = "demo-hidden-";

const BOLD: &str = "\x1b[1m";
const DIM: &str = "\x1b[2m";
const GREEN: &str = "\x1b[32m";
const CYAN: &str = "\x1b[36m";
const PLAIN: &str = "\x1b[0m";

/// Stdout, shared by the server that sees the stanzas and by whoever leads through the demo.
#[derive(Debug)]
pub(super) struct Output {
    xml: bool,
    colours: bool,
    /// What stands on the last line while somebody types.
    prompt: Mutex<String>,
}

impl Output {
    pub(super) fn new(xml: bool, colours: bool) -> Self {
        Self {
            xml,
            colours,
            prompt: Mutex::default(),
        }
    }

    /// A line of our own.
    pub(super) fn line(&self, text: &str) {
        self.write(&format!("{text}\n"));
    }

    /// What comes now.
    pub(super) fn heading(&self, text: &str) {
        self.write(&format!("\n{}\n", self.paint(BOLD, text)));
    }

    /// Asks for input.
    pub(super) fn ask(&self, prompt: &str) {
        let prompt = self.paint(GREEN, prompt);
        self.prompt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&prompt);
        put(&prompt);
    }

    /// The input has come.
    pub(super) fn asked(&self) {
        self.prompt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }

    /// A stanza from a person or to one; the keepalive of the components is their own affair.
    pub(super) fn stanza(&self, stanza: &Stanza) {
        let own = |jid: Option<&Jid>| person(jid).is_some();
        let hidden = stanza.id().is_some_and(|id| id.starts_with(HIDDEN));
        if hidden || !(own(stanza.from()) || own(stanza.to())) {
            return;
        }
        let colour = if own(stanza.from()) { GREEN } else { CYAN };
        let whom = format!("{} → {}", name(stanza.from()), name(stanza.to()));
        let mut text = format!(
            "  {}  {}\n",
            self.paint(colour, &whom),
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

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colours {
            format!("{colour}{text}{PLAIN}")
        } else {
            text.to_owned()
        }
    }

    /// Writes above the line on which somebody types.
    fn write(&self, text: &str) {
        let prompt = self.prompt.lock().unwrap_or_else(PoisonError::into_inner);
        if prompt.is_empty() {
            put(text);
        } else {
            put(&format!("\r\x1b[K{text}{prompt}"));
        }
    }
}

/// A name to read: people need no server.
fn name(jid: Option<&Jid>) -> String {
    match (person(jid), jid) {
        (Some(name), _) => name.to_owned(),
        (None, Some(jid)) => Escaped(jid).to_string(),
        (None, None) => "the server".to_owned(),
    }
}

/// One of those who may log in.
fn person(jid: Option<&Jid>) -> Option<&'static str> {
    let jid = jid.filter(|jid| jid.domain().as_str() == "localhost")?;
    PEOPLE
        .into_iter()
        .find(|name| jid.node().is_some_and(|node| node.as_str() == *name))
}

/// Nobody is left to tell when stdout is gone, as behind `head`.
fn put(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout
        .write_all(text.as_bytes())
        .and_then(|()| stdout.flush());
}
