//! Readiness for orchestrators: a component is ready while stanzas reach it, and not ready within
//! ten seconds after that stops.

use std::time::Duration;

use campanile_tests::proxy::Proxy;
use campanile_tests::{Daemon, Namespace, Prosody, Server, http, on_both, ports, wait};
use tokio::time::Instant;

use crate::support::setup;

/// Time limit for readiness to change.
const SOON: Duration = Duration::from_secs(10);
/// Time limit for recovery: TCP retransmits at growing intervals.
const HEALED: Duration = Duration::from_secs(60);

/// Returns a configuration with an admin port and default limits except for `limits`.
fn configuration(address: &str, port: u16, limits: &str) -> String {
    format!(
        "[admin]\nlisten = '127.0.0.1:{port}'\n[[component]]\njid = 'echo.localhost'\naddress = \
        '{address}'\n\
         secret = 'a secret for tests'\n[component.echo]\n{limits}\n"
    )
}

/// A link between daemon and server that can drop all traffic.
enum Between {
    Namespace(Namespace),
    Proxy(Proxy),
}

impl Between {
    fn lose(&self, lose: bool) {
        match self {
            Self::Namespace(namespace) => namespace.cut(lose),
            Self::Proxy(proxy) => proxy.blackhole(lose),
        }
    }

    /// Returns the HTTP status of `/readyz`.
    async fn status(&self, port: u16) -> Option<u16> {
        let answer = match self {
            Self::Namespace(namespace) => namespace.get(port, "/readyz")?,
            Self::Proxy(_) => http::get(port, "/readyz", "").await?,
        };
        answer.split(' ').nth(1)?.parse().ok()
    }
}

/// Waits until readiness has this status. Returns the time that took.
async fn until(
    between: &Between,
    port: u16,
    status: u16,
    within: Duration,
    daemon: &Daemon,
) -> Duration {
    let began = Instant::now();
    let found = wait::until("readiness", within, async || {
        (between.status(port).await == Some(status)).then_some(())
    });
    found
        .await
        .unwrap_or_else(|error| panic!("{status}: {error}\n{}", daemon.output().tail()));
    began.elapsed()
}

async fn loses_and_heals(between: &Between, port: u16, daemon: &mut Daemon) {
    until(between, port, 200, HEALED, daemon).await;
    between.lose(true);
    let fell = until(between, port, 503, SOON, daemon).await;
    between.lose(false);
    let healed = until(between, port, 200, HEALED, daemon).await;
    println!("not ready after {fell:?}, ready again {healed:?} after the link had healed");
    assert_eq!(daemon.stop().await.code(), Some(0));
}

/// Drops packets in a network namespace without a reset. Without permission to create one, a proxy
/// discards the bytes.
async fn half_open_connection_fails_readiness(server: Server) {
    let port = ports::free();
    let Some(namespace) = Namespace::new() else {
        println!("cannot create a network namespace here; using a proxy instead");
        return silent_proxy_fails_readiness(server).await;
    };
    // The server only listens on loopback: a transparent proxy makes it reachable.
    let proxy = Proxy::start_at(&namespace.near(), server.component_address()).await;
    let mut daemon = Daemon::start_in(&namespace, &configuration(proxy.address(), port, ""));
    loses_and_heals(&Between::Namespace(namespace), port, &mut daemon).await;
}

on_both!(half_open_connection_fails_readiness, setup());

async fn silent_proxy_fails_readiness(server: Server) {
    let port = ports::free();
    let proxy = Proxy::start(server.component_address()).await;
    let mut daemon = Daemon::start(&configuration(proxy.address(), port, ""));
    loses_and_heals(&Between::Proxy(proxy), port, &mut daemon).await;
}

on_both!(silent_proxy_fails_readiness, setup());

/// Prosody's `host:deactivate` removes the route, `host:activate` restores it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deactivated_host_fails_readiness() {
    let server = Prosody::start(&setup()).await;
    let port = ports::free();
    let proxy = Proxy::start(server.component_address()).await;
    let retry = "[component.limits]\nback_off = ['200ms', '1s']\nslow_retry = ['1s', '2s']";
    let mut daemon = Daemon::start(&configuration(proxy.address(), port, retry));
    let between = Between::Proxy(proxy);
    until(&between, port, 200, HEALED, &daemon).await;
    server.shell("host:deactivate('echo.localhost')");
    let fell = until(&between, port, 503, SOON, &daemon).await;
    server.shell("host:activate('echo.localhost')");
    let healed = until(&between, port, 200, HEALED, &daemon).await;
    println!(
        "not ready {fell:?} after host:deactivate, ready again {healed:?} after host:activate"
    );
    assert_eq!(daemon.stop().await.code(), Some(0));
}
