//! The connection to the server: transport, handshake, reading and writing of the component's
//! stream (XEP-0114, RFC 6120 §4).

pub(crate) mod handshake;
mod happy_eyeballs;
mod keepalive;
pub(crate) mod link;
mod outbound_layers;
mod outbox;
mod quarantine;
mod quickack;
mod secret;
mod trace;
mod transport;
mod unconfirmed;
mod wake_later;

#[doc(hidden)]
pub use self::happy_eyeballs::connect_to_any;
pub(crate) use self::keepalive::Keepalive;
pub(crate) use self::outbound_layers::{Outbound, OutboundLayers, wrapped};
pub(crate) use self::outbox::Outbox;
pub use self::secret::Secret;
pub(crate) use self::transport::Connect;
pub(crate) use self::transport::Io;
#[cfg(feature = "tls")]
pub use self::transport::Tls;
pub use self::transport::{AddressError, ServerAddress};
