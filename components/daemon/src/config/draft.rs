//! The file between reading and checking: positions, values, and the paths of those at fault.

use std::ops::Range;

use campanile::serde_json::Value;
use campanile::settings::Segment;

use super::document::Document;

/// The file while its settings are put together: its values, and the paths of those at fault.
pub(super) struct Draft<'d, 't> {
    pub(super) document: &'d Document<'t>,
    values: Value,
    wrong: Vec<Vec<Segment>>,
}

impl<'d, 't> Draft<'d, 't> {
    /// Collects the values of a file, and the paths of those that were reported with a fault.
    pub(super) fn new(document: &'d Document<'t>, values: Value, wrong: Vec<Vec<Segment>>) -> Self {
        Self {
            document,
            values,
            wrong,
        }
    }

    /// Returns `true` if a value, or part of it, was reported with a fault.
    pub(super) fn is_wrong(&self, path: &[Segment]) -> bool {
        self.wrong.iter().any(|wrong| wrong.starts_with(path))
    }

    /// Returns `true` if the file has a value at this path.
    pub(super) fn has(&self, path: &[Segment]) -> bool {
        let found = path
            .iter()
            .try_fold(&self.values, |value, segment| match segment {
                Segment::Key(key) => value.get(key),
                Segment::Index(index) => value.get(index),
            });
        found.is_some()
    }

    /// Returns the indexes of the components that were read.
    pub(super) fn indexes(&self) -> impl Iterator<Item = usize> {
        let count = self.values["component"].as_array().map_or(0, Vec::len);
        (0..count).filter(|index| {
            let path = component_path(*index, &[]);
            !self.wrong.contains(&path)
        })
    }
}

/// Returns the path of a component's table, extended by keys.
pub(super) fn component_path(index: usize, keys: &[&str]) -> Vec<Segment> {
    let mut path = vec![Segment::Key("component".to_owned()), Segment::Index(index)];
    path.extend(keys.iter().map(|key| Segment::Key((*key).to_owned())));
    path
}

/// A component's table in the file.
#[derive(Clone, Copy)]
pub(super) struct At<'d> {
    pub(super) index: usize,
    pub(super) draft: &'d Draft<'d, 'd>,
}

impl At<'_> {
    /// Returns the position of a value below this table.
    pub(super) fn span(&self, keys: &[&str]) -> Range<usize> {
        self.draft.document.span(&component_path(self.index, keys))
    }

    /// Returns the position of a value below this table, if it is in the file.
    pub(super) fn find(&self, keys: &[&str]) -> Option<Range<usize>> {
        let span = self.span(keys);
        (!span.is_empty()).then_some(span)
    }

    /// Returns `true` if a value below this table was reported with a fault.
    pub(super) fn is_wrong(&self, keys: &[&str]) -> bool {
        self.draft.is_wrong(&component_path(self.index, keys))
    }

    /// Returns `true` if this table has a value.
    pub(super) fn has(&self, keys: &[&str]) -> bool {
        self.draft.has(&component_path(self.index, keys))
    }
}
