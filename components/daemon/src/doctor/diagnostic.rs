//! What was found, and the line that mends it.

use std::fmt::Write as _;

use crate::diagnostics;
use crate::escape::Escaped;

/// One thing that is wrong, or good to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    severity: Severity,
    what: String,
    lines: Vec<(&'static str, String)>,
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
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

impl Diagnostic {
    pub(super) fn failed(what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Failed,
            what: what.into(),
            lines: Vec::new(),
        }
    }

    pub(super) fn fault(what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Fault,
            what: what.into(),
            lines: Vec::new(),
        }
    }

    pub(super) fn note(what: impl Into<String>) -> Self {
        Self {
            severity: Severity::Note,
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
        self.severity != Severity::Note
    }

    /// The finding as text for people, with what it is about.
    pub(crate) fn show(&self, about: &str) -> String {
        let mark = match self.severity {
            Severity::Failed => "FAILED: ",
            Severity::Fault => "FAULT: ",
            Severity::Note => "note: ",
        };
        let mut text = format!(
            "{}: {mark}{}\n",
            Escaped(about),
            diagnostics::lines(&self.what)
        );
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
        let diagnostic = Diagnostic::failed("no\u{1b}thing")
            .line(PROSODY, "Component \"a.b\"\n    component_secret = \"…\"");
        let expected = "a.b: FAILED: no\\u{1b}thing\n    prosody.cfg.lua:\n        \
            Component \"a.b\"\n            \
            component_secret = \"…\"\n";
        assert_eq!(diagnostic.show("a.b"), expected);
        assert!(diagnostic.is_fault() && !Diagnostic::note("x").is_fault());
    }
}
