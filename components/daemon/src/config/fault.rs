//! Faults of a configuration, with their positions.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::source::Source;

/// Maximum number of lines reported as invalid TOML; a file with more is of another format.
const MAX_BROKEN: usize = 100;

/// One fault or warning, with its position and a remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The file, as named by the operator.
    pub(crate) file: String,
    /// Line and column, both counted from 1; the column counts characters.
    pub(crate) at: (usize, usize),
    /// The problem. Never holds a secret.
    pub(crate) what: String,
    /// The remedy, as an imperative.
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

/// Collects the faults and warnings of one file.
pub(super) struct Faults<'t> {
    source: &'t Source,
    text: &'t str,
    /// The first byte of each line, so that a position is found without reading the text before it.
    starts: Vec<usize>,
    faults: Vec<(usize, Fault)>,
    warnings: Vec<(usize, Fault)>,
    /// Lines that are not TOML.
    broken: BTreeSet<usize>,
    /// `false` if secrets that cannot be read are no faults.
    needs_secrets: bool,
}

impl<'t> Faults<'t> {
    pub(super) fn new(source: &'t Source, text: &'t str) -> Self {
        Self {
            source,
            text,
            starts: starts(text),
            faults: Vec::new(),
            warnings: Vec::new(),
            broken: BTreeSet::new(),
            needs_secrets: true,
        }
    }

    /// Accepts secrets that cannot be read.
    pub(super) fn without_secrets(self) -> Self {
        Self {
            needs_secrets: false,
            ..self
        }
    }

    pub(super) fn needs_secrets(&self) -> bool {
        self.needs_secrets
    }

    /// Adds a fault, which makes the configuration unusable.
    pub(super) fn push(
        &mut self,
        span: &Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        if self.broken.contains(&self.line(span)) {
            return;
        }
        let fault = self.place(span, what.into(), remedy.into());
        self.faults.push((span.start, fault));
    }

    /// Adds a fault for a line that is not TOML.
    ///
    /// Further faults on that line are dropped: they follow from the first, and could quote part of
    /// a secret with unbalanced quotation marks.
    pub(super) fn push_broken(
        &mut self,
        span: &Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let line = self.line(span);
        if self.broken.contains(&line) {
            return;
        }
        if self.broken.len() < MAX_BROKEN {
            self.push(span, what, remedy);
        }
        self.broken.insert(line);
    }

    /// Adds a warning: the configuration works but should be changed.
    pub(super) fn warn(
        &mut self,
        span: &Range<usize>,
        what: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let warning = self.place(span, what.into(), remedy.into());
        self.warnings.push((span.start, warning));
    }

    /// Warns of a database that is reached without encryption; `data` names what is kept there.
    pub(super) fn warn_exposed(&mut self, span: &Range<usize>, data: &str) {
        self.warn(
            span,
            format!("{data} crosses the network unencrypted"),
            "append ?sslmode=verify-full to the address, and &sslrootcert=/path/ca.pem for a \
             private CA",
        );
    }

    /// Returns faults and warnings, each in file order.
    pub(super) fn finish(mut self) -> (Vec<Fault>, Vec<Fault>) {
        self.faults.sort_by_key(|(at, _)| *at);
        self.warnings.sort_by_key(|(at, _)| *at);
        let strip =
            |found: Vec<(usize, Fault)>| found.into_iter().map(|(_, fault)| fault).collect();
        (strip(self.faults), strip(self.warnings))
    }

    /// Resolves a path relative to the folder of the file.
    pub(super) fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        self.source.folder.join(path)
    }

    /// Returns `true` if the file is readable by every user of this machine.
    pub(super) fn source_is_exposed(&self) -> bool {
        self.source.exposed
    }

    /// Returns the name of the file.
    pub(super) fn file(&self) -> &str {
        &self.source.name
    }

    /// Returns line and column of a span.
    pub(super) fn position(&self, span: &Range<usize>) -> (usize, usize) {
        let line = self.line(span);
        let start = self.starts.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..span.start);
        let before = before.unwrap_or(&self.text[start..]);
        (line, before.chars().count() + 1)
    }

    /// Returns the line of a span; that of the last one beyond the end of the text.
    fn line(&self, span: &Range<usize>) -> usize {
        let at = span.start;
        self.starts.partition_point(|start| *start <= at).max(1)
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

/// Returns the first byte of each line.
fn starts(text: &str) -> Vec<usize> {
    let breaks = text.match_indices('\n').map(|(at, _)| at + 1);
    std::iter::once(0).chain(breaks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let position = |text: &str, byte: usize| {
            let source = Source::built_in("test", text);
            Faults::new(&source, text).position(&(byte..byte))
        };
        assert_eq!(position("", 0), (1, 1));
        assert_eq!(position("a\né = 1", 5), (2, 3));
        assert_eq!(position("a\nb", 1), (1, 2));
        assert_eq!(position("a\nb", 2), (2, 1));
        assert_eq!(position("a\n", 99), (2, 1));
    }
}
