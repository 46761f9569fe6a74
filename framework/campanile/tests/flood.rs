//! Floods in real time and real memory: their effect on other senders, and the memory that a
//! component uses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::future::pending;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use campanile::component::Component;
use campanile::error::{Condition, StanzaError};
use campanile::limits::Limits;
use campanile::router::Router;
use campanile_testing::host::User;
use campanile_testing::{digest, mount, start};

const BOT: &str = "bot.localhost";
const X: (&str, &str) = ("urn:x", "x");
const Y: (&str, &str) = ("urn:y", "y");

async fn quick() {}

// Latency.

/// Floods until `enough` is set, and returns the number of rejections.
async fn flood(
    mallory: Arc<User>,
    (localparts, size): (usize, usize),
    enough: Arc<AtomicBool>,
) -> usize {
    let refused = tokio::spawn(rejections(Arc::clone(&mallory)));
    let mut n = 0;
    let text = "x".repeat(size);
    while !enough.load(Ordering::Relaxed) {
        n += 1;
        let to = format!("bot{}@bot.localhost", n % localparts);
        let ask = format!("<iq to='{to}' type='get' id='{n}'><x xmlns='urn:x'>{text}</x></iq>");
        mallory.send(ask).await.unwrap();
    }
    // An invalid stanza is rejected at once, after all rejections of the flood.
    let last = "<iq to='bot.localhost' type='weird' id='last'/>";
    mallory.send(last).await.unwrap();
    refused.await.unwrap()
}

/// Counts rejections up to the answer to the last request.
async fn rejections(mallory: Arc<User>) -> usize {
    let mut refused = 0;
    loop {
        let told = mallory.recv().await.unwrap();
        if told.id() == Some("last") {
            return refused;
        }
        assert_eq!(
            StanzaError::from_stanza(&told).condition(),
            Condition::ResourceConstraint
        );
        refused += 1;
    }
}

/// Returns the latencies of Bob's requests in ascending order, and how many of Mallory's were
/// rejected meanwhile.
async fn served_beside_a_flood(localparts: usize, size: usize) -> (Vec<Duration>, usize) {
    let bot = mount(BOT, |bot| {
        let router = Router::new().iq_get(X, pending::<()>).iq_get(Y, quick);
        // A busy machine takes a while; no request of the flood may end by its deadline meanwhile.
        bot.router(router)
            .limits(Limits::default().with_handler_timeout(Duration::from_secs(3600)))
    })
    .await;
    let mallory = Arc::new(bot.user("mallory@evil.example"));
    let bob = bot.user("bob@localhost");
    let enough = Arc::new(AtomicBool::new(false));
    let flood = tokio::spawn(flood(mallory, (localparts, size), Arc::clone(&enough)));
    bot.counted(|counters| counters.shed > 1000).await;
    let mut times = Vec::new();
    for id in 0..500 {
        let began = Instant::now();
        let ask = format!("<iq to='bot.localhost' type='get' id='{id}'><y xmlns='urn:y'/></iq>");
        bob.ask(&ask, "<iq type='result'/>").await;
        times.push(began.elapsed());
    }
    enough.store(true, Ordering::Relaxed);
    times.sort();
    (times, flood.await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_senders_are_served_at_once_during_a_flood() {
    // Without optimization, the embedded host cannot keep up with its own flood of empty requests.
    let smallest = if cfg!(debug_assertions) { 1000 } else { 0 };
    for (localparts, size) in [(1, 1000), (10_000, 1000), (1, smallest), (10_000, smallest)] {
        // The machine may be busy with other work; the component must not be.
        let mut rounds = (0..5).map(|_| served_beside_a_flood(localparts, size));
        loop {
            let round = rounds.next().expect("one round of five is fast");
            let (times, refused) = round.await;
            let at = |share: usize| times[times.len() * share / 1000];
            let median = at(500);
            let p99 = at(990);
            println!(
                "flood of {size} bytes to {localparts} localparts, {refused} rejected: others p50 \
                {median:?}, p99 {p99:?}"
            );
            assert!(refused > 1000);
            if p99 < Duration::from_millis(50) {
                break;
            }
        }
    }
}

/// The first call of a blocking handler delays everyone. From then on it blocks a thread of its own
/// while other senders are served: each later call returns only after another sender has received a
/// response.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blocking_handler_delays_other_senders_only_once() {
    let (served, waiting) = mpsc::channel::<()>();
    let waiting = Arc::new(Mutex::new(waiting));
    let calls = Arc::new(AtomicUsize::new(0));
    let late = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let missed = Arc::clone(&late);
    let blocks = move || {
        let waiting = Arc::clone(&waiting);
        let calls = Arc::clone(&counted);
        let late = Arc::clone(&missed);
        async move {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                thread::sleep(Duration::from_millis(50));
            } else if waiting
                .lock()
                .unwrap()
                .recv_timeout(Duration::from_secs(20))
                .is_err()
            {
                late.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let bot = mount(BOT, |bot| {
        bot.router(Router::new().iq_get(X, blocks).iq_get(Y, quick))
    })
    .await;
    let mallory = bot.user("mallory@evil.example");
    let bob = bot.user("bob@localhost");
    for id in 0..20 {
        mallory
            .send(format!(
                "<iq to='bot.localhost' type='get' id='{id}'><x xmlns='urn:x'/></iq>"
            ))
            .await
            .unwrap();
    }
    for id in 0..20 {
        // Within one of Mallory's handlers, except for the first.
        while calls.load(Ordering::Relaxed) <= id.min(19) {
            tokio::task::yield_now().await;
        }
        let ask = format!("<iq to='bot.localhost' type='get' id='{id}'><y xmlns='urn:y'/></iq>");
        bob.ask(&ask, "<iq type='result'/>").await;
        if id > 0 {
            served.send(()).unwrap();
        }
    }
    for id in 0..20 {
        mallory
            .expect(&format!("<iq type='result' id='{id}'/>"))
            .await;
    }
    assert_eq!(
        (calls.load(Ordering::Relaxed), late.load(Ordering::Relaxed)),
        (20, 0)
    );
}

// Memory. The component runs in a separate process, so that only its own memory is measured.

/// The address that the component of this process connects to; set for the process that the tests
/// below start.
const SERVER: &str = "CAMPANILE_FLOODED_SERVER";

/// Not a test: the body of the other process.
#[tokio::test]
async fn flooded_component_process() {
    let Ok(address) = std::env::var(SERVER) else {
        return;
    };
    let router = Router::new().message(pending::<()>).iq_get(Y, quick);
    // The server of these tests routes nothing, not even keepalive pings.
    let mut limits = Limits::default();
    limits.keepalive_deadline = Duration::from_secs(3600);
    let bot = Component::builder(BOT)
        .server(address)
        .secret("s3cr3t")
        .limits(limits)
        .router(router);
    let _bot = start(bot);
    pending::<()>().await;
}

/// A component in another process whose handlers never end, and the server's side of its stream.
struct Flooded {
    process: Child,
    stream: TcpStream,
    refused: mpsc::Receiver<usize>,
}

impl Flooded {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "flooded_component_process"])
            .env(SERVER, address)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        opening(&mut stream);
        let (told, refused) = mpsc::channel();
        let answers = BufReader::new(stream.try_clone().unwrap());
        thread::spawn(move || count(answers, &told));
        Self {
            process,
            stream,
            refused,
        }
    }

    /// Sends `count` stanzas and waits until all are accepted or rejected. Returns the number of
    /// rejections with an error.
    fn flood(&mut self, count: usize, stanza: impl Fn(usize) -> String) -> usize {
        let mut batch = String::new();
        for n in 0..count {
            batch += &stanza(n);
            if batch.len() > 64 * 1024 || n + 1 == count {
                self.stream.write_all(batch.as_bytes()).unwrap();
                batch.clear();
            }
        }
        // All handlers are running or queued; an invalid stanza is rejected at once.
        let last = "<iq from='bob@localhost/r' to='bot.localhost' type='weird' id='last'/>";
        self.stream.write_all(last.as_bytes()).unwrap();
        self.refused
            .recv_timeout(Duration::from_secs(120))
            .expect("the component responds after the flood")
    }

    /// Returns the peak resident memory in KiB.
    fn peak(&self) -> usize {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }
}

impl Drop for Flooded {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Counts errors up to each response to the last request.
fn count(mut answers: impl BufRead, told: &mpsc::Sender<usize>) {
    let mut refused = 0;
    let mut tag = Vec::new();
    while answers
        .read_until(b'>', &mut tag)
        .is_ok_and(|count| count > 0)
    {
        refused += usize::from(tag.starts_with(b"<resource-constraint "));
        let last = tag.starts_with(b"<iq ") && tag.windows(9).any(|window| window == b"id='last'");
        if last && told.send(std::mem::take(&mut refused)).is_err() {
            return;
        }
        tag.clear();
    }
}

fn opening(stream: &mut TcpStream) {
    until(stream, "to='bot.localhost'>");
    let header = "<stream:stream xmlns='jabber:component:accept' \
        xmlns:stream='http://etherx.jabber.org/streams' id='1'>";
    stream.write_all(header.as_bytes()).unwrap();
    until(
        stream,
        &format!("<handshake>{}</handshake>", digest("1", "s3cr3t")),
    );
    stream.write_all(b"<handshake/>").unwrap();
}

fn until(stream: &mut TcpStream, end: &str) {
    let mut read = Vec::new();
    while !read.ends_with(end.as_bytes()) {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
}

/// A message to a handler that never ends, from one of ten thousand senders to one of about as many
/// localparts.
fn message(n: usize, body: &str) -> String {
    let sender = n % 10_000;
    let localpart = n % 9_973;
    format!(
        "<message from='user{sender}@evil.example/r' to='bot{localpart}@bot.localhost' type='chat'>\
         <body>{body}</body></message>"
    )
}

#[test]
fn queued_flood_uses_little_memory() {
    for (count, size) in [(60_000, 80), (30_000, 2_000), (2_000, 60_000)] {
        let mut bot = Flooded::start();
        let body = "x".repeat(size);
        let refused = bot.flood(count, |n| message(n, &body));
        let peak = bot.peak();
        println!(
            "{count} messages of {size} bytes to handlers that never end: {refused} rejected, \
            peak {peak} KiB"
        );
        assert!(
            peak <= 64 * 1024 && refused > 0,
            "{peak} KiB, {refused} rejected"
        );
    }
}

/// A stanza that follows large ones must not keep their memory alive.
#[test]
fn small_stanzas_do_not_keep_large_buffers_alive() {
    for (size, requests) in [(300_000, 1), (10_000, 8), (3_000, 20)] {
        let mut bot = Flooded::start();
        let text = "x".repeat(size);
        bot.flood(1000, |n| {
            let large = format!(
                "<iq from='bob@localhost/r' to='bot.localhost' type='get' id='{n}'><y \
                xmlns='urn:y'>{text}</y></iq>"
            );
            large.repeat(requests) + &message(n, "small")
        });
        let peak = bot.peak();
        println!(
            "1000 small messages in hand, each behind {requests} of {size} bytes: peak {peak} KiB"
        );
        assert!(peak <= 64 * 1024, "{peak} KiB");
    }
}
