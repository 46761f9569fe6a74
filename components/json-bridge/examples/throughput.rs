//! Measures how many messages per second reach a webhook, with and without an outbox.
//!
//! Server, bridge and web handler run in one process, on loopback.
//!
//! `cargo run --release -p campanile-json-bridge --example throughput -- [MESSAGES]`

#![allow(clippy::unwrap_used, reason = "a failed measurement has no result")]

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use campanile::component::Component;
use campanile_json_bridge::{Bot, Bridge, Secret, Settings, Webhook};
use campanile_testing::host::Host;

const SENDERS: usize = 100;
const WINDOW: usize = 4096;

/// The messages seen by the webhook: the latest number of each sender, the number of messages out
/// of order, and the total.
#[derive(Default)]
struct Seen {
    last: HashMap<String, u64>,
    disordered: u64,
    all: usize,
}

async fn hook(seen: Arc<Mutex<Seen>>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let handler = move |body: Bytes| {
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let mut seen = seen.lock().unwrap();
        let number: u64 = json["id"].as_str().unwrap().parse().unwrap();
        let last = seen
            .last
            .insert(json["from"].as_str().unwrap().to_owned(), number);
        seen.disordered += u64::from(last.is_some_and(|last| last >= number));
        seen.all += 1;
        async { axum::http::StatusCode::NO_CONTENT }
    };
    let router = axum::Router::new().route("/", axum::routing::post(handler));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    address
}

async fn measure(messages: usize, outbox: Option<PathBuf>) {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let address = hook(Arc::clone(&seen)).await;
    let webhook = Webhook::new(
        &format!("http://{address}/"),
        [Secret::new("whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")],
    )
    .unwrap();
    let bot = Bot {
        localpart: Some("bot".into()),
        webhook: Some(webhook),
        ..Bot::default()
    };
    let what = if outbox.is_some() {
        "with an outbox"
    } else {
        "without an outbox"
    };
    let bridge = Arc::new(Bridge::new(Settings {
        bots: vec![bot],
        outbox,
        ..Settings::default()
    }));
    let host = Host::new("secret");
    let component = Component::builder("bridge.localhost")
        .connector(host.connector())
        .secret("secret");
    tokio::spawn(
        component
            .modules([Arc::clone(&bridge) as Arc<_>])
            .build()
            .unwrap()
            .run(),
    );
    host.mounted("bridge.localhost").await;
    let users: Vec<_> = (0..SENDERS)
        .map(|number| host.user(&format!("u{number}@localhost/x")).unwrap())
        .collect();
    let started = Instant::now();
    for number in 0..messages {
        let xml = format!(
            "<message type='chat' id='{number}' to='bot@bridge.localhost'><body>A message as \
            people write.</body></message>"
        );
        users[number % SENDERS].send(xml.as_str()).await.unwrap();
        while number >= seen.lock().unwrap().all + WINDOW {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
    while seen.lock().unwrap().all < messages {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let time = started.elapsed().as_secs_f64();
    let seen = seen.lock().unwrap();
    println!(
        "{what}: {:.0} deliveries/s, {} out of order per sender",
        messages as f64 / time,
        seen.disordered
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let messages = std::env::args()
        .nth(1)
        .map_or(50_000, |text| text.parse().unwrap());
    let folder = std::env::temp_dir().join(format!("campanile-throughput-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    measure(messages, None).await;
    measure(messages, Some(folder.join("outbox.db"))).await;
    std::fs::remove_dir_all(&folder).unwrap();
}
