//! Server restarts and lost routes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use campanile::client::{Client, Empty, IqError};
use campanile::component::{Component, Status};
use campanile::jid::Jid;
use campanile::limits::Limits;
use campanile::router::Router;
use campanile::xmpp_parsers::ping::Ping;
use campanile_tests::raw_client::{Reader, Writer};
use campanile_tests::setup::SECRET;
use campanile_tests::tree::Tree;
use campanile_tests::{Daemon, Prosody, RawClient, Server, on_both};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use crate::support::{component, components, log_contains, mounted, setup, setup_for};

const ECHO: &str = "echo.localhost";
const ASKER: &str = "asker.localhost";
const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";
const ROUNDS: usize = 20;
/// Number of messages in flight.
const WINDOW: usize = 256;
/// Number of echoes before the server is stopped.
const ENOUGH: usize = 300;

/// Number of replies to each message, in all rounds.
#[derive(Default)]
struct Echoes(BTreeMap<String, usize>);

impl Echoes {
    fn see(&mut self, stanza: &Tree) {
        let echo =
            stanza.name == "message" && stanza.is_from(ECHO) && stanza.attribute("type") == "chat";
        if echo {
            *self.0.entry(stanza.attribute("id").to_owned()).or_default() += 1;
        }
    }
}

/// Stops or kills the server twenty times while a client sends continuously. The component
/// reconnects, no message is answered twice, and pending requests of another component fail
/// immediately with a reason.
async fn component_reconnects_after_server_restarts(mut server: Server) {
    let mut daemon = Daemon::start(&component(
        ECHO,
        &server.component_address(),
        "[component.echo]",
    ));
    let (client, mut status) = asker(&server);
    let mut echoes = Echoes::default();
    let mut sent = 0;
    let mut slowest = Duration::ZERO;
    for round in 0..ROUNDS {
        let mut bob = RawClient::login(&server, "bob", "home").await;
        // Until the component has reconnected, the server answers in its place.
        let back = bob
            .get_until_answered(ECHO, PING, |stanza| echoes.see(stanza))
            .await;
        back.unwrap_or_else(|error| panic!("round {round}: {error}\n{}", daemon.output().tail()));
        status.wait_for(Status::is_ready).await.unwrap();
        let pending = ask(&client, &bob.jid);
        let RawClient {
            writer, mut reader, ..
        } = bob;
        until_asked(&mut reader, &mut echoes).await;

        let window = Arc::new(Semaphore::new(WINDOW));
        let sending = tokio::spawn(send(writer, round, Arc::clone(&window)));
        listen(&mut reader, &mut echoes, &window, ENOUGH).await;
        if round.is_multiple_of(2) {
            server.stop().await;
        } else {
            server.kill();
        }
        let gone = Instant::now();
        let (answer, failed) = pending.await.unwrap();
        assert!(
            matches!(answer, Err(IqError::Disconnected)),
            "round {round}: {answer:?}"
        );
        let late = failed.saturating_duration_since(gone);
        assert!(
            late < Duration::from_secs(2),
            "round {round}: the request failed {late:?} after the server was gone"
        );
        slowest = slowest.max(late);
        listen(&mut reader, &mut echoes, &window, usize::MAX).await;
        window.close();
        sent += sending.await.unwrap();
        server.start_again().await;
    }
    let mut bob = RawClient::login(&server, "bob", "home").await;
    bob.get_until_answered(ECHO, PING, |stanza| echoes.see(stanza))
        .await
        .unwrap();
    let answered = echoes.0.len();
    eprintln!(
        "{:?}: {ROUNDS} restarts, {sent} messages sent, {answered} answered; requests failed \
        {slowest:?} after the end at most",
        server.kind()
    );
    let twice: Vec<_> = echoes.0.iter().filter(|&(_, &count)| count > 1).collect();
    assert!(twice.is_empty(), "answered more than once: {twice:?}");
    assert!(daemon.stop().await.success());
}
on_both!(
    component_reconnects_after_server_restarts,
    setup_for(&[ECHO, ASKER])
);

/// Starts a component that sends requests, in this process.
fn asker(server: &Server) -> (Client, watch::Receiver<Status>) {
    let mut limits = Limits::default();
    limits.back_off = (Duration::from_millis(200), Duration::from_secs(1));
    let builder = Component::builder(ASKER)
        .server(server.component_address())
        .secret(SECRET);
    let component = builder
        .limits(limits)
        .router(Router::new())
        .build()
        .unwrap();
    let client = component.client();
    let status = component.status();
    tokio::spawn(component.run());
    (client, status)
}

/// Sends a request that is never answered. Returns its result and when it failed.
fn ask(client: &Client, peer: &str) -> JoinHandle<(Result<(), IqError>, Instant)> {
    let client = client.clone();
    let peer = Jid::new(peer).unwrap();
    tokio::spawn(async move {
        let answer = client.iq_get::<Empty>(peer, &Ping).await.map(|_| ());
        (answer, Instant::now())
    })
}

async fn until_asked(reader: &mut Reader, echoes: &mut Echoes) {
    loop {
        let stanza = reader.next().await.expect("the request arrives");
        if stanza.is_from(ASKER) && stanza.name == "iq" {
            return;
        }
        echoes.see(&stanza);
    }
}

/// Sends messages until the connection or the window is closed. Returns their number.
async fn send(mut writer: Writer, round: usize, window: Arc<Semaphore>) -> usize {
    for number in 0.. {
        let Ok(permit) = window.acquire().await else {
            return number;
        };
        permit.forget();
        let id = format!("r{round}-{number}");
        let message =
            format!("<message type='chat' id='{id}' to='{ECHO}'><body>{id}</body></message>");
        if writer.write(&message).await.is_err() {
            return number;
        }
    }
    unreachable!("the loop is infinite")
}

/// Reads `count` echoes, or to the end of the stream.
async fn listen(reader: &mut Reader, echoes: &mut Echoes, window: &Semaphore, count: usize) {
    let before = echoes.0.len();
    while echoes.0.len() - before < count {
        let Some(stanza) = reader.next().await else {
            return;
        };
        echoes.see(&stanza);
        window.add_permits(1);
    }
}

/// After `host:deactivate` Prosody keeps the connection open but routes nothing to it, which only
/// the self-ping detects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_route_is_detected_and_restored() {
    let server = Prosody::start(&setup()).await;
    let mut daemon = Daemon::start(&components(&server.component_address()));
    mounted(&mut daemon, ECHO).await;
    server.shell("host:deactivate('echo.localhost')");
    daemon
        .logs("the lost route", |line| {
            log_contains(line, "disconnected: ", ECHO)
        })
        .await;
    server.shell("host:activate('echo.localhost')");
    let mut bob = RawClient::login(&server, "bob", "home").await;
    let back = bob.get_until_answered(ECHO, PING, |_| {}).await;
    back.unwrap_or_else(|error| panic!("{error}\n{}", daemon.output().tail()));
    assert!(daemon.stop().await.success());
}
