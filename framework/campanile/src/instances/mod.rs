//! The instances of a component: processes that are connected with the same JID.
//!
//! ejabberd accepts several connections for one JID and routes each stanza for it to any one of
//! them: pings and responses of one instance also arrive at the others. Everything that depends on
//! this is behind two traits:
//!
//! - [`Instances`], of a component: detects other instances, and forwards responses to them through
//!   a [`ResponseForwarder`].
//! - [`SessionStore`], of a set of [commands](crate::adhoc::Commands): keeps sessions that any
//!   instance can continue. A [`Lease`] is the exclusive access to one of them.

mod id;
mod lease;
mod ping_policy;
mod response_forwarder;
mod session_store;
mod shared_jid;
mod single_instance;

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

pub(crate) use self::id::Ids;
pub(crate) use self::lease::{Lease, LeaseError};
pub(crate) use self::ping_policy::PingPolicy;
pub use self::response_forwarder::ResponseForwarder;
pub use self::session_store::{
    AcquireOutcome, BeginOutcome, SessionKey, SessionLimits, SessionStore,
};
pub(crate) use self::shared_jid::SharedJid;
pub(crate) use self::single_instance::SingleInstance;
use crate::stanza::Stanza;

/// The instances of a component, as far as this one knows them.
///
/// No method is called for each stanza. The connection calls them at its timer, for pings, and for
/// responses whose id does not begin with this instance; commands call them when a session is
/// continued, and presence when the component stops.
pub(crate) trait Instances: fmt::Debug + Send + Sync {
    /// Returns `true` if another instance is connected, as far as is known.
    fn has_peers(&self) -> bool;

    /// Returns `true` if another instance is connected, and this id was created by one.
    fn belongs_to_peer(&self, id: &str) -> bool;

    /// Records that a ping of another instance arrived. Returns `true` if others were known
    /// already.
    fn record_peer(&self, now: Instant) -> bool;

    /// Returns the policy for keepalive pings, which may be routed to other instances.
    fn ping_policy(&self, now: Instant) -> PingPolicy;

    /// Forwards an IQ result or error to the instance that sent the request.
    ///
    /// Returns the response if it does not belong to another instance, or if there is no
    /// transport.
    fn forward(&self, response: Stanza) -> Option<Stanza>;

    /// Replaces the transport for responses.
    fn set_forwarder(&self, forwarder: Option<Arc<dyn ResponseForwarder>>);
}
