//! A server written out byte by byte (XEP-0114), for what no real server would let through.

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

/// Stanzas between the reading task and the test; beyond it the component waits, as with a slow
/// server.
const STANZAS: usize = 4096;

/// Listens on loopback. It takes every secret.
#[derive(Debug)]
pub struct RawServer {
    listener: TcpListener,
}

/// A component that is attached. What it sends to itself comes back to it, as with any server.
#[derive(Debug)]
pub struct AttachedComponent {
    /// The writing half, to be driven on its own where that helps.
    pub writer: Writer,
    stanzas: mpsc::Receiver<Tree>,
}

/// Writes, until the component closes the stream. Clones write to the same one.
#[derive(Debug, Clone)]
pub struct Writer(Arc<Mutex<Option<OwnedWriteHalf>>>);

impl RawServer {
    /// Listens on a port of its own.
    pub async fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has free ports");
        Self { listener }
    }

    /// Where components connect.
    pub fn address(&self) -> String {
        self.listener.local_addr().expect("it listens").to_string()
    }

    /// Waits for the next component, and lets it in.
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

    /// Writes bytes as they are.
    pub async fn write(&self, xml: &str) {
        assert!(
            self.writer.write(xml).await,
            "the component has closed its stream"
        );
    }

    /// The next stanza that is not for the component itself; none at the end of the stream.
    pub async fn next(&mut self) -> Option<Tree> {
        self.next_within(TIMEOUT)
            .await
            .unwrap_or_else(|_| panic!("nothing from the component within {TIMEOUT:?}"))
    }

    /// As [`AttachedComponent::next`].
    ///
    /// # Errors
    /// When nothing came in time.
    pub async fn next_within(&mut self, within: Duration) -> Result<Option<Tree>, Elapsed> {
        timeout(within, self.stanzas.recv()).await
    }
}

impl Writer {
    /// Writes bytes as they are. False, and nothing written, once the component has closed the
    /// stream.
    pub async fn write(&self, xml: &str) -> bool {
        match &mut *self.0.lock().await {
            Some(writer) => writer.write_all(xml.as_bytes()).await.is_ok(),
            None => false,
        }
    }

    /// Closes our side, behind all that was written.
    async fn close(&self) {
        if let Some(mut writer) = self.0.lock().await.take() {
            // A component that is gone already needs no good-bye.
            let _ = writer.write_all(b"</stream:stream>").await;
        }
    }
}

/// Reads to the end; closes the stream when the component does.
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
            // Not here: whoever writes may have to wait for us to read.
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

/// The component's ping to itself, as it comes back.
fn ping(stanza: &Tree) -> String {
    let attributes =
        ["from", "to", "id", "type"].map(|name| format!(" {name}='{}'", stanza.attribute(name)));
    format!(
        "<iq{}><ping xmlns='urn:xmpp:ping'/></iq>",
        attributes.concat()
    )
}
