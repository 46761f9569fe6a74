//! Names of placeholders.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The name of a placeholder, or none. All are equal: what a placeholder is called changes nothing
/// in what matches.
#[derive(Debug, Clone, Default)]
pub(super) struct Label(Option<Arc<str>>);

impl Label {
    pub(super) fn new(name: &str) -> Self {
        Self(Some(name.into()))
    }

    pub(super) fn get(&self) -> Option<&Arc<str>> {
        self.0.as_ref()
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "{{{name}}}"),
            None => f.write_str("*"),
        }
    }
}

impl PartialEq for Label {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for Label {}

impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Label {
    fn cmp(&self, _other: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl Hash for Label {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}
