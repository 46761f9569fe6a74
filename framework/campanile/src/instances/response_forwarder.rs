//! Forwarding of IQ responses between processes that share one JID.

use std::fmt;

use crate::stanza::Stanza;

/// Forwards IQ responses to the process that sent the request.
///
/// When several processes are connected with the same JID, ejabberd routes each stanza for that JID
/// to any one of the connections, including responses to the processes' own requests. The id of a
/// request names the process that sent it. A response that belongs to another process is passed to
/// this forwarder, which must deliver it to [`Client::accept_response`] in that process. There, as
/// always, it counts only if it comes from the address that was asked.
///
/// Set with [`ComponentBuilder::response_forwarder`].
///
/// [`Client::accept_response`]: crate::client::Client::accept_response
/// [`ComponentBuilder::response_forwarder`]: crate::component::ComponentBuilder::response_forwarder
pub trait ResponseForwarder: fmt::Debug + Send + Sync + 'static {
    /// Forwards an IQ result or error to the process with this [instance] id.
    ///
    /// Called on the task that reads the stream, so it must not block. A response that cannot be
    /// passed on at once is dropped; the request then ends with a timeout.
    ///
    /// [instance]: crate::client::Client::instance
    fn forward(&self, instance: &str, response: Stanza);
}
