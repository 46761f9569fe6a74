//! The log of an outage: its start, one line every 30 s, and its end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use campanile::Component;
use campanile::router::Router;
use campanile_testing::{Transcript, mount, start};
use tokio::time::sleep;
use tracing::subscriber::DefaultGuard;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    /// Captures the log of this thread.
    fn capture() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(move || writer.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    /// Returns the lines since the last call that are about the connection.
    fn take(&self) -> Vec<String> {
        let text = String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap();
        let about = |line: &&str| {
            ["disconnected", "mounted", "ready"]
                .iter()
                .any(|word| line.contains(word))
        };
        text.lines().filter(about).map(str::to_owned).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn outage_is_logged_in_few_lines_with_its_end() {
    let (lines, _guard) = Lines::capture();
    let bot = mount("bot.localhost", |bot| {
        bot.server("127.0.0.1:5347").router(Router::new())
    })
    .await;
    let first = lines.take();
    assert!(
        matches!(&first[..], [line] if line.contains("mounted ")),
        "{first:?}"
    );
    sleep(Duration::from_secs(60)).await;
    bot.host().stop();
    sleep(Duration::from_secs(120)).await;
    let outage = lines.take();
    // The connection was lost, attempts fail, and three more lines at half a minute.
    assert!((4..=6).contains(&outage.len()), "{outage:#?}");
    let first = &outage[0];
    assert!(
        first.contains("attempt=1") && !first.contains("outage=") && !first.contains("repeated="),
        "{first}"
    );
    let last = outage.last().unwrap();
    for field in ["retry_in=", "attempt=", "outage=1m ", "repeated="] {
        assert!(last.contains(field), "{field}: {last}");
    }
    bot.host().start();
    // A server on this machine is tried again within five seconds.
    sleep(Duration::from_secs(6)).await;
    let end = lines.take();
    assert!(
        matches!(&end[..], [line] if line.contains("mounted again") && line.contains("outage=2m ")),
        "{end:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn connection_that_fails_again_and_again_is_logged_every_half_minute() {
    let (lines, _guard) = Lines::capture();
    let failing = || {
        Transcript::opening("bot.localhost")
            .send("<presence></message>")
            .hold()
    };
    let (connector, _played) = Transcript::play((0..200).map(|_| failing()));
    let bot = start(
        Component::builder("bot.localhost")
            .server("127.0.0.1:5347")
            .connector(connector)
            .secret("s3cr3t")
            .router(Router::new()),
    );
    sleep(Duration::from_secs(120)).await;
    assert!(bot.counters().connected >= 20, "{:?}", bot.counters());
    let log = lines.take();
    assert!(log.len() <= 12, "{log:#?}");
    let fault = &log[1];
    assert!(
        fault.contains("sent invalid XML") && !fault.contains("TLS"),
        "{fault}"
    );
}

#[tokio::test(start_paused = true)]
async fn changes_of_readiness_are_logged() {
    let (lines, _guard) = Lines::capture();
    let (connector, _played) = Transcript::play([Transcript::opening("bot.localhost").hold()]);
    let bot = start(
        Component::builder("bot.localhost")
            .connector(connector)
            .secret("s3cr3t")
            .router(Router::new()),
    );
    bot.until(|status| {
        matches!(
            status,
            campanile::component::Status::Mounted { live: false }
        )
    })
    .await;
    let log = lines.take();
    assert!(log.iter().any(|line| line.contains("not ready")), "{log:?}");
}
