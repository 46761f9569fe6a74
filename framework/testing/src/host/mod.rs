//! A server for components (XEP-0114) within this process: to try a component without a server, and
//! to test it.
//!
//! Components attach over TCP or through a pipe in memory, as many as there are; virtual users talk
//! to them, and they to each other. What the host refuses it refuses in Prosody's words, so that a
//! component that stands here stands there. People's clients may [log
//! in](Host::listen_for_clients), too, over loopback; what they have is kept in memory, and nothing
//! goes to other servers.
//!
//! ```
//! use campanile::component::Component;
//! use campanile_testing::host::Host;
//! # use campanile::error::BoxError;
//! # use campanile::{inbound::Inbound, reply::Reply};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! # let echo = tower::service_fn(|inbound: Inbound| async move {
//! #     Ok::<_, BoxError>(Reply::Children(inbound.stanza().children().clone()))
//! # });
//! let host = Host::new("s3cr3t");
//! let component = Component::builder("echo.localhost").connector(host.connector()).secret("s3cr3t").service(echo);
//! tokio::spawn(component.build()?.run());
//! host.mounted("echo.localhost").await;
//!
//! let alice = host.user("alice@localhost")?;
//! alice.send("<message type='chat' to='echo.localhost'><body>hi</body></message>").await?;
//! let answer = alice.recv().await.ok_or("the host is closed")?;
//! assert_eq!(answer.children().as_bytes(), b"<body>hi</body>");
//! # Ok(())
//! # }
//! ```

mod builder;
mod clients;
mod connection;
mod host_entity;
mod ids;
mod listen;
mod mailbox;
mod raw_stanza;
mod refusal;
mod routes;
mod session;
mod state;
mod user;
mod write_buffer;

use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jid::Jid;
use tokio::io::DuplexStream;
use tokio::time::{Duration, timeout};

pub use self::builder::{HostBuilder, OnConflict};
pub use self::raw_stanza::{IntoRawStanza, RawStanza};
use self::state::Shared;
pub use self::user::{User, UserError};
use campanile::connection::{Io, Transport};

/// Room of a pipe in memory, in bytes, each way.
const PIPE: usize = 64 * 1024;
/// How long a component may take to close its side when the host closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// An XEP-0114 server in this process. Cloning is cheap; when the last clone and the last [`User`]
/// are gone, the host is.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
    // Connections keep `shared` alive, and must not keep the host open.
    _open: Arc<Open>,
}

/// How the host ends the stream of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disconnect {
    /// End of file without a word, as Prosody and ejabberd do when they stop.
    Silent,
    /// A closing tag, then end of file.
    Closed,
    /// A stream error (RFC 6120 §4.9), then end of file.
    Error {
        /// Name of the condition, such as `conflict`.
        condition: String,
        /// Words for people.
        text: Option<String>,
    },
}

impl Host {
    /// A host for users at `localhost` that takes components of any other domain with this secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self::builder().secret(secret).build()
    }

    /// A host with settings of its own.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    fn open(shared: Shared) -> Self {
        let shared = Arc::new(shared);
        Self {
            _open: Arc::new(Open(Arc::clone(&shared))),
            shared,
        }
    }

    /// What [`ComponentBuilder::connector`](campanile::component::ComponentBuilder::connector) takes: a pipe in memory
    /// for each attempt, refused while the host is stopped.
    pub fn connector(&self) -> impl Fn() -> Ready<io::Result<Io>> + Clone + Send + Sync + 'static {
        let shared = Arc::downgrade(&self.shared);
        move || {
            let pipe = shared
                .upgrade()
                .ok_or_else(refused)
                .and_then(|shared| pipe(&shared));
            ready(pipe.map(|pipe| Box::new(pipe) as Io))
        }
    }

    /// Serves one connection that a component has made by other means, in a task of its own.
    pub fn attach(&self, connection: impl Transport + 'static) {
        session::spawn(&self.shared, Box::new(connection));
    }

    /// Listens for components on a TCP address until the host is closed, and gives the address
    /// back: port 0 is a free one.
    ///
    /// # Errors
    /// When the address is taken or not allowed.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        listen::listen(&self.shared, address, session::spawn).await
    }

    /// Listens for people's clients on a TCP address until the host is closed, and gives the
    /// address back: port 0 is a free one. The accounts are those of [`HostBuilder::account`].
    ///
    /// Clients log in by SASL (SCRAM-SHA-256, SCRAM-SHA-1, PLAIN), have a roster, presence and
    /// subscriptions, and find the components by disco. There is no TLS: this is for loopback.
    ///
    /// # Errors
    /// When the address is taken or not allowed.
    pub async fn listen_for_clients(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        listen::listen(&self.shared, address, clients::spawn).await
    }

    /// A virtual user, online until dropped. A bare JID gets a resource, as clients do.
    ///
    /// # Errors
    /// [`UserError::Jid`] when it is no address of a user, [`UserError::Taken`] when that very
    /// address is online or lies in a component's domain.
    pub fn user(&self, jid: &str) -> Result<User, UserError> {
        User::online(self, jid)
    }

    /// Waits until a component is mounted on this domain.
    pub async fn mounted(&self, domain: &str) {
        self.shared.until(|state| state.is_mounted(domain)).await;
    }

    /// Waits until no component is mounted on this domain.
    pub async fn unmounted(&self, domain: &str) {
        self.shared.until(|state| !state.is_mounted(domain)).await;
    }

    /// The domains on which components are mounted.
    #[must_use]
    pub fn domains(&self) -> Vec<String> {
        self.shared.state().domains()
    }

    /// Stanzas that were dropped because nobody was there to be told: answers and errors without a
    /// recipient, or beyond the bounds on what waits.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    pub(crate) fn push_raw(&self, domain: &str, bytes: &[u8]) -> bool {
        self.shared
            .state()
            .mounted(domain)
            .is_some_and(|stream| stream.push(bytes).is_ok())
    }

    /// Ends the streams of the components on this domain. They may come back at once.
    pub fn disconnect(&self, domain: &str, how: &Disconnect) {
        for stream in self.shared.state().unmount_domain(domain) {
            stream.finish(how.bytes().as_bytes());
        }
        self.shared.changed.notify_waiters();
    }

    /// Ends all streams without a word and refuses new ones, as a server does that stops. Users
    /// stay online.
    pub fn stop(&self) {
        self.shared.stop(&Disconnect::Silent);
    }

    /// Lets components connect again after [`stop`](Host::stop).
    pub fn start(&self) {
        self.shared.running.send_replace(true);
    }

    /// Stops for good, closing each stream properly, and waits until the components have closed
    /// their side.
    pub async fn close(self) {
        self.shared.stop(&Disconnect::Closed);
        // A component that does not close its side is cut off.
        let _ = timeout(CLOSE_TIMEOUT, self.shared.until(|state| state.streams == 0)).await;
        self.shared.state().close_mailboxes();
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("domain", &self.shared.settings.domain)
            .field("mounted", &self.domains())
            .finish()
    }
}

impl Disconnect {
    fn bytes(&self) -> String {
        match self {
            Self::Silent => String::new(),
            Self::Closed => refusal::CLOSE.to_owned(),
            Self::Error { condition, text } => refusal::stream_error(condition, text.as_deref()),
        }
    }
}

/// Closes the host when the last handle is dropped.
struct Open(Arc<Shared>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.stop(&Disconnect::Silent);
        self.0.state().close_mailboxes();
    }
}

fn pipe(shared: &Arc<Shared>) -> io::Result<DuplexStream> {
    if !shared.is_running() {
        return Err(refused());
    }
    let (theirs, ours) = tokio::io::duplex(PIPE);
    session::spawn(shared, Box::new(ours));
    Ok(theirs)
}

fn refused() -> io::Error {
    io::Error::from(io::ErrorKind::ConnectionRefused)
}

/// A JID's domain part as an address of its own.
fn domain_of(jid: &Jid) -> Jid {
    jid::BareJid::from_parts(None, jid.domain()).into()
}
