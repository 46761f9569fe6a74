//! A server that is nothing but a table: what it expects to read, byte for byte, and what it sends.

use std::fmt::Write as _;
use std::io;

use sha1::{Digest, Sha1};
use tokio::time::Duration;

use super::player::{self, TranscriptResult};
use campanile::connection::Io;

/// What happens on one connection, seen from the server.
///
/// `{name}` in what is expected stands for any text, and for the same text in what is sent later:
/// so the id of a stanza can be given back. The connection ends with the table, unless that says
/// [`hold`](Transcript::hold).
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
///     .send("<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='7'>")
///     .expect("<handshake>8f686092db4c9bf481b6a3835d96c27c6e6ab6e2</handshake>")
///     .send("<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>");
/// let (connector, played) = Transcript::play([refusal]);
/// let bot = Component::builder("bot.localhost").connector(connector).secret("wrong").router(Router::new());
/// let error = bot.build()?.run().await.unwrap_err();
/// assert!(error.to_string().contains("the secret is wrong"));
/// played.done().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "a transcript does nothing before it is played"]
pub struct Transcript {
    pub(super) steps: Vec<Step>,
    pub(super) bytewise: bool,
}

#[derive(Debug, Clone)]
pub(super) enum Step {
    Expect(String),
    Send(Vec<u8>),
    Wait(Duration),
    ExpectEnd,
    Hold,
}

impl Transcript {
    /// An empty table: the connection is accepted, and ends.
    pub fn new() -> Self {
        Self::default()
    }

    /// The opening of the stream of a component with this domain and the secret `s3cr3t`, up to the
    /// server's `<handshake/>`, with the id `3BF96D32`.
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

    /// Reads the ping to itself that a component sends on every new stream, and routes it back.
    pub fn self_ping(self, domain: &str) -> Self {
        let ping = |id: &str| {
            format!(
                "<iq type='get' id='{id}' from='{domain}/ping' to='{domain}/pong'><ping \
                xmlns='urn:xmpp:ping'/></iq>"
            )
        };
        self.expect(&ping("{ping}")).send(&ping("{ping}"))
    }

    /// The component must send this next.
    pub fn expect(self, bytes: &str) -> Self {
        self.step(Step::Expect(bytes.to_owned()))
    }

    /// The server sends this. What follows directly is sent in the same segment.
    pub fn send(self, bytes: &str) -> Self {
        self.send_bytes(bytes)
    }

    /// The server sends bytes that need not be text.
    pub fn send_bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        if let Some(Step::Send(sent)) = self.steps.last_mut() {
            sent.extend_from_slice(bytes.as_ref());
            return self;
        }
        self.step(Step::Send(bytes.as_ref().to_vec()))
    }

    /// Nothing happens for this long.
    pub fn wait(self, time: Duration) -> Self {
        self.step(Step::Wait(time))
    }

    /// The component must close its side.
    pub fn expect_end(self) -> Self {
        self.step(Step::ExpectEnd)
    }

    /// The server stays connected, says nothing, and reads what comes until the component goes.
    pub fn hold(self) -> Self {
        self.step(Step::Hold)
    }

    /// Sends one byte at a time.
    pub fn bytewise(mut self) -> Self {
        self.bytewise = true;
        self
    }

    /// A connector that plays one table per connection, and refuses the connections after the last,
    /// and a handle that tells how it went.
    pub fn play(
        transcripts: impl IntoIterator<Item = Self>,
    ) -> (
        impl Fn() -> std::future::Ready<io::Result<Io>> + Send + Sync + 'static,
        TranscriptResult,
    ) {
        player::play(transcripts.into_iter().collect())
    }

    fn step(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

/// SHA-1 of stream id and secret in lower-case hex (XEP-0114 §3), computed apart from the library's
/// own.
#[must_use]
pub fn digest(id: &str, secret: &str) -> String {
    let digest = Sha1::digest([id.as_bytes(), secret.as_bytes()].concat());
    digest.iter().fold(String::new(), |mut hex, byte| {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
