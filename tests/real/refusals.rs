//! Servers that reject a component, or do not respond: how the daemon reacts, and how fast.

use std::time::{Duration, Instant};

use campanile_tests::setup::SECRET;
use campanile_tests::{Daemon, Ejabberd, Prosody, RawComponent, Server, on_both};

use crate::support::{component, components, log_contains, mounted, setup};

/// Time limit from the server's rejection to the exit of the daemon.
const SOON: Duration = Duration::from_secs(2);

/// Asserts that the daemon exits with 69 soon after the rejection. Returns its output.
async fn refused(configuration: &str, last: &str) -> String {
    // The best of three attempts, because the machine may stall for a moment.
    for _ in 0..3 {
        let mut daemon = Daemon::start(configuration);
        daemon
            .logs("the rejection", |line| {
                log_contains(line, "refused: ", last)
            })
            .await;
        let answered = Instant::now();
        let status = daemon.wait(Duration::from_secs(10)).await;
        let took = answered.elapsed();
        let said = daemon.output().tail();
        eprintln!("refused as {last}: ended {took:?} after the server's answer");
        assert_eq!(status.code(), Some(69), "{said}");
        if took < SOON {
            return said;
        }
    }
    panic!("the daemon did not end within {SOON:?} in three attempts");
}

async fn wrong_secret_ends_daemon(server: Server) {
    let configuration = component(
        "echo.localhost",
        &server.component_address(),
        "[component.echo]",
    );
    let said = refused(&configuration.replace(SECRET, "wr0ng"), "echo.localhost").await;
    assert!(
        said.contains("secret is wrong") && said.contains("component_secret"),
        "{said}"
    );
    assert!(!said.contains("wr0ng"), "the secret was printed: {said}");
}
on_both!(wrong_secret_ends_daemon, setup());

async fn unknown_domain_ends_daemon(server: Server) {
    let said = refused(
        &component(
            "x.localhost",
            &server.component_address(),
            "[component.echo]",
        ),
        "x.localhost",
    )
    .await;
    // ejabberd reports the same error for an unknown domain and for a wrong secret.
    assert!(
        said.contains("no component of this name") || said.contains("is not among the `hosts`"),
        "{said}"
    );
}
on_both!(unknown_domain_ends_daemon, setup());

/// A rejected component is retried and does not affect the other one.
async fn rejected_component_does_not_affect_others(server: Server) {
    let address = server.component_address();
    let configuration =
        components(&address) + &component("x.localhost", &address, "[component.echo]");
    let mut daemon = Daemon::start(&configuration);
    daemon
        .logs("the rejection", |line| {
            log_contains(line, "refused: ", "x.localhost")
        })
        .await;
    mounted(&mut daemon, "echo.localhost").await;
    mounted(&mut daemon, "disco.localhost").await;
    assert!(daemon.stop().await.success());
}
on_both!(rejected_component_does_not_affect_others, setup());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prosody_conflict_is_retried() {
    let server = Prosody::start(&setup()).await;
    let other = RawComponent::attach(&server.component_address(), "echo.localhost", SECRET).await;
    let mut daemon = Daemon::start(&components(&server.component_address()));
    mounted(&mut daemon, "disco.localhost").await;
    let said = daemon
        .logs("the conflict", |line| {
            log_contains(line, "answered conflict", "echo.localhost")
        })
        .await;
    let words = said["message"].as_str().unwrap();
    assert!(
        words.contains("another connection is mounted") && words.contains("kick_old"),
        "{words}"
    );
    drop(other);
    mounted(&mut daemon, "echo.localhost").await;
    assert!(daemon.stop().await.success());
}

/// ejabberd reports a conflict only with one of its virtual hosts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ejabberd_virtual_host_conflict_is_reported() {
    let server = Ejabberd::start(&setup().component("localhost")).await;
    let address = server.component_address();
    let configuration =
        components(&address) + &component("localhost", &address, "[component.echo]");
    let mut daemon = Daemon::start(&configuration);
    let said = daemon
        .logs("the conflict", |line| {
            log_contains(line, "answered conflict", "localhost")
        })
        .await;
    assert!(
        said["message"]
            .as_str()
            .unwrap()
            .contains("is a virtual host of that name"),
        "{said}"
    );
    mounted(&mut daemon, "echo.localhost").await;
    assert!(daemon.stop().await.success());
}

async fn closed_port_is_retried(mut server: Server) {
    server.stop().await;
    let mut daemon = Daemon::start(&components(&server.component_address()));
    let said = daemon
        .logs("the closed port", |line| {
            log_contains(line, "nothing listens at", "echo.localhost")
        })
        .await;
    assert!(
        said["message"]
            .as_str()
            .unwrap()
            .contains(&server.component_address()),
        "{said}"
    );
    server.start_again().await;
    mounted(&mut daemon, "echo.localhost").await;
    mounted(&mut daemon, "disco.localhost").await;
    assert!(daemon.stop().await.success());
}
on_both!(closed_port_is_retried, setup());
