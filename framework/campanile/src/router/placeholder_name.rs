//! Names of placeholders in recipient patterns.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The name of a placeholder, or none. All names compare equal, because the name of a placeholder
/// has no effect on what a pattern matches.
#[derive(Debug, Clone, Default)]
pub(super) struct PlaceholderName(Option<Arc<str>>);

impl PlaceholderName {
    pub(super) fn new(name: &str) -> Self {
        Self(Some(name.into()))
    }

    pub(super) fn get(&self) -> Option<&Arc<str>> {
        self.0.as_ref()
    }
}

impl fmt::Display for PlaceholderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(name) => write!(f, "{{{name}}}"),
            None => f.write_str("*"),
        }
    }
}

impl PartialEq for PlaceholderName {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Eq for PlaceholderName {}

impl PartialOrd for PlaceholderName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PlaceholderName {
    fn cmp(&self, _other: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl Hash for PlaceholderName {
    fn hash<H: Hasher>(&self, _state: &mut H) {}
}
