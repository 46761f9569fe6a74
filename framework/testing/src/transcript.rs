//! Scripted servers: the bytes they expect and the bytes they send.

use std::fmt::Write as _;
use std::io;

use sha1::{Digest, Sha1};
use tokio::time::Duration;

use super::player::{self, TranscriptResult};
use super::script::{Script, Step};
use tokio::io::DuplexStream;

/// Script of one connection, from the server's point of view.
///
/// `{name}` in expected bytes matches any text and captures it. The same placeholder in bytes that
/// are sent later is replaced by the captured text, for example to return a stanza's id. The
/// connection is closed at the end of the script, unless it ends with [`hold`](Transcript::hold).
///
/// ```
/// use campanile::component::Component;
/// use campanile_testing::Transcript;
/// # use campanile::{error::BoxError, router::Router};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let refusal = Transcript::new()
///     .expect("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' ")
///     .expect("xmlns:stream='http://etherx.jabber.org/streams' to='bot.localhost'>")
///     .send("<stream:stream xmlns='jabber:component:accept' ")
///     .send("xmlns:stream='http://etherx.jabber.org/streams' id='7'>")
///     .expect("<handshake>8f686092db4c9bf481b6a3835d96c27c6e6ab6e2</handshake>")
///     .send("<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>")
///     .send("</stream:error></stream:stream>");
/// let (connector, result) = Transcript::play([refusal]);
/// let bot = Component::builder("bot.localhost")
///     .connector(connector)
///     .secret("wrong")
///     .router(Router::new());
/// let error = bot.build()?.run().await.unwrap_err();
/// assert!(error.to_string().contains("the secret is wrong"));
/// result.done().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a transcript does nothing before it is played"]
pub struct Transcript {
    script: Script,
}

impl Transcript {
    /// Creates an empty script, which accepts the connection and closes it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a script with the stream opening of a component with this domain and the secret
    /// `s3cr3t`, up to the server's `<handshake/>`. The stream id is `3BF96D32`.
    pub fn opening(domain: &str) -> Self {
        Self::new()
            .expect("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' ")
            .expect(&format!(
                "xmlns:stream='http://etherx.jabber.org/streams' to='{domain}'>"
            ))
            .send("<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' ")
            .send(&format!(
                "xmlns:stream='http://etherx.jabber.org/streams' from='{domain}' id='3BF96D32'>"
            ))
            .expect(&format!(
                "<handshake>{}</handshake>",
                digest("3BF96D32", "s3cr3t")
            ))
            .send("<handshake/>")
    }

    /// Expects the self-ping that a component sends on every new stream, and routes it back.
    pub fn self_ping(self, domain: &str) -> Self {
        let ping = |id: &str| {
            format!(
                "<iq type='get' id='{id}' from='{domain}/ping' to='{domain}/pong'><ping \
                xmlns='urn:xmpp:ping'/></iq>"
            )
        };
        self.expect(&ping("{ping}")).send(&ping("{ping}"))
    }

    /// Expects these bytes from the component next.
    pub fn expect(self, bytes: &str) -> Self {
        self.step(Step::Expect(bytes.to_owned()))
    }

    /// Sends text. Consecutive sends are written in one segment.
    pub fn send(self, bytes: &str) -> Self {
        self.send_bytes(bytes)
    }

    /// Sends bytes, which need not be UTF-8.
    pub fn send_bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        if let Some(Step::Send(sent)) = self.script.steps.last_mut() {
            sent.extend_from_slice(bytes.as_ref());
            return self;
        }
        self.step(Step::Send(bytes.as_ref().to_vec()))
    }

    /// Waits for a duration.
    pub fn wait(self, time: Duration) -> Self {
        self.step(Step::Wait(time))
    }

    /// Expects the component to close its side of the connection.
    pub fn expect_end(self) -> Self {
        self.step(Step::ExpectEnd)
    }

    /// Keeps the connection open without sending anything, and discards input until the component
    /// disconnects.
    pub fn hold(self) -> Self {
        self.step(Step::Hold)
    }

    /// Sends bytes one at a time.
    pub fn bytewise(mut self) -> Self {
        self.script.bytewise = true;
        self
    }

    /// Returns a connector that plays one transcript per connection, and a handle to the results.
    /// Connections after the last transcript are refused.
    pub fn play(
        transcripts: impl IntoIterator<Item = Self>,
    ) -> (
        impl Fn() -> std::future::Ready<io::Result<DuplexStream>> + Send + Sync + 'static,
        TranscriptResult,
    ) {
        let scripts = transcripts.into_iter().map(|transcript| transcript.script);
        player::play(scripts.collect())
    }

    fn step(mut self, step: Step) -> Self {
        self.script.steps.push(step);
        self
    }
}

/// Returns the handshake digest: SHA-1 of stream id and secret in lower-case hexadecimal (XEP-0114
/// §3).
///
/// Implemented independently of the framework's own digest, so that tests do not share its bugs.
#[must_use]
pub fn digest(id: &str, secret: &str) -> String {
    let digest = Sha1::digest([id.as_bytes(), secret.as_bytes()].concat());
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
