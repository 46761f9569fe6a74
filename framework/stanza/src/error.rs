//! Errors of the protocol: of one stanza, and of the whole stream.

pub use crate::stanza_error::{Condition, ErrorType, StanzaError};
pub use crate::stream_error::StreamError;
