//! What was found, and the line that mends it.

use std::fmt::Write as _;

use crate::escape::Escaped;
use crate::report;

/// One thing that is wrong, or good to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    weight: Weight,
    what: String,
    lines: Vec<(&'static str, String)>,
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// The component is not mounted, or not reached.
    Failed,
    /// It is mounted, and does not do what it should.
    Fault,
    /// It may be meant so.
    Note,
}

/// The files that lines belong into.
pub(super) const OURS: &str = "campanile.toml";
pub(super) const PROSODY: &str = "prosody.cfg.lua";
pub(super) const EJABBERD: &str = "ejabberd.yml";
/// Not a file: what is typed there.
pub(super) const ON_SERVER: &str = "on the server";

impl Finding {
    pub(super) fn failed(what: impl Into<String>) -> Self {
        Self {
            weight: Weight::Failed,
            what: what.into(),
            lines: Vec::new(),
        }
    }

    pub(super) fn fault(what: impl Into<String>) -> Self {
        Self {
            weight: Weight::Fault,
            what: what.into(),
            lines: Vec::new(),
        }
    }

    pub(super) fn note(what: impl Into<String>) -> Self {
        Self {
            weight: Weight::Note,
            what: what.into(),
            lines: Vec::new(),
        }
    }

    /// A line, or several, for one of the files.
    pub(super) fn line(mut self, file: &'static str, text: impl Into<String>) -> Self {
        self.lines.push((file, text.into()));
        self
    }

    /// Whether somebody must do something.
    pub(crate) fn is_fault(&self) -> bool {
        self.weight != Weight::Note
    }

    /// The finding as text for people, with what it is about.
    pub(crate) fn show(&self, about: &str) -> String {
        let mark = match self.weight {
            Weight::Failed => "FAILED: ",
            Weight::Fault => "FAULT: ",
            Weight::Note => "note: ",
        };
        let mut text = format!("{}: {mark}{}\n", Escaped(about), report::lines(&self.what));
        for (file, lines) in &self.lines {
            // Writing to a string does not fail.
            let _ = writeln!(text, "    {file}:");
            for line in lines.lines() {
                let _ = writeln!(text, "        {}", Escaped(line));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_what_to_write_where() {
        let finding = Finding::failed("no\u{1b}thing")
            .line(PROSODY, "Component \"a.b\"\n    component_secret = \"…\"");
        let expected = "a.b: FAILED: no\\u{1b}thing\n    prosody.cfg.lua:\n        \
            Component \"a.b\"\n            \
            component_secret = \"…\"\n";
        assert_eq!(finding.show("a.b"), expected);
        assert!(finding.is_fault() && !Finding::note("x").is_fault());
    }
}
