//! What is wrong with a configuration, and where.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::source::Source;

/// One fault or warning, with its place and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The file, as it was named.
    pub(crate) file: String,
    /// Line and column, both counted from 1, the column in characters.
    pub(crate) at: (usize, usize),
    /// What is wrong. Never holds a secret.
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            at: (line, column),
            what,
            remedy,
        } = self;
        write!(f, "{file}:{line}:{column}: {what}; {remedy}")
    }
}

/// Collects what is found on the way through the file.
pub(super) struct Faults<'t> {
    source: &'t Source,
    text: &'t str,
    faults: Vec<(usize, Fault)>,
    warnings: Vec<(usize, Fault)>,
    /// Lines that are no TOML.
    broken: Vec<usize>,
}

impl<'t> Faults<'t> {
    pub(super) fn new(source: &'t Source, text: &'t str) -> Self {
        Self {
            source,
            text,
            faults: Vec::new(),
            warnings: Vec::new(),
            broken: Vec::new(),
        }
    }

    /// Notes what makes the configuration unusable.
    pub(super) fn push(
        &mut self,
        span: &Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.broken.contains(&self.position(span).0) {
            return;
        }
        let fault = self.place(span, what.into(), remedy.into());
        self.faults.push((span.start, fault));
    }

    /// Notes a line that is no TOML. What else is found there follows from it, and may be half of a
    /// secret whose quotation marks are wrong: it is not said.
    pub(super) fn push_broken(
        &mut self,
        span: &Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (line, _) = self.position(span);
        if !self.broken.contains(&line) {
            self.push(span, what, remedy);
            self.broken.push(line);
        }
    }

    /// Notes what works, and should not stay as it is.
    pub(super) fn warn(
        &mut self,
        span: &Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let warning = self.place(span, what.into(), remedy.into());
        self.warnings.push((span.start, warning));
    }

    /// Faults and warnings, each in the order of the text.
    pub(super) fn finish(mut self) -> (Vec<Fault>, Vec<Fault>) {
        self.faults.sort_by_key(|(at, _)| *at);
        self.warnings.sort_by_key(|(at, _)| *at);
        let strip =
            |found: Vec<(usize, Fault)>| found.into_iter().map(|(_, fault)| fault).collect();
        (strip(self.faults), strip(self.warnings))
    }

    /// A path of the file, which begins at the file's folder.
    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.source.folder.join(path)
    }

    /// Whether everybody on this machine can read the file.
    pub(super) fn source_is_exposed(&self) -> bool {
        self.source.exposed
    }

    /// Line and column of a place.
    pub(super) fn position(&self, span: &Range<usize>) -> (usize, usize) {
        position(self.text, span.start)
    }

    fn place(&self, span: &Range<usize>, what: String, remedy: String) -> Fault {
        Fault {
            file: self.source.name.clone(),
            at: self.position(span),
            what,
            remedy,
        }
    }
}

/// Line and column of a byte.
fn position(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("a\né = 1", 5), (2, 3));
        assert_eq!(position("a\n", 99), (2, 1));
    }
}
