//! A client that exchanges raw XML with a server (RFC 6120) and never reconnects, so that sent and
//! received stanzas can be counted exactly.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::mpsc;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use xmpp_parsers::minidom::Element;
use xmpp_parsers::sasl::{Auth, Mechanism};

use crate::server::Server;
use crate::setup::password;
use crate::tree::{self, Tree, Trees};
use crate::wait::TIMEOUT;

/// Maximum size of the recorded raw input, in bytes.
const WIRE: usize = 64 * 1024;
/// Capacity between the reading task and the test, in stanzas. Beyond it the server waits, as for a
/// slow client.
const STANZAS: usize = 100_000;

/// A client that is logged in without presence.
#[derive(Debug)]
pub struct RawClient {
    /// Full JID.
    pub jid: String,
    /// Writing half, which can be used separately.
    pub writer: Writer,
    /// Reading half.
    pub reader: Reader,
}

/// Writing half of a client stream.
#[derive(Debug)]
pub struct Writer(OwnedWriteHalf);

/// Reading half of a client stream, fed by a background task.
#[derive(Debug)]
pub struct Reader {
    stanzas: mpsc::Receiver<Tree>,
    wire: Arc<Mutex<String>>,
}

impl RawClient {
    /// Logs in a configured user with this resource.
    pub async fn login(server: &Server, user: &str, resource: &str) -> Self {
        let address = server.client_address();
        let login = timeout(TIMEOUT, async {
            let stream = TcpStream::connect(&address)
                .await
                .unwrap_or_else(|error| panic!("{address}: {error}"));
            Self::open(stream, user, resource).await
        });
        login
            .await
            .unwrap_or_else(|_| panic!("{user}: no login within {TIMEOUT:?}"))
    }

    async fn open(mut stream: TcpStream, user: &str, resource: &str) -> Self {
        begin(&mut stream).await;
        let data = format!("\0{user}\0{}", password(user)).into_bytes();
        let auth = String::from(&Element::from(Auth {
            mechanism: Mechanism::Plain,
            data,
        }));
        assert_eq!(
            ask(&mut stream, &mut Trees::default(), &auth, true)
                .await
                .name,
            "success",
            "{user}"
        );
        let mut trees = begin(&mut stream).await;
        let bind = format!(
            "<iq type='set' id='bind'><bind \
            xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{resource}</resource></bind></iq>"
        );
        let bound = ask(&mut stream, &mut trees, &bind, false).await;
        let jid = bound
            .elements()
            .flat_map(Tree::elements)
            .find(|child| child.name == "jid")
            .map(Tree::text);
        let jid = jid.unwrap_or_else(|| panic!("{user}: no address in {bound:?}"));
        let (mut reader, writer) = stream.into_split();
        let (found, stanzas) = mpsc::channel(STANZAS);
        let wire = Arc::new(Mutex::new(String::new()));
        let seen = Arc::clone(&wire);
        tokio::spawn(async move {
            let mut chunk = vec![0; WIRE];
            while let Ok(count @ 1..) = reader.read(&mut chunk).await {
                keep(&seen, &chunk[..count]);
                for stanza in trees.feed(&chunk[..count]) {
                    if found.send(stanza).await.is_err() {
                        return;
                    }
                }
            }
        });
        Self {
            jid,
            writer: Writer(writer),
            reader: Reader { stanzas, wire },
        }
    }

    /// Sends an IQ get repeatedly until the response is a result. `meanwhile` is called with all
    /// other stanzas.
    ///
    /// # Errors
    /// Returns a description if there is no result within a minute.
    pub async fn get_until_answered(
        &mut self,
        to: &str,
        payload: &str,
        mut meanwhile: impl FnMut(&Tree),
    ) -> Result<(), String> {
        let asking = async {
            for number in 0.. {
                let id = format!("until-{number}");
                self.writer
                    .write(&format!(
                        "<iq type='get' id='{id}' to='{to}'>{payload}</iq>"
                    ))
                    .await?;
                while let Some(stanza) = self.reader.next().await {
                    match stanza.attribute("id") == id {
                        true if stanza.attribute("type") == "result" => return Ok(()),
                        true => break,
                        false => meanwhile(&stanza),
                    }
                }
            }
            Ok(())
        };
        let asked: Result<std::io::Result<()>, _> = timeout(Duration::from_secs(60), asking).await;
        match asked {
            Ok(Ok(())) => Ok(()),
            other => Err(format!("{payload} to {to}: {other:?}")),
        }
    }
}

impl Writer {
    /// Writes XML unchanged.
    ///
    /// # Errors
    /// Returns an error if the connection is closed.
    pub async fn write(&mut self, xml: &str) -> std::io::Result<()> {
        self.0.write_all(xml.as_bytes()).await
    }
}

impl Reader {
    /// Returns the next stanza, or `None` at the end of the stream.
    pub async fn next(&mut self) -> Option<Tree> {
        self.next_within(TIMEOUT)
            .await
            .unwrap_or_else(|_| panic!("nothing from the server within {TIMEOUT:?}"))
    }

    /// Like [`Reader::next`], with a time limit.
    ///
    /// # Errors
    /// Returns an error if no stanza arrives in time.
    pub async fn next_within(&mut self, within: Duration) -> Result<Option<Tree>, Elapsed> {
        timeout(within, self.stanzas.recv()).await
    }

    /// Returns the raw input since the last call.
    pub fn wire(&self) -> String {
        std::mem::take(&mut *self.wire.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn keep(wire: &Mutex<String>, bytes: &[u8]) {
    let mut wire = wire.lock().unwrap_or_else(PoisonError::into_inner);
    if wire.len() < WIRE {
        wire.push_str(&String::from_utf8_lossy(bytes));
    }
}

/// Opens a stream and waits for its features.
async fn begin(stream: &mut TcpStream) -> Trees {
    let header = "<stream:stream xmlns='jabber:client' \
        xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>";
    let mut trees = Trees::default();
    ask(stream, &mut trees, header, false).await;
    trees
}

/// Writes XML and returns the next element. With `outside`, a stream header is implied, because
/// none precedes the input.
async fn ask(stream: &mut TcpStream, trees: &mut Trees, xml: &str, outside: bool) -> Tree {
    if outside {
        trees.feed(b"<stream>");
    }
    stream
        .write_all(xml.as_bytes())
        .await
        .expect("the server reads");
    loop {
        let mut tops = tree::next(stream, trees)
            .await
            .unwrap_or_else(|| panic!("the stream ended after {xml}"));
        if let Some(top) = tops.pop() {
            return top;
        }
    }
}
