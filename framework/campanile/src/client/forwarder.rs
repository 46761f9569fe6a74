//! Forwarding of IQ responses between processes that share one JID.

use std::fmt;

use crate::stanza::Stanza;

/// Lengths of the instance prefix of an id and of the part after the hyphen. See
/// [`Ids`](super::Ids).
const INSTANCE: usize = 8;
const REST: usize = 24;

/// Forwards IQ responses to the process that sent the request.
///
/// When several processes are connected with the same JID, ejabberd routes each stanza for that JID
/// to any one of the connections, including responses to the processes' own requests. The id of a
/// request names the process that sent it. A response that belongs to another process is passed to
/// this forwarder, which must deliver it to
/// [`Client::accept_response`](super::Client::accept_response) in that process. There, as always,
/// it counts only if it comes from the address that was asked.
///
/// Set with [`ComponentBuilder::response_forwarder`].
///
/// [`ComponentBuilder::response_forwarder`]: crate::component::ComponentBuilder::response_forwarder
pub trait ResponseForwarder: fmt::Debug + Send + Sync + 'static {
    /// Forwards an IQ result or error to the process with this [instance](super::Client::instance)
    /// id.
    ///
    /// Called on the task that reads the stream, so it must not block. A response that cannot be
    /// passed on at once is dropped; the request then ends with a timeout.
    fn forward(&self, instance: &str, answer: Stanza);
}

/// Returns the instance that created this id, or `None` if the id has another form.
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
    fn id_contains_its_instance() {
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
