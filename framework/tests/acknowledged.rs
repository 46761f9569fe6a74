//! A server with Nagle's algorithm on does not wait for the delayed acknowledgement of what we leave without an answer.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may say so and fail")]

use std::time::{Duration, Instant};

use campanile::component::Component;
use campanile::extract::Body;
use campanile::router::Router;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const HEADER: &str =
    "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'>";
/// Beyond the first segments, which the kernel acknowledges at once.
const ROUNDS: usize = 60;

async fn read_until(stream: &mut TcpStream, end: &str) {
    let (mut read, mut chunk) = (String::new(), [0; 1024]);
    while !read.contains(end) {
        let count = stream.read(&mut chunk).await.unwrap();
        assert_ne!(count, 0, "the component left: {read}");
        read.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
    }
}

async fn attach(listener: TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    read_until(&mut stream, ">").await;
    stream.write_all(HEADER.as_bytes()).await.unwrap();
    read_until(&mut stream, "</handshake>").await;
    stream.write_all(b"<handshake/>").await.unwrap();
    stream
}

#[tokio::test]
async fn what_is_not_answered_is_acknowledged_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (heard, mut hears) = mpsc::unbounded_channel();
    let listen = move |_: Body| {
        heard.send(Instant::now()).unwrap();
        async {}
    };
    let builder = Component::builder("bot.localhost").server(listener.local_addr().unwrap().to_string()).secret("s");
    let component = builder.router(Router::new().message(listen)).build().unwrap();
    tokio::spawn(component.run());
    let mut server = attach(listener).await;
    let mut late = Vec::new();
    for _ in 0..ROUNDS {
        // The second is held back until the first is acknowledged.
        for body in ["one", "two"] {
            let stanza = format!("<message from='a@localhost/x' to='bot.localhost'><body>{body}</body></message>");
            server.write_all(stanza.as_bytes()).await.unwrap();
        }
        let (one, two) = (hears.recv().await.unwrap(), hears.recv().await.unwrap());
        late.push(two - one);
    }
    late.sort_unstable();
    // In the middle, as the machine may have other things to do; it was 40 ms.
    assert!(late[ROUNDS / 2] < Duration::from_millis(20), "{late:?}");
}
