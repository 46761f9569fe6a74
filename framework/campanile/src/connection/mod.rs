//! Bytes to stanzas and back: the stream of one component (XEP-0114, RFC 6120 §4).

mod error;
pub(crate) mod handshake;
mod keepalive;
pub(crate) mod link;
mod outbound_layers;
mod outbox;
mod quickack;
mod reader;
mod secret;
mod trace;
mod transport;
mod unconfirmed;

pub use self::error::{LinkError, StreamError};
pub(crate) use self::keepalive::Keepalive;
pub(crate) use self::outbound_layers::{Outbound, OutboundLayers, wrapped};
pub(crate) use self::outbox::Outbox;
#[cfg(feature = "host")]
pub(crate) use self::reader::{COMPONENT, STREAMS, StanzaHeader};
pub use self::reader::{
    Event, ReadError, Reader, ReaderLimits, RejectedStanza, StanzaDefect, StreamElement,
    StreamHeader,
};
pub use self::secret::Secret;
pub(crate) use self::transport::Connect;
#[cfg(feature = "tls")]
pub use self::transport::Tls;
pub use self::transport::{AddressError, Io, ServerAddress, Transport};
