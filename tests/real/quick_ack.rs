//! The component acknowledges stanzas without a reply immediately, so that a server with Nagle's
//! algorithm enabled is not delayed.

use std::time::{Duration, Instant};

use campanile::component::Component;
use campanile::extract::Body;
use campanile::router::Router;
use campanile_tests::RawServer;
use campanile_tests::setup::SECRET;
use tokio::sync::mpsc;

/// More than the first segments, which the kernel acknowledges immediately.
const ROUNDS: usize = 60;

#[tokio::test]
async fn unanswered_stanza_is_acknowledged_immediately() {
    let server = RawServer::listen().await;
    let (received, mut receiver) = mpsc::channel(2);
    let listen = move |_: Body| {
        received.try_send(Instant::now()).unwrap();
        async {}
    };
    let builder = Component::builder("bot.localhost")
        .server(server.address())
        .secret(SECRET);
    let component = builder
        .router(Router::new().message(listen))
        .build()
        .unwrap();
    tokio::spawn(component.run());
    let attached = server.accept().await;
    let mut late = Vec::new();
    for _ in 0..ROUNDS {
        // The second message is held back until the first is acknowledged.
        for body in ["one", "two"] {
            let stanza = format!(
                "<message from='a@localhost/x' to='bot.localhost'><body>{body}</body></message>"
            );
            attached.write(&stanza).await;
        }
        let one = receiver.recv().await.unwrap();
        let two = receiver.recv().await.unwrap();
        late.push(two - one);
    }
    late.sort_unstable();
    // The median, because the machine may be busy. Delayed acknowledgment takes 40 ms.
    assert!(late[ROUNDS / 2] < Duration::from_millis(20), "{late:?}");
}
