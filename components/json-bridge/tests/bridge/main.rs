//! A bridge on the embedded host, web handlers on loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

mod api;
mod bots;
mod examples;
mod hook;
mod http;
#[cfg(feature = "nats")]
mod nats;
mod outbox;
mod setup;
