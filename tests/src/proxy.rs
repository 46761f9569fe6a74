//! Stands between a component and its server, and counts what the server writes.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::tree::{Tree, Trees};

/// Passes every byte on, both ways.
#[derive(Debug)]
pub struct Proxy {
    address: String,
    /// Nothing is passed on, and nobody is told.
    silent: watch::Sender<bool>,
    seen: Arc<Mutex<Seen>>,
}

/// What a server has written to its components, their own pings to themselves left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// IQ requests.
    pub requests: usize,
    /// Messages.
    pub messages: usize,
}

impl Proxy {
    /// Listens on loopback, and connects to `server` for each component that comes.
    pub async fn start(server: String) -> Self {
        Self::start_at("127.0.0.1", server).await
    }

    /// The same on an address of this machine.
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
                // A server that is down is told to the component by a connection that ends.
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

    /// Where components connect.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// From now on nothing is passed on, and no connection is closed; or what was held back goes
    /// on.
    pub fn blackhole(&self, silent: bool) {
        self.silent.send_replace(silent);
    }

    /// What went to components so far.
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

/// Passes bytes on to the end of the stream, each seen before it goes on.
async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut silent: watch::Receiver<bool>,
    mut see: impl FnMut(&[u8]),
) {
    let mut chunk = vec![0; 16 * 1024];
    while let Ok(count) = from.read(&mut chunk).await {
        // An error means that the tap is gone, and with it the wish for silence.
        let _ = silent.wait_for(|silent| !silent).await;
        see(&chunk[..count]);
        if count == 0 || to.write_all(&chunk[..count]).await.is_err() {
            break;
        }
    }
    // The other side may be gone already.
    let _ = to.shutdown().await;
}
