//! Errors: of a stanza, of the stream, and of the connection.

mod link_error;
mod mapping;

pub use campanile_stanza::error::{Condition, ErrorType, StanzaError, StreamError};

pub use self::link_error::LinkError;
pub use self::mapping::{chain, into_stanza_error};
pub(crate) use self::mapping::{classify, write_chain};

/// Any error, as tower's layers return it.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
