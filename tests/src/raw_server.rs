//! A server that exchanges raw XML with a component (XEP-0114), for input that no real server would
//! pass on.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::tree::{self, Tree, Trees};
use crate::wait::TIMEOUT;

/// Capacity between the reading task and the test, in stanzas. Beyond it the component waits, as
/// for a slow server.
const STANZAS: usize = 4096;

/// A listener on loopback that accepts every secret.
#[derive(Debug)]
pub struct RawServer {
    listener: TcpListener,
}

/// A connected component. Its stanzas to itself are routed back, as by any server.
#[derive(Debug)]
pub struct AttachedComponent {
    /// Writing half, which can be used separately.
    pub writer: Writer,
    stanzas: mpsc::Receiver<Tree>,
}

/// Writing half of a component stream, open until the component closes the stream. Clones share the
/// stream.
#[derive(Debug, Clone)]
pub struct Writer(Arc<Mutex<Option<OwnedWriteHalf>>>);

impl RawServer {
    /// Listens on a free port.
    pub async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has free ports");
        Self { listener }
    }

    /// Returns the address for components.
    pub fn address(&self) -> String {
        self.listener.local_addr().expect("it listens").to_string()
    }

    /// Waits for the next component and accepts it.
    pub async fn accept(&self) -> AttachedComponent {
        let accepted = timeout(TIMEOUT, async {
            let (stream, _) = self.listener.accept().await.expect("it listens");
            AttachedComponent::open(stream).await
        });
        accepted
            .await
            .unwrap_or_else(|_| panic!("no component within {TIMEOUT:?}"))
    }
}

impl AttachedComponent {
    async fn open(mut stream: TcpStream) -> Self {
        let mut trees = Trees::default();
        let mut domain = None;
        loop {
            let tops = tree::next(&mut stream, &mut trees)
                .await
                .expect("the component opens its stream");
            if let (None, Some(header)) = (&domain, trees.header()) {
                let to = header.attribute("to").to_owned();
                let header = format!(
                    "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
                     xmlns:stream='http://etherx.jabber.org/streams' from='{to}' id='1' \
                     xml:lang='en'>"
                );
                stream
                    .write_all(header.as_bytes())
                    .await
                    .expect("the component reads");
                domain = Some(to);
            }
            if tops.iter().any(|top| top.name == "handshake") {
                break;
            }
        }
        stream
            .write_all(b"<handshake/>")
            .await
            .expect("the component reads");
        let (reader, writer) = stream.into_split();
        let (found, stanzas) = mpsc::channel(STANZAS);
        let writer = Writer(Arc::new(Mutex::new(Some(writer))));
        tokio::spawn(hear(
            reader,
            trees,
            domain.unwrap_or_default(),
            writer.clone(),
            found,
        ));
        Self { writer, stanzas }
    }

    /// Writes XML unchanged.
    pub async fn write(&self, xml: &str) {
        assert!(
            self.writer.write(xml).await,
            "the component has closed its stream"
        );
    }

    /// Returns the next stanza that is not addressed to the component itself, or `None` at the end
    /// of the stream.
    pub async fn next(&mut self) -> Option<Tree> {
        self.next_within(TIMEOUT)
            .await
            .unwrap_or_else(|_| panic!("nothing from the component within {TIMEOUT:?}"))
    }

    /// Like [`AttachedComponent::next`], with a time limit.
    ///
    /// # Errors
    /// Returns an error if no stanza arrives in time.
    pub async fn next_within(&mut self, within: Duration) -> Result<Option<Tree>, Elapsed> {
        timeout(within, self.stanzas.recv()).await
    }
}

impl Writer {
    /// Writes XML unchanged. Returns `false` without writing once the component has closed the
    /// stream.
    pub async fn write(&self, xml: &str) -> bool {
        match &mut *self.0.lock().await {
            Some(writer) => writer.write_all(xml.as_bytes()).await.is_ok(),
            None => false,
        }
    }

    /// Closes the server's side of the stream.
    async fn close(&self) {
        if let Some(mut writer) = self.0.lock().await.take() {
            // The component may already be disconnected.
            let _ = writer.write_all(b"</stream:stream>").await;
        }
    }
}

/// Reads to the end of the stream, and closes the stream when the component does.
async fn hear(
    mut reader: OwnedReadHalf,
    mut trees: Trees,
    domain: String,
    writer: Writer,
    found: mpsc::Sender<Tree>,
) {
    while let Some(tops) = tree::next(&mut reader, &mut trees).await {
        for stanza in tops {
            if !is_at(stanza.attribute("to"), &domain) {
                if found.send(stanza).await.is_err() {
                    return;
                }
                continue;
            }
            // In a separate task: writing may block until the component has been read from.
            let writer = writer.clone();
            tokio::spawn(async move { writer.write(&ping(&stanza)).await });
        }
        if trees.is_closed() {
            writer.close().await;
        }
    }
}

fn is_at(jid: &str, domain: &str) -> bool {
    let bare = jid.split('/').next().unwrap_or_default();
    bare.rsplit('@').next() == Some(domain)
}

/// Returns the component's self-ping as a server routes it back.
fn ping(stanza: &Tree) -> String {
    let attributes =
        ["from", "to", "id", "type"].map(|name| format!(" {name}='{}'", stanza.attribute(name)));
    format!(
        "<iq{}><ping xmlns='urn:xmpp:ping'/></iq>",
        attributes.concat()
    )
}
