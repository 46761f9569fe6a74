//! lib
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod error;
pub mod payload;
pub mod reader;
pub mod stanza;
mod stanza_error;
mod stream_error;
mod writer;
pub mod xml;

pub use {bytes, jid, minidom, xmpp_parsers, xso};
