//! Tests against real servers and real clients. Prosody, ejabberd, openssl and a Python environment
//! with slixmpp must be there: `tests/run` sees to it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod acknowledged;
mod bridge;
mod callers;
mod confirmed;
mod contract;
mod crowd;
mod doctor;
mod drain;
mod durable;
mod echo;
mod embedded;
mod full_disk;
mod hostile;
mod init;
mod instances;
mod logger;
mod metrics;
mod page;
mod people;
mod plug_ins;
mod profanity;
mod readiness;
mod refusals;
mod restarts;
mod routing;
mod servers;
mod sessions;
mod stores;
mod storm;
mod stranger;
mod subscriptions;
mod support;
