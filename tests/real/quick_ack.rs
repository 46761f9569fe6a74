//! A server with Nagle's algorithm on does not wait for the delayed acknowledgement of what we
//! leave without an answer.

use std::time::{Duration, Instant};

use campanile::component::Component;
use campanile::extract::Body;
use campanile::router::Router;
use campanile_tests::RawServer;
use campanile_tests::setup::SECRET;
use tokio::sync::mpsc;

/// Beyond the first segments, which the kernel acknowledges at once.
const ROUNDS: usize = 60;

#[tokio::test]
async fn unanswered_stanza_is_acknowledged_immediately() {
    let server = RawServer::listen().await;
    let (heard, mut hears) = mpsc::channel(2);
    let listen = move |_: Body| {
        heard.try_send(Instant::now()).unwrap();
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
        // The second is held back until the first is acknowledged.
        for body in ["one", "two"] {
            let stanza = format!(
                "<message from='a@localhost/x' to='bot.localhost'><body>{body}</body></message>"
            );
            attached.write(&stanza).await;
        }
        let one = hears.recv().await.unwrap();
        let two = hears.recv().await.unwrap();
        late.push(two - one);
    }
    late.sort_unstable();
    // In the middle, as the machine may have other things to do; it was 40 ms.
    assert!(late[ROUNDS / 2] < Duration::from_millis(20), "{late:?}");
}
