//! Fixtures for the integration tests: real servers, real clients, and the daemon, each as
//! processes of their own.
//!
//! - [`Prosody`] and [`Ejabberd`] start a [`Server`] from the snippets in `deploy/`, in a temporary
//!   folder and on free loopback ports.
//! - [`SlixmppClient`] is a slixmpp client in another process, [`TokioXmppClient`] a `tokio_xmpp::Client` in
//!   this one.
//! - [`clients::Profanity`] types into Profanity, on a terminal that nobody sits at.
//! - [`Daemon`] runs the `campanile` binary.
//! - [`RawComponent`] is a component written out byte by byte, for what no library would send;
//!   [`RawServer`] and [`RawClient`] are a server and a client of that kind.
//! - [`WebhookEndpoint`] is the program behind a webhook, [`Nats`] the broker that may stand between.
//! - [`hostile`] makes stanzas that nobody should send, each with what is to become of it.
//!
//! A fixture that cannot do its work panics, with what the process behind it said last. Whatever a
//! fixture started ends when it is dropped; if the test process itself is killed, a guard beside
//! each process ends it by its pid.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a fixture that fails is a test that fails"
)]

pub mod cargo;
pub mod clients;
pub mod daemon;
pub mod demo;
pub mod folder;
pub mod hostile;
pub mod http;
pub mod namespace;
pub mod nats;
pub mod output;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod proxy;
pub mod raw_client;
pub mod raw_component;
pub mod raw_server;
pub mod received;
pub mod rng;
pub mod server;
pub mod setup;
pub mod snippet;
pub mod tree;
pub mod wait;
pub mod webhook_endpoint;

pub use clients::{SlixmppClient, TokioXmppClient};
pub use daemon::Daemon;
pub use namespace::Namespace;
pub use nats::Nats;
pub use postgres::Postgres;
pub use raw_client::RawClient;
pub use raw_component::RawComponent;
pub use raw_server::RawServer;
pub use received::Received;
pub use server::{Ejabberd, Kind, Prosody, Server};
pub use setup::{Component, Setup};
pub use webhook_endpoint::WebhookEndpoint;

/// The target directory of this build.
pub fn target_directory() -> std::path::PathBuf {
    profile_directory()
        .parent()
        .expect("a profile lies in the target directory")
        .to_owned()
}

/// Where binaries of this build's profile lie. A test runs from `deps/` below it.
fn profile_directory() -> std::path::PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let mut above = test.ancestors().skip(1);
    let deps = above
        .find(|path| path.ends_with("deps"))
        .expect("tests lie in deps/");
    deps.parent().expect("deps/ lies in a profile").to_owned()
}

/// Runs one test body on Prosody and on ejabberd: `on_both!(name, setup)` makes the tests
/// `name::on_prosody` and `name::on_ejabberd` out of `async fn name(server: Server)`.
#[macro_export]
macro_rules! on_both {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the set-up may name what is above")]
            use super::*;

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_prosody() {
                super::$name($crate::Prosody::start(&$setup).await).await;
            }

            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn on_ejabberd() {
                super::$name($crate::Ejabberd::start(&$setup).await).await;
            }
        }
    };
}
