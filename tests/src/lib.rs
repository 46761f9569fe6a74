//! Fixtures for the integration tests: real servers, real clients and the daemon, each in its own
//! process.
//!
//! - [`Prosody`] and [`Ejabberd`] start a [`Server`] from the snippets in `deploy/`, in a temporary
//!   folder on free loopback ports.
//! - [`SlixmppClient`] is a slixmpp client in another process, [`TokioXmppClient`] a tokio-xmpp
//!   client in this process.
//! - [`clients::Profanity`] drives Profanity in a tmux terminal.
//! - [`Daemon`] runs the `campanile` binary.
//! - [`RawComponent`], [`RawServer`] and [`RawClient`] exchange raw XML, for input that no library
//!   would send.
//! - [`WebhookEndpoint`] is an HTTP endpoint that receives webhooks, [`Nats`] a NATS server.
//! - [`workspace`] finds crates and [`imports`] finds imports between files, for `architecture.rs`.
//! - [`hostile`] generates malformed and abusive stanzas with their expected outcomes.
//!
//! A fixture that fails panics with the last output of its process. Processes started by a fixture
//! are killed when it is dropped. If the test process itself is killed, a guard process kills them
//! by pid.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "fixtures fail tests by panicking"
)]

pub mod cargo;
pub mod clients;
pub mod daemon;
pub mod demo;
pub mod folder;
pub mod hostile;
pub mod http;
pub mod imports;
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
pub mod workspace;

pub use clients::{SlixmppClient, TokioXmppClient};
pub use daemon::Daemon;
pub use namespace::Namespace;
pub use nats::Nats;
pub use postgres::Postgres;
pub use raw_client::RawClient;
pub use raw_component::RawComponent;
pub use raw_server::RawServer;
pub use received::Received;
pub use server::release::is_newer as release_is_newer;
pub use server::{Ejabberd, Kind, Prosody, Server};
pub use setup::{Component, Setup};
pub use webhook_endpoint::WebhookEndpoint;

/// Returns the target directory of this build.
pub fn target_directory() -> std::path::PathBuf {
    profile_directory()
        .parent()
        .expect("a profile lies in the target directory")
        .to_owned()
}

/// Returns the directory of this build's profile. Test binaries are in `deps/` below it.
fn profile_directory() -> std::path::PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let mut above = test.ancestors().skip(1);
    let deps = above
        .find(|path| path.ends_with("deps"))
        .expect("tests lie in deps/");
    deps.parent().expect("deps/ lies in a profile").to_owned()
}

/// Defines a test that runs on Prosody and on ejabberd: `on_both!(name, setup)` generates the tests
/// `name::on_prosody` and `name::on_ejabberd` from `async fn name(server: Server)`.
#[macro_export]
macro_rules! on_both {
    ($name:ident, $setup:expr) => {
        mod $name {
            #[allow(unused_imports, reason = "the setup may use items of the parent")]
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
