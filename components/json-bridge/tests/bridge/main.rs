//! Tests of the bridge on the embedded host, with web handlers on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod api;
mod bots;
mod examples;
mod hook;
mod http;
mod loops;
#[cfg(feature = "nats")]
mod nats;
mod outbox;
mod setup;
