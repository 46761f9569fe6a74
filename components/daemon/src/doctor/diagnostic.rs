//! A diagnostic of `check --connect`: the problem, and the configuration lines that fix it.

use std::fmt::Write as _;

use crate::diagnostics;
use crate::escape::Escaped;

/// One problem, or a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Diagnostic {
    severity: Severity,
    what: String,
    lines: Vec<(&'static str, String)>,
}

/// Severity of a diagnostic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Severity {
    /// The component is not mounted, or not reachable.
    Failed,
    /// The component is mounted but does not work as configured.
    Fault,
    /// The state may be intended.
    Note,
}

// Headings: the file that lines belong to.
pub(super) const OURS: &str = "campanile.toml";
pub(super) const PROSODY: &str = "prosody.cfg.lua";
pub(super) const EJABBERD: &str = "ejabberd.yml";
/// Heading for commands to run on the server.
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

    /// Adds one or more lines for a file.
    pub(super) fn line(mut self, file: &'static str, text: impl Into<String>) -> Self {
        self.lines.push((file, text.into()));
        self
    }

    /// Returns `true` unless this is only a note.
    pub(crate) fn is_fault(&self) -> bool {
        self.severity != Severity::Note
    }

    /// Formats the diagnostic as text; `about` is the component.
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
    fn diagnostic_shows_lines_below_their_file() {
        let diagnostic = Diagnostic::failed("no\u{1b}thing")
            .line(PROSODY, "Component \"a.b\"\n    component_secret = \"…\"");
        let expected = "a.b: FAILED: no\\u{1b}thing\n    prosody.cfg.lua:\n        \
            Component \"a.b\"\n            \
            component_secret = \"…\"\n";
        assert_eq!(diagnostic.show("a.b"), expected);
        assert!(diagnostic.is_fault() && !Diagnostic::note("x").is_fault());
    }
}
