//! A TCP proxy between a component and its server, which counts the stanzas of the server.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::tree::{Tree, Trees};

/// A transparent TCP proxy.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    /// Set while bytes are held back.
    silent: watch::Sender<bool>,
    seen: Arc<Mutex<Seen>>,
}

/// Stanzas written by the server to its components, except self-pings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// IQ requests.
    pub requests: usize,
    /// Messages.
    pub messages: usize,
}

impl Proxy {
    /// Listens on loopback and connects to `server` for each component.
    pub async fn start(server: String) -> Self {
        Self::start_at("127.0.0.1", server).await
    }

    /// Like [`Proxy::start`], on another local address.
    pub async fn start_at(host: &str, server: String) -> Self {
        let listener = TcpListener::bind((host, 0))
            .await
            .expect("the address has free ports");
        let address = listener.local_addr().expect("it listens").to_string();
        let seen = Arc::new(Mutex::new(Seen::default()));
        let silent = watch::Sender::new(false);
        let quiet = silent.subscribe();
        let counts = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((component, _)) = listener.accept().await {
                // If the server is down, the component's connection is closed.
                let Ok(server) = TcpStream::connect(&server).await else {
                    continue;
                };
                let ((from_component, to_component), (from_server, to_server)) =
                    (component.into_split(), server.into_split());
                tokio::spawn(pass(from_component, to_server, quiet.clone(), |_| {}));
                let mut trees = Trees::default();
                let counts = Arc::clone(&counts);
                tokio::spawn(pass(
                    from_server,
                    to_component,
                    quiet.clone(),
                    move |bytes| {
                        for stanza in trees.feed(bytes) {
                            counts
                                .lock()
                                .unwrap_or_else(PoisonError::into_inner)
                                .count(&stanza);
                        }
                    },
                ));
            }
        });
        Self {
            address,
            silent,
            seen,
        }
    }

    /// Returns the address for components.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Holds back all bytes without closing connections, or resumes forwarding.
    pub fn blackhole(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// Returns the stanzas written to components so far.
    pub fn seen(&self) -> Seen {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    fn count(&mut self, stanza: &Tree) {
        let domain = |jid: &str| {
            let bare = jid.split('/').next().unwrap_or_default().to_owned();
            bare.rsplit('@').next().unwrap_or_default().to_owned()
        };
        let own = domain(stanza.attribute("from")) == domain(stanza.attribute("to"));
        match (stanza.name.as_str(), stanza.attribute("type")) {
            ("iq", "get" | "set") if !own => self.requests += 1,
            ("message", _) => self.messages += 1,
            _ => {}
        }
    }
}

/// Forwards bytes to the end of the stream and shows them to `see` first.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut silent: watch::Receiver<bool>,
    mut see: impl FnMut(&[u8]),
) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut chunk).await {
        // Fails if the proxy has been dropped, which also ends the hold.
        let _ = silent.wait_for(|silent| !silent).await;
        see(&chunk[..count]);
        if count == 0 || to.write_all(&chunk[..count]).await.is_err() {
            break;
        }
    }
    // The other side may already be disconnected.
    let _ = to.shutdown().await;
}
