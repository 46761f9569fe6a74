//! Bytes to stanzas and back: the stream of one component (XEP-0114, RFC 6120 §4).

mod error;
pub(crate) mod handshake;
mod keepalive;
pub(crate) mod link;
mod outbox;
mod prompt;
mod reader;
mod secret;
mod stack;
mod transport;
mod unconfirmed;
mod wire;

pub use self::error::{LinkError, StreamError};
pub(crate) use self::keepalive::Keepalive;
pub(crate) use self::outbox::Outbox;
pub use self::reader::{Bounds, Defect, Event, Fault, Reader, Refused, StreamHeader, TopLevel};
#[cfg(feature = "host")]
pub(crate) use self::reader::{COMPONENT, Head, STREAMS};
pub use self::secret::Secret;
pub(crate) use self::stack::{Outbound, Stack, wrapped};
pub(crate) use self::transport::Connect;
#[cfg(feature = "tls")]
pub use self::transport::Tls;
pub use self::transport::{AddressError, Io, ServerAddress, Transport};
