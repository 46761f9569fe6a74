//! Sets of kinds of stanzas and their types, and arrays indexed by them.

use std::fmt;

use crate::stanza::{IqType, Kind, MessageType, PresenceType};

/// The number of kinds and types, including those that never reach a router.
pub(crate) const KIND_COUNT: usize = 17;

/// Returns the index of a kind and type in an array of [`KIND_COUNT`] elements.
pub(crate) const fn kind_index(kind: Kind) -> usize {
    match kind {
        Kind::Iq(iq) => iq as usize,
        Kind::Message(message) => 4 + message as usize,
        Kind::Presence(presence) => 9 + presence as usize,
    }
}

/// A set of kinds and types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds(u32);

impl Kinds {
    /// Creates a set.
    pub(crate) fn new(kinds: impl IntoIterator<Item = Kind>) -> Self {
        let kinds = kinds.into_iter();
        Self(kinds.fold(0, |set, kind| set | 1 << kind_index(kind)))
    }

    /// Returns messages of every type.
    pub(crate) fn message() -> Self {
        Self::new(MessageType::ALL.iter().copied().map(Kind::Message))
    }

    /// Returns presence of every type except `error`.
    pub(crate) fn presence() -> Self {
        let types = PresenceType::ALL
            .iter()
            .copied()
            .filter(|kind| *kind != PresenceType::Error);
        Self::new(types.map(Kind::Presence))
    }

    /// Returns every kind and type that reaches a router. IQ results and errors do not.
    pub(crate) fn all() -> impl Iterator<Item = Kind> {
        let iq = [IqType::Get, IqType::Set].into_iter().map(Kind::Iq);
        let message = MessageType::ALL.iter().copied().map(Kind::Message);
        let presence = PresenceType::ALL.iter().copied().map(Kind::Presence);
        iq.chain(message).chain(presence)
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = Kind> {
        Self::all().filter(move |kind| self.contains(*kind))
    }

    pub(crate) const fn contains(self, kind: Kind) -> bool {
        self.0 >> kind_index(kind) & 1 == 1
    }

    pub(crate) const fn overlaps(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Returns `true` if both have a type of messages in common.
    pub(crate) fn shares_messages(self, other: Self) -> bool {
        self.0 & other.0 & Self::message().0 != 0
    }

    /// Returns the number of types; fewer types are more specific.
    pub(crate) const fn breadth(self) -> u32 {
        self.0.count_ones()
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = [
            ("stanza", Self::new(Self::all())),
            ("presence", Self::presence()),
            ("message", Self::message()),
        ];
        if let Some((name, _)) = whole.iter().find(|(_, kinds)| kinds == self) {
            return write!(f, "any {name}");
        }
        for (count, kind) in self.iter().enumerate() {
            let or = if count > 0 { " or " } else { "" };
            match kind {
                Kind::Presence(PresenceType::Available) => write!(f, "{or}presence available")?,
                kind => write!(f, "{or}{kind}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_index_is_unique_for_each_kind() {
        let mut seen = [false; KIND_COUNT];
        for kind in Kinds::all().chain([Kind::Iq(IqType::Result), Kind::Iq(IqType::Error)]) {
            assert!(
                !std::mem::replace(&mut seen[kind_index(kind)], true),
                "{kind}"
            );
        }
        assert!(seen.iter().all(|seen| *seen));
    }
}
