//! Tests with real servers and real clients. They need Prosody, ejabberd, openssl and a Python
//! environment with slixmpp, which `tests/run` installs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

mod api_abuse;
mod bridge;
mod chaos;
mod confirmed;
mod contract;
mod doctor;
mod durable;
mod echo;
mod embedded;
mod failpoints;
mod full_disk;
mod graceful_shutdown;
mod hostile;
mod init;
mod instances;
mod logger;
mod many_components;
mod metrics;
mod migrations;
mod plugins;
mod profanity;
mod quick_ack;
mod quick_start;
mod readiness;
mod refusals;
mod restarts;
mod rooms;
mod routing;
mod search;
mod servers;
mod sessions;
mod status_page;
mod stores;
mod strangers;
mod subscriptions;
mod support;
mod test_clients;
