//! Tests against real servers and real clients. Prosody, ejabberd, openssl and a Python environment with slixmpp must
//! be there: `tests/run` sees to it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bridge;
mod confirmed;
mod daemon;
mod embedded;
mod logger;
mod people;
mod profanity;
mod routing;
mod servers;
