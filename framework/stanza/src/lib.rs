//! XMPP stanzas between bytes and values: an incremental stream reader, a writer, and payloads that
//! are parsed on demand.
//!
//! The crate is the ground floor of [campanile](https://docs.rs/campanile), a framework for XMPP
//! components. It has no async code and no I/O, and can be used by any program that reads or writes
//! XMPP streams.
//!
//! # Overview
//!
//! | module | content |
//! |---|---|
//! | [`stanza`] | [`Stanza`](stanza::Stanza): a parsed header and the raw bytes of the children |
//! | [`reader`] | [`Reader`](reader::Reader): bytes in, [`Event`](reader::Event)s out |
//! | [`payload`] | payload types of common XEPs, as complements to `xmpp-parsers` |
//! | [`error`] | stanza errors and stream errors (RFC 6120 §8.3, §4.9) |
//! | [`xml`] | escaping, tokens and a checked emitter, for code that writes XML by hand |
//!
//! # Lazily parsed stanzas
//!
//! Most stanzas are routed, forwarded or answered by a look at their header. So a
//! [`Stanza`](stanza::Stanza) consists of its header (kind, type, id, addresses, language), and of
//! its [`Children`](stanza::Children): a slice of the received bytes, with the position of each
//! child. Copying or forwarding it copies no XML tree. A typed payload is parsed when a program
//! asks for it:
//!
//! ```
//! use campanile_stanza::stanza::Stanza;
//! use xmpp_parsers::delay::Delay;
//!
//! let message = Stanza::parse(
//!     "<message from='room@chat.example.org/alice' type='groupchat'>\
//!        <body>Good morning</body>\
//!        <delay xmlns='urn:xmpp:delay' stamp='2026-01-01T08:00:00Z'/>\
//!      </message>",
//! )?;
//! let body = message.children().find("jabber:client", "body").map(|body| body.text());
//! assert_eq!(body.as_deref(), Some("Good morning"));
//! let delay: Delay = message.child()?;
//! assert_eq!(delay.stamp.0.timestamp(), 1_767_254_400);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```
//!
//! Every type with [`xso::FromXml`] or [`xso::AsXml`] is a payload: those of `xmpp-parsers`, those
//! in [`payload`], and derives of your own. Others implement
//! [`ReadPayload`](payload::ReadPayload) and [`WritePayload`](payload::WritePayload).
//!
//! # One namespace in memory
//!
//! Streams of clients, servers and components use different content namespaces (`jabber:client`,
//! `jabber:server`, `jabber:component:accept`). In memory, every stanza is in `jabber:client`; the
//! reader and the writer translate. So the types of `xmpp-parsers` work for all of them, archived
//! and forwarded messages included.
//!
//! # Feature flags
//!
//! | feature | effect |
//! |---|---|
//! | `tokio-xmpp` | conversions to and from `tokio_xmpp::Stanza` |
//!
//! No feature is enabled by default.

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
