//! The progress of a session: the steps shown, and the values entered.

use xmpp_parsers::data_forms::Field;

use crate::xep::form::Definition;

/// Maximum size of a session, in bytes of the values entered.
const SIZE: usize = 32 * 1024;

/// The progress of a session: the steps shown so far. The last one is waiting for input.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) shown: Vec<Shown>,
}

/// A step that was shown, and the values entered.
#[derive(Debug, Clone)]
pub(super) struct Shown {
    /// Index among the steps of the command.
    pub(super) at: usize,
    pub(super) definition: Definition,
    pub(super) values: Vec<Field>,
}

impl Progress {
    /// Returns all values entered so far.
    pub(super) fn gathered(&self) -> Vec<Field> {
        self.shown
            .iter()
            .flat_map(|shown| shown.values.iter().cloned())
            .collect()
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.size() > SIZE
    }

    fn size(&self) -> usize {
        let fields = self.shown.iter().flat_map(|shown| &shown.values);
        fields
            .flat_map(|field| &field.values)
            .map(String::len)
            .sum()
    }
}
