//! Errors: of a stanza, of the stream, and of the connection.

mod catch_panic;
mod link_error;
mod mapping;
mod too_large;

pub use campanile_stanza::error::{Condition, ErrorType, StanzaError, StreamError};

pub(crate) use self::catch_panic::catch_panic;
pub use self::link_error::LinkError;
pub use self::mapping::{chain, into_stanza_error};
pub(crate) use self::mapping::{classify, write_chain};
pub(crate) use self::too_large::too_large_by_peer;

/// Any error, as tower's layers return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
