//! The metrics endpoint: valid according to promtool, small and fast however many stanzas were
//! handled.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use campanile_tests::{Daemon, http, ports, wait};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Number of stanzas, unless `CAMPANILE_STANZAS` is set.
const STANZAS: usize = 50_000;
/// Number of stanzas in flight.
const WINDOW: usize = 250;
const SENDERS: usize = 10_000;
const MOST_BYTES: usize = 200_000;
const LONGEST: Duration = Duration::from_millis(20);

/// Accepts a component without checking its secret.
async fn attach(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().await.unwrap();
    read_until(&mut stream, ">").await;
    let header = "<stream:stream xmlns='jabber:component:accept' \
        xmlns:stream='http://etherx.jabber.org/streams' id='1'>";
    stream.write_all(header.as_bytes()).await.unwrap();
    read_until(&mut stream, "</handshake>").await;
    stream.write_all(b"<handshake/>").await.unwrap();
    stream
}

async fn read_until(stream: &mut TcpStream, end: &str) {
    let mut read = String::new();
    let mut chunk = [0; 1024];
    while !read.contains(end) {
        let count = stream.read(&mut chunk).await.unwrap();
        assert_ne!(count, 0, "the component disconnected: {read}");
        read.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
    }
}

/// Returns a message, IQ or presence of a type that a server passes on, from a sender with
/// arbitrary names.
fn stanza(number: usize) -> String {
    let sender = format!(
        "user{}@evil{}.example/r\"{number}",
        number % SENDERS,
        number % 97
    )
    .replace('"', "&quot;");
    let head = format!(
        "from=\"{sender}\" to=\"bot{}@echo.localhost\" id=\"{number}\"",
        number % 9973
    );
    match number % 10 {
        0 => format!(
            "<iq {head} type=\"get\"><query xmlns=\"http://jabber.org/protocol/disco#info\"/></iq>"
        ),
        1 => format!("<iq {head} type=\"set\"><q xmlns=\"urn:stranger:{number}\"/></iq>"),
        2 => format!("<message {head} type=\"headline\"><body>{number}</body></message>"),
        3 => format!("<presence {head} type=\"probe\"/>"),
        _ => format!("<message {head} type=\"chat\"><body>{number}</body></message>"),
    }
}

/// Sends all stanzas in batches. Each batch is followed by a ping whose response is awaited.
async fn send(stream: &mut TcpStream, count: usize) {
    for start in (0..count).step_by(WINDOW) {
        let mut batch: String = (start..(start + WINDOW).min(count)).map(stanza).collect();
        batch.push_str(
            "<iq from='a@b/c' to='echo.localhost' type='get' id='end'><ping \
            xmlns='urn:xmpp:ping'/></iq>",
        );
        stream.write_all(batch.as_bytes()).await.unwrap();
        read_until(stream, "id='end' type='result'/>").await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_stay_small_and_valid() {
    let count = std::env::var("CAMPANILE_STANZAS").map_or(STANZAS, |count| count.parse().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admin = ports::free();
    let configuration = format!(
        "[admin]\nlisten = '127.0.0.1:{admin}'\n[[component]]\njid = 'echo.localhost'\naddress = \
        '{}'\n\
         secret = 'a secret for tests'\n[component.echo]\n[component.presence]\n\
         store = 'memory'\n",
        listener.local_addr().unwrap()
    );
    let mut daemon = Daemon::start(&configuration);
    let mut stream = attach(&listener).await;
    send(&mut stream, count).await;

    let mut times = Vec::new();
    let scrape = async || {
        let began = Instant::now();
        let answer = http::get(admin, "/metrics", "").await?;
        Some((began.elapsed(), answer))
    };
    let (_, first) = wait::until("metrics", wait::TIMEOUT, scrape).await.unwrap();
    for _ in 0..20 {
        times.push(scrape().await.unwrap().0);
    }
    let (_, body) = first.split_once("\r\n\r\n").unwrap();
    times.sort();
    let quickest = times[0];
    let slowest = times[times.len() - 1];
    println!(
        "after {count} stanzas: {} bytes, in {quickest:?} to {slowest:?}",
        body.len()
    );
    let counted = |line: &str| {
        line.starts_with("campanile_stanzas_total{")
            .then(|| line.rsplit_once(' ')?.1.parse::<usize>().ok())
    };
    assert!(
        body.lines().filter_map(counted).flatten().sum::<usize>() >= count,
        "{body}"
    );
    assert!(
        !body.contains("evil") && !body.contains("stranger"),
        "a label was chosen by a sender: {body}"
    );
    assert!(body.len() < MOST_BYTES, "{} bytes", body.len());
    // The fastest one, because other tests run in parallel.
    assert!(quickest < LONGEST, "{quickest:?}");
    check(body);
    drop(stream);
    assert_eq!(daemon.stop().await.code(), Some(0));
}

/// Validates metrics with `promtool check metrics`.
fn check(metrics: &str) {
    let mut command = Command::new("promtool");
    command
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command
        .spawn()
        .expect("promtool runs (installed by `tests/run install`)");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}
