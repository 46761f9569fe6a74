//! Answers that come out elsewhere: several processes may be mounted on one JID.

use std::fmt;

use crate::stanza::Stanza;

/// The length of what names an instance in an id, and of the rest behind a hyphen. See
/// [`Ids`](super::Ids).
const INSTANCE: usize = 8;
const REST: usize = 24;

/// Carries answers to the process that they belong to.
///
/// ejabberd gives each stanza for a JID to any one of the connections that are mounted on it, the
/// answers to our own requests included. The id of a request tells which process made it: an answer
/// that belongs to another one is given to its handover, and there to
/// [`Client::accept_response`](super::Client::accept_response). It counts only if it comes from the
/// address that was asked, as every answer does.
///
/// Set by [`ComponentBuilder::handover`](crate::component::ComponentBuilder::handover).
pub trait ResponseForwarder: fmt::Debug + Send + Sync + 'static {
    /// An IQ result or error has come here that belongs to this
    /// [instance](super::Client::instance).
    ///
    /// It is called where the stream is read, and must not wait: what cannot be passed on at once
    /// is dropped, and whoever asked is told that no answer came in time.
    fn forward(&self, instance: &str, answer: Stanza);
}

/// The instance that has made a request with this id; none when the id is of another form.
pub(crate) fn instance_of(id: &str) -> Option<&str> {
    let (instance, rest) = id.split_once('-')?;
    let hex = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    (instance.len() == INSTANCE && rest.len() == REST && hex(instance) && hex(rest))
        .then_some(instance)
}

#[cfg(test)]
mod tests {
    use super::super::Ids;
    use super::*;

    #[test]
    fn an_id_names_its_instance() {
        let ids = Ids::new();
        assert_eq!(instance_of(&ids.fresh()), Some(ids.instance()));
        for other in [
            "",
            "1",
            "purple7f3a",
            "a-b",
            &format!("{}-ping", ids.fresh()),
        ] {
            assert_eq!(instance_of(other), None, "{other}");
        }
    }
}
