//! The log line of a failed handler.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::io::Write;
use std::sync::{Arc, Mutex};

use campanile::router::Router;
use campanile_testing::mount;

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

async fn breaks() -> Result<(), std::fmt::Error> {
    Err(std::fmt::Error)
}

async fn breaks_later() -> Result<(), std::fmt::Error> {
    tokio::task::yield_now().await;
    Err(std::fmt::Error)
}

#[tokio::test(start_paused = true)]
async fn failed_handler_is_logged_with_its_route_and_condition() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let bot = mount("bot.localhost", |bot| {
        let router = Router::new().iq_get("urn:x", breaks);
        bot.router(router.iq_get("urn:y", breaks_later))
    })
    .await;
    let alice = bot.user("alice@localhost");
    for (namespace, route) in [
        ("urn:x", "failure_log::breaks"),
        ("urn:y", "failure_log::breaks_later"),
    ] {
        let ask = format!("<iq to='bot.localhost' type='get' id='1'><x xmlns='{namespace}'/></iq>");
        alice.send(ask.as_str()).await.unwrap();
        alice.recv().await.unwrap();
        let text = std::mem::take(&mut *lines.0.lock().unwrap());
        let text = String::from_utf8(text).unwrap();
        let line = text
            .lines()
            .find(|line| line.contains("handler failed"))
            .unwrap();
        assert!(line.contains(&format!("route=\"{route}\"")), "{line}");
        assert!(line.contains("condition=internal-server-error"), "{line}");
    }
}
