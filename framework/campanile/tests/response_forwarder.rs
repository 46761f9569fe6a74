//! Several processes on one JID: a response routed to the wrong process reaches the one that sent
//! the request.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile::client::{Client, IqError, ResponseForwarder};
use campanile::component::Component;
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile_testing::host::{Host, OnConflict, User};
use campanile_testing::{Running, start};

const BOT: &str = "bot.localhost";

/// The processes that can forward to each other, by instance.
#[derive(Debug, Default)]
struct Line(Mutex<HashMap<String, Client>>);

impl ResponseForwarder for Line {
    fn forward(&self, instance: &str, answer: Stanza) {
        if let Some(client) = self.0.lock().unwrap().get(instance) {
            assert!(
                client.accept_response(answer),
                "no pending request at {instance}"
            );
        }
    }
}

async fn processes(host: &Host, line: Option<&Arc<Line>>) -> [Running; 2] {
    let process = || {
        let builder = Component::builder(BOT)
            .connector(host.connector())
            .secret("s3cr3t")
            .router(Router::new());
        let bot = start(match line {
            Some(line) => {
                builder.response_forwarder(Arc::clone(line) as Arc<dyn ResponseForwarder>)
            }
            None => builder,
        });
        if let Some(line) = line {
            line.0
                .lock()
                .unwrap()
                .insert(bot.client().instance().to_owned(), bot.client());
        }
        bot
    };
    let both = [process(), process()];
    for bot in &both {
        bot.mounted().await;
    }
    both
}

/// Answers every ping.
fn answer_pings(user: User) {
    tokio::spawn(async move {
        while let Some(request) = user.recv().await {
            let id = request.id().unwrap_or_default();
            user.send(format!("<iq type='result' to='{BOT}' id='{id}'/>"))
                .await
                .unwrap();
        }
    });
}

/// Returns how many of a hundred requests of each process are answered, and how many responses were
/// forwarded.
async fn answered(both: &[Running; 2]) -> (usize, u64) {
    let mut answered = 0;
    for _ in 0..50 {
        // Stanzas go to each process in turn: of two requests of one process, one response is
        // routed to the other.
        for bot in both.iter().flat_map(|bot| [bot, bot]) {
            match bot
                .client()
                .ping("alice@localhost/r".parse::<jid::Jid>().unwrap())
                .await
            {
                Ok(_) => answered += 1,
                Err(IqError::Timeout) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
    (
        answered,
        both.iter().map(|bot| bot.counters().forwarded).sum(),
    )
}

fn host() -> Host {
    Host::builder()
        .secret("s3cr3t")
        .on_conflict(OnConflict::Share)
        .build()
}

#[tokio::test(start_paused = true)]
async fn response_is_forwarded_to_the_requesting_process() {
    let host = host();
    answer_pings(host.user("alice@localhost/r").unwrap());
    let line = Arc::default();
    let both = processes(&host, Some(&line)).await;
    let (answered, forwarded) = answered(&both).await;
    assert_eq!(answered, 200);
    assert!(forwarded > 50, "{forwarded}");
}

#[tokio::test(start_paused = true)]
async fn half_of_the_responses_are_lost_without_a_forwarder() {
    let host = host();
    answer_pings(host.user("alice@localhost/r").unwrap());
    let both = processes(&host, None).await;
    let (answered, forwarded) = answered(&both).await;
    assert!(answered < 150 && forwarded == 0, "{answered}");
}

/// A forger knows no valid id, and even with one is not the address that was asked.
#[tokio::test(start_paused = true)]
async fn forwarded_response_from_another_address_is_rejected() {
    let host = host();
    let alice = host.user("alice@localhost/r").unwrap();
    let mallory = host.user("mallory@localhost/r").unwrap();
    let line: Arc<Line> = Arc::default();
    let both = processes(&host, Some(&line)).await;
    let client = both[0].client();
    let asked = tokio::spawn(async move {
        client
            .ping("alice@localhost/r".parse::<jid::Jid>().unwrap())
            .await
    });
    let request = alice.recv().await.unwrap();
    let forged = mallory
        .request("<iq type='get' to='localhost' id='x'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    let mut forged = forged.unwrap();
    forged = forged
        .with_id(request.id().unwrap())
        .with_from(mallory.jid().clone());
    assert!(!both[0].client().accept_response(forged.clone()));
    assert!(
        !both[1]
            .client()
            .accept_response(forged.with_from(alice.jid().clone()))
    );
    assert!(!asked.is_finished());
    // The request is unaffected: it is answered, or times out if the response was routed to the
    // other stream.
    let id = request.id().unwrap();
    alice
        .send(format!("<iq type='result' to='{BOT}' id='{id}'/>"))
        .await
        .unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), asked)
        .await
        .unwrap()
        .unwrap();
    assert!(ended.is_ok(), "{ended:?}");
}
