//! Looking a command up by the words that a message begins with.

use std::collections::HashMap;

use super::TextCommand;
use crate::extract::body;
use crate::router::spawn::Call;
use crate::stanza::Stanza;

/// The commands for the same recipients, kind and type.
#[derive(Debug, Default)]
pub(in crate::router) struct Commands {
    calls: HashMap<Box<str>, Call>,
    /// How many words the longest begins with.
    longest: usize,
}

impl Commands {
    /// Of two with the same words, the first stays.
    pub(in crate::router) fn add(&mut self, command: &TextCommand, call: &Call) {
        self.longest = self.longest.max(command.words.split(' ').count());
        self.calls.entry(command.words.clone()).or_insert_with(|| call.clone());
    }

    /// The command of a message: of two, the one with more words.
    pub(in crate::router) fn find(&self, stanza: &Stanza) -> Option<&Call> {
        if self.calls.is_empty() {
            return None;
        }
        let body = body(stanza)?.text();
        let mut words = body.split_whitespace();
        let (mut written, mut found) = (String::new(), None);
        for word in words.by_ref().take(self.longest) {
            if !written.is_empty() {
                written.push(' ');
            }
            written.push_str(&word.to_lowercase());
            found = self.calls.get(&*written).or(found);
        }
        found
    }
}
