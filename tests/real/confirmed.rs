//! Confirmed delivery: no confirmed message is lost when a real server is repeatedly stopped and
//! killed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile::client::{Client, ConfirmError};
use campanile::component::{Component, ComponentBuilder};
use campanile::extract::StanzaRef;
use campanile::limits::Limits;
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile_tests::setup::SECRET;
use campanile_tests::{Kind, Server, Setup, on_both, wait};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const JID: &str = "one.localhost";
const RESTARTS: u64 = 8;
const SENDERS: usize = 16;

/// Number of deliveries of each message, and the order of first deliveries by sender.
#[derive(Debug, Default)]
struct Inbox {
    times: HashMap<String, u32>,
    order: HashMap<String, Vec<usize>>,
}

/// A component that sends messages to itself through the server.
fn component(server: &Server) -> (ComponentBuilder, Arc<Mutex<Inbox>>) {
    let inbox = Arc::new(Mutex::new(Inbox::default()));
    let counted = Arc::clone(&inbox);
    let count = move |message: StanzaRef| {
        let mut inbox = counted.lock().unwrap();
        let id = message.id().unwrap().to_owned();
        if !inbox.times.contains_key(&id) {
            let (sender, number) = id.split_once('-').unwrap();
            inbox
                .order
                .entry(sender.to_owned())
                .or_default()
                .push(number.parse().unwrap());
        }
        *inbox.times.entry(id).or_default() += 1;
        async {}
    };
    let mut limits = Limits::default();
    limits.back_off = (Duration::from_millis(50), Duration::from_millis(300));
    limits.slow_retry = limits.back_off;
    let builder = Component::builder(JID)
        .server(server.component_address())
        .secret(SECRET)
        .limits(limits);
    (
        builder.router(Router::new().at("inbox", Router::new().message(count))),
        inbox,
    )
}

fn message(id: &str, size: usize) -> Stanza {
    let body = format!("{id} {}", "x".repeat(size));
    Stanza::chat(
        format!("inbox@{JID}")
            .parse::<xmpp_parsers::jid::Jid>()
            .unwrap(),
        &body,
    )
    .unwrap()
    .with_id(id)
}

/// Sends messages in sequence until stopped. Returns their number.
fn send_on(client: Client, sender: usize, stop: watch::Receiver<bool>) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let mut number = 0;
        while !*stop.borrow() {
            client
                .send_confirmed(message(&format!("s{sender}-{number}"), 150))
                .await
                .unwrap();
            number += 1;
        }
        number
    })
}

async fn confirmed_messages_are_delivered(mut server: Server) {
    let (builder, inbox) = component(&server);
    let component = builder.build().unwrap();
    let client = component.client();
    let stats = component.metrics();
    let running = tokio::spawn(component.run());
    let (stop, stopped) = watch::channel(false);
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| send_on(client.clone(), sender, stopped.clone()))
        .collect();
    for round in 0..RESTARTS {
        let before = stats.counters().confirmed;
        wait::until("progress", Duration::from_secs(60), async || {
            (stats.counters().confirmed > before + 200).then_some(())
        })
        .await
        .unwrap();
        if round % 2 == 0 {
            server.kill();
        } else {
            server.stop().await;
        }
        server.start_again().await;
    }
    stop.send(true).unwrap();
    let mut sent = Vec::new();
    for (sender, sending) in senders.into_iter().enumerate() {
        let count = timeout(Duration::from_secs(60), sending)
            .await
            .unwrap()
            .unwrap();
        sent.extend((0..count).map(|number| format!("s{sender}-{number}")));
    }
    let lost = || {
        sent.iter()
            .filter(|id| !inbox.lock().unwrap().times.contains_key(*id))
            .cloned()
            .collect::<Vec<_>>()
    };
    // The server has delivered them before the confirming ping; the handlers may need a moment.
    let come = wait::until("all messages", wait::TIMEOUT, async || {
        lost().is_empty().then_some(())
    })
    .await;
    assert!(
        come.is_ok(),
        "{} of {} are lost: {:?}",
        lost().len(),
        sent.len(),
        lost()
    );
    let stats = stats.counters();
    let inbox = inbox.lock().unwrap();
    assert!(
        inbox.order.values().all(|numbers| numbers.is_sorted()),
        "messages of one sender arrive in order"
    );
    assert!(
        stats.connected > RESTARTS && stats.confirmed >= RESTARTS * 200,
        "{stats:?}"
    );
    let twice = inbox.times.values().filter(|&&times| times > 1).count();
    println!(
        "{:?}: {} messages over {} streams, {} resent, {twice} delivered more than once",
        server.kind(),
        sent.len(),
        stats.connected,
        stats.resent
    );
    running.abort();
}
on_both!(
    confirmed_messages_are_delivered,
    Setup::new().component(JID)
);

/// The server closes the stream because of one oversized stanza; all others are delivered.
async fn poisoned_stanza_is_isolated(server: Server) {
    let (builder, inbox) = component(&server);
    let component = builder.build().unwrap();
    let client = component.client();
    let stats = component.metrics();
    let running = tokio::spawn(component.run());
    let sends = (0..20).map(|number| {
        let client = client.clone();
        let size = if number == 7 { 40_000 } else { 1000 };
        tokio::spawn(async move {
            client
                .send_confirmed(message(&format!("s-{number}"), size))
                .await
        })
    });
    for (number, sending) in sends.collect::<Vec<_>>().into_iter().enumerate() {
        let taken = timeout(Duration::from_secs(60), sending)
            .await
            .unwrap()
            .unwrap();
        if number != 7 {
            taken.unwrap();
            continue;
        }
        // Prosody resets the connection, so its error does not always arrive.
        let wanted: &[_] = match server.kind() {
            Kind::Prosody => &["not-well-formed", "undefined-condition"],
            Kind::Ejabberd => &["policy-violation"],
        };
        assert!(
            matches!(&taken, Err(ConfirmError::Refused(error)) if wanted.contains(&&*error.condition)),
            "{taken:?}"
        );
    }
    let all = async || (inbox.lock().unwrap().times.len() == 19).then_some(());
    wait::until("the others", wait::TIMEOUT, all).await.unwrap();
    let poisoned = stats.counters().poisoned;
    let streams = stats.counters().connected;
    // The stream closed by the stanza, the one of its isolated retry, and more if others were
    // queued behind it.
    assert!(
        poisoned == 1 && (2..=6).contains(&streams),
        "{streams} streams, {poisoned} given up"
    );
    running.abort();
}
on_both!(
    poisoned_stanza_is_isolated,
    Setup::new().component(JID).max_stanza_size(32_768)
);
