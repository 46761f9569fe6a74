//! The part of a component that sees messages and presence before they are dispatched.

use std::any::Any;
use std::fmt;

use crate::stanza::Stanza;

/// Sees the messages and presence of a component in the order of the stream.
///
/// All methods are called by the connection, so they must not block.
pub(crate) trait StanzaObserver: Any + fmt::Debug + Send + Sync {
    /// Sees a message or presence. Returns `false` if no handler is to see it.
    fn observe(&self, stanza: &Stanza) -> bool;

    /// A stream is open.
    fn connected(&self);

    /// Returns the stanzas to send before the stream is closed.
    fn farewell(&self) -> Vec<Stanza>;

    /// The component has ended.
    fn closed(&self);
}
