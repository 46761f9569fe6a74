//! Servers that say no, or nothing: what the daemon makes of it, and how soon.

use std::time::{Duration, Instant};

use campanile_tests::setup::SECRET;
use campanile_tests::{Daemon, Ejabberd, HandMade, Prosody, Server, on_both};

use crate::support::{component, components, mounted, setup, tells};

/// From the server's answer to the end of the process.
const SOON: Duration = Duration::from_secs(2);

/// The daemon ends with 69 soon after it was refused; gives what it said.
async fn refused(configuration: &str, last: &str) -> String {
    // The best of three: a machine that stands still for a moment is not the daemon's delay.
    for _ in 0..3 {
        let mut daemon = Daemon::start(configuration);
        daemon
            .logs("that it was refused", |line| tells(line, "refused: ", last))
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
    panic!("in no try of three it ended within {SOON:?}");
}

async fn a_secret_that_is_wrong(server: Server) {
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
    assert!(!said.contains("wr0ng"), "a secret was shown: {said}");
}
on_both!(a_secret_that_is_wrong, setup());

async fn a_domain_that_the_server_does_not_know(server: Server) {
    let said = refused(
        &component(
            "x.localhost",
            &server.component_address(),
            "[component.echo]",
        ),
        "x.localhost",
    )
    .await;
    // ejabberd says the same of an unknown domain as of a wrong secret.
    assert!(
        said.contains("no component of this name") || said.contains("is not among the `hosts`"),
        "{said}"
    );
}
on_both!(a_domain_that_the_server_does_not_know, setup());

/// One that is refused does not hurt the other, and is tried again.
async fn one_of_two_is_refused(server: Server) {
    let address = server.component_address();
    let configuration =
        components(&address) + &component("x.localhost", &address, "[component.echo]");
    let mut daemon = Daemon::start(&configuration);
    daemon
        .logs("that it was refused", |line| {
            tells(line, "refused: ", "x.localhost")
        })
        .await;
    mounted(&mut daemon, "echo.localhost").await;
    mounted(&mut daemon, "disco.localhost").await;
    assert!(daemon.stop().await.success());
}
on_both!(one_of_two_is_refused, setup());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prosody_has_another_connection_already() {
    let server = Prosody::start(&setup()).await;
    let other = HandMade::attach(&server.component_address(), "echo.localhost", SECRET).await;
    let mut daemon = Daemon::start(&components(&server.component_address()));
    mounted(&mut daemon, "disco.localhost").await;
    let said = daemon
        .logs("the conflict", |line| {
            tells(line, "answered conflict", "echo.localhost")
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

/// ejabberd knows a conflict only with a host of its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ejabberd_has_a_host_of_that_name() {
    let server = Ejabberd::start(&setup().component("localhost")).await;
    let address = server.component_address();
    let configuration =
        components(&address) + &component("localhost", &address, "[component.echo]");
    let mut daemon = Daemon::start(&configuration);
    let said = daemon
        .logs("the conflict", |line| {
            tells(line, "answered conflict", "localhost")
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

async fn a_port_that_is_closed(mut server: Server) {
    server.stop().await;
    let mut daemon = Daemon::start(&components(&server.component_address()));
    let said = daemon
        .logs("the closed port", |line| {
            tells(line, "nothing listens at", "echo.localhost")
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
on_both!(a_port_that_is_closed, setup());
