//! Abusive callers of the bridge's HTTP API: limits hold, and other callers are still served.

use std::time::{Duration, Instant};

use campanile_tests::setup::SECRET;
use campanile_tests::{Daemon, Prosody, Setup, http, ports, wait};
use futures_util::{StreamExt, stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::mounted;

/// Number of callers that open an event stream and never read it.
const READERS: usize = 10_000;
/// Maximum number of event streams.
const SERVED: usize = 256;
/// Number of concurrent connection attempts.
const AT_ONCE: usize = 100;
/// Maximum growth of the daemon's memory, in KiB.
const MOST: u64 = 32 * 1024;

/// Opens an event stream. Returns the connection if it is served, or `None` once it has been
/// closed.
async fn reader(api: u16) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(("127.0.0.1", api)).await.unwrap();
    let head = format!(
        "GET /v1/events HTTP/1.1\r\nHost: localhost:{api}\r\nAuthorization: Bearer whole-token-of-the-api\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    match &status {
        b"HTTP/1.1 200" => Some(stream),
        b"HTTP/1.1 503" => {
            // The connection is closed after the response.
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            None
        }
        other => panic!("{}", String::from_utf8_lossy(other)),
    }
}

/// Posts an oversized body. Returns the status line and the number of bytes written before it.
async fn oversized(api: u16, megabytes: usize) -> (String, usize) {
    let mut stream = TcpStream::connect(("127.0.0.1", api)).await.unwrap();
    let length = megabytes << 20;
    let head = format!(
        "POST /v1/messages HTTP/1.1\r\nHost: localhost:{api}\r\nAuthorization: Bearer whole-token-of-the-api\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut written = 0;
    while written < length {
        match stream.write(&[b' '; 65_536]).await {
            Ok(count) => written += count,
            Err(_) => break,
        }
    }
    let mut answer = [0; 12];
    // A reset may have discarded the response.
    let read = stream.read(&mut answer).await.unwrap_or(0);
    (
        String::from_utf8_lossy(&answer[..read]).into_owned(),
        written,
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_survives_abusive_callers() {
    let server = Prosody::start(&Setup::new().component("bridge.localhost")).await;
    let api = ports::free();
    let configuration = format!(
        "[[component]]\njid = 'bridge.localhost'\naddress = '{}'\nsecret = \
        '{SECRET}'\n[component.json_bridge]\n\
         api = {{ listen = '127.0.0.1:{api}', token = 'whole-token-of-the-api' }}\n",
        server.component_address()
    );
    let mut daemon = Daemon::start(&configuration);
    mounted(&mut daemon, "bridge.localhost").await;
    let post = async |token: &str, body: &str| {
        let head = format!("Authorization: Bearer {token}\r\n");
        let answer = timeout(wait::TIMEOUT, http::post(api, "/v1/messages", &head, body)).await;
        answer
            .expect("a response in time")
            .expect("a response")
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned()
    };
    let to_alice = r#"{"to":"alice@localhost","body":"hello"}"#;
    assert_eq!(post("whole-token-of-the-api", to_alice).await, "202");
    let (before, _) = daemon.process().resident().unwrap();

    let started = Instant::now();
    let idle: Vec<_> = stream::iter(0..READERS)
        .map(|_| reader(api))
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    let took = started.elapsed();
    assert_eq!(idle.len(), SERVED);
    // Meanwhile other callers are served, and each kind of invalid request gets its error.
    assert_eq!(post("whole-token-of-the-api", to_alice).await, "202");
    for token in [
        "",
        "hole-token-of-the-api",
        "whole-token-of-the-apis",
        "WHOLE-TOKEN-OF-THE-API",
    ] {
        assert_eq!(post(token, to_alice).await, "401", "{token:?}");
    }
    for to in [
        "alice@other.example",
        "alice@localhost.evil.example",
        "localhost.evil.example",
    ] {
        assert_eq!(
            post(
                "whole-token-of-the-api",
                &format!(r#"{{"to":"{to}","body":"x"}}"#)
            )
            .await,
            "403",
            "{to}"
        );
    }
    let (answer, written) = oversized(api, 200).await;
    assert!(
        (answer.is_empty() || answer == "HTTP/1.1 413") && written < 20 << 20,
        "{answer} after {written} bytes"
    );
    assert_eq!(post("whole-token-of-the-api", to_alice).await, "202");

    let (_, peak) = daemon.process().resident().unwrap();
    println!(
        "{READERS} readers in {took:?}, {SERVED} of them served; {before} KiB before, {peak} KiB \
        at most"
    );
    assert!(
        peak < before + MOST,
        "{before} KiB before, {peak} KiB at most"
    );
    drop(idle);
    let served = async || reader(api).await.map(drop);
    wait::until("capacity for a reader", Duration::from_secs(20), served)
        .await
        .unwrap();
    assert!(daemon.stop().await.success());
}
