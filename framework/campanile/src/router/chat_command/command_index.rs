//! Lookup of a chat command by the first words of a message.

use std::collections::HashMap;

use super::ChatCommand;
use crate::extract::body;
use crate::router::spawn::Call;
use crate::stanza::Stanza;

/// The commands for the same recipients, kind and type.
#[derive(Debug, Default)]
pub(in crate::router) struct CommandIndex {
    calls: HashMap<Box<str>, Call>,
    /// The word count and the byte length of the longest command; a bound on how much of a message
    /// is read.
    longest: (usize, usize),
}

impl CommandIndex {
    /// Adds a command. Of two with the same words, the first is kept.
    pub(in crate::router) fn add(&mut self, command: &ChatCommand, call: &Call) {
        self.longest.0 = self.longest.0.max(command.words.split(' ').count());
        self.longest.1 = self.longest.1.max(command.words.len());
        self.calls
            .entry(command.words.clone())
            .or_insert_with(|| call.clone());
    }

    /// Returns the command that a message starts with, the one with the most words if several
    /// match.
    pub(in crate::router) fn find(&self, stanza: &Stanza) -> Option<&Call> {
        if self.calls.is_empty() {
            return None;
        }
        let body = body(stanza)?.text();
        let mut written = String::new();
        let mut found = None;
        for word in body.split_whitespace().take(self.longest.0) {
            // Lowercasing may shrink a letter to a third of its bytes. A longer word cannot match
            // and is not copied.
            if word.len() > self.longest.1 * 3 {
                break;
            }
            if !written.is_empty() {
                written.push(' ');
            }
            written.push_str(&word.to_lowercase());
            found = self.calls.get(&*written).or(found);
        }
        found
    }
}
