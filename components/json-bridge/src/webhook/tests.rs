//! Connections of webhook requests, against listeners on loopback.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::connect::{interleaved, race};
use super::{Outcome, Poster, Webhook};

/// Hosts of a URL that lead to this machine or to a private network without a lookup in DNS.
const PRIVATE: [&str; 10] = [
    "127.0.0.1",
    "0.0.0.0",
    "10.0.0.1",
    "169.254.169.254",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[fd00::1]",
    "[fe80::1]",
    "localhost",
];
/// Further notations of 127.0.0.1, which the resolver of the system accepts. With https, they are
/// already refused as server names.
const LOOPBACK: [&str; 4] = ["127.1", "2130706433", "0x7f.0.0.1", "017700000001"];

fn webhook(url: &str) -> Webhook {
    Webhook::new(url, []).unwrap()
}

/// Posts once, and returns the reason of the failure.
async fn failure(poster: &Poster, hook: &Webhook) -> String {
    match poster.post(hook, "1", Bytes::from_static(b"{}")).await {
        Outcome::Retry { why, .. } => why,
        outcome => panic!("{}: {outcome:?}", hook.url),
    }
}

#[tokio::test]
async fn private_address_in_url_of_guarded_webhook_is_refused() {
    let poster = Poster::new(std::iter::empty()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let http = PRIVATE.into_iter().chain(LOOPBACK);
    let urls = http.map(|host| format!("http://{host}:{port}/hook"));
    let https = PRIVATE.map(|host| format!("https://{host}:{port}/hook"));
    for url in urls.chain(https) {
        assert_eq!(
            failure(&poster, &webhook(&url).guarded()).await,
            "private address refused: the URL does not come from the configuration",
            "{url}"
        );
    }
    // Loopback is connected immediately, so a connection would be waiting by now.
    let waiting = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
    assert!(waiting.is_err(), "{waiting:?}");
}

#[tokio::test]
async fn redirect_is_not_followed() {
    let poster = Poster::new(std::iter::empty()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 4096];
        let _ = stream.read(&mut buffer).await.unwrap();
        let answer = format!(
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://{address}/other\r\n\
            content-length: 0\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
        // A followed redirect would arrive on this connection or on another.
        tokio::select! {
            read = stream.read(&mut buffer) => read.unwrap() == 0,
            _ = listener.accept() => false,
        }
    });
    assert_eq!(
        failure(&poster, &webhook(&format!("http://{address}/hook"))).await,
        "webhook returned 307 Temporary Redirect"
    );
    assert!(server.await.unwrap());
}

#[tokio::test]
async fn connection_errors_name_their_cause() {
    let poster = Poster::new(std::iter::empty()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .await
            .unwrap();
    });
    assert_eq!(
        failure(&poster, &webhook(&format!("https://{address}/hook"))).await,
        "the webhook does not speak TLS on this port; write http:// or its TLS port"
    );
    server.await.unwrap();
    // The listener is closed.
    assert_eq!(
        failure(&poster, &webhook(&format!("http://{address}/hook?key=1"))).await,
        format!("nothing listens at http://{address}/hook")
    );
}

#[tokio::test(start_paused = true)]
async fn stalled_tls_handshake_times_out() {
    let poster = Poster::new(std::iter::empty()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let start = Instant::now();
    assert_eq!(
        failure(&poster, &webhook(&format!("https://{address}/hook"))).await,
        "timed out"
    );
    assert_eq!(start.elapsed().as_secs(), 10);
}

#[test]
fn url_with_invalid_port_is_refused() {
    for port in ["99999", "0", "", "65536", "00"] {
        for host in ["127.0.0.5", "[::1]", "hooks.example.org"] {
            let error = Webhook::new(&format!("http://{host}:{port}/hook"), []).unwrap_err();
            assert!(error.contains("port"), "{host}:{port}: {error}");
        }
    }
    for good in [
        "http://[::1]/",
        "https://a.example:65535",
        "http://127.0.0.1:80/x",
    ] {
        webhook(good);
    }
}

#[test]
fn addresses_of_both_families_are_tried_in_turn() {
    let all = ["[2001:db8::1]:1", "[2001:db8::2]:1", "192.0.2.1:1"].map(|a| a.parse().unwrap());
    let ordered = interleaved(all.into_iter());
    assert_eq!(ordered, [all[0], all[2], all[1]]);
}

#[tokio::test]
async fn address_that_does_not_answer_delays_the_next_by_a_moment() {
    // Linux drops connection requests while the backlog is full.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(1).unwrap();
    let silent = full.local_addr().unwrap();
    let mut held = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(
        Duration::from_millis(200),
        tokio::net::TcpStream::connect(silent),
    )
    .await
    {
        held.push(stream);
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let good = listener.local_addr().unwrap();
    let start = Instant::now();
    let stream = race(vec![silent, good], false).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), good);
    assert!(start.elapsed() < Duration::from_secs(4));
    // A refused address does not delay the next at all, and the guard holds for each.
    drop(full);
    assert_eq!(
        race(vec![silent, good], false)
            .await
            .unwrap()
            .peer_addr()
            .unwrap(),
        good
    );
    let refused = race(vec![silent, good], true)
        .await
        .unwrap_err()
        .to_string();
    assert!(refused.contains("private address refused"), "{refused}");
}
