//! An embedded XEP-0114 server, for testing components and running them without a real server.
//!
//! Components connect over TCP or through an in-memory pipe. Virtual users ([`User`]) exchange
//! stanzas with them and with each other. Errors use the same wording as Prosody, so a component
//! that handles them here handles them there. XMPP clients can [log in](Host::listen_for_clients)
//! over loopback. All state is kept in memory, and there is no federation with other servers.
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
//! let component = Component::builder("echo.localhost")
//!     .connector(host.connector())
//!     .secret("s3cr3t")
//!     .service(echo);
//! tokio::spawn(component.build()?.run());
//! host.mounted("echo.localhost").await;
//!
//! let alice = host.user("alice@localhost")?;
//! alice.send("<message type='chat' to='echo.localhost'><body>hi</body></message>").await?;
//! let reply = alice.recv().await.ok_or("the host is closed")?;
//! assert_eq!(reply.children().as_bytes(), b"<body>hi</body>");
//! # Ok(())
//! # }
//! ```

mod builder;
mod clients;
mod connection;
mod endpoint;
mod host_entity;
mod ids;
mod listen;
mod mailbox;
mod raw_stanza;
mod refusal;
mod routes;
mod session;
mod settings;
mod state;
mod user;
mod user_error;
mod write_buffer;

use std::fmt;
use std::future::{Ready, ready};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use jid::Jid;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::time::{Duration, timeout};

pub use self::builder::HostBuilder;
pub use self::raw_stanza::{IntoRawStanza, RawStanza};
pub use self::settings::OnConflict;
use self::state::Shared;
pub use self::user::User;
pub use self::user_error::UserError;

/// Capacity of an in-memory pipe, in bytes, in each direction.
const PIPE: usize = 64 * 1024;
/// Maximum time a component may take to close its side when the host closes.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// An XEP-0114 server in this process.
///
/// Cloning is cheap. The host closes when the last clone and the last [`User`] are dropped.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
    // Connections hold `shared` too, but must not keep the host open.
    _open: Arc<Open>,
}

/// The way in which the host ends a component's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disconnect {
    /// Closes the connection without a closing tag, as Prosody and ejabberd do when they stop.
    Silent,
    /// Sends a closing tag, then closes the connection.
    Closed,
    /// Sends a stream error (RFC 6120 §4.9), then closes the connection.
    Error {
        /// Name of the condition, such as `conflict`. An invalid name is sent as
        /// `undefined-condition`.
        condition: String,
        /// Human-readable description.
        text: Option<String>,
    },
}

impl Host {
    /// Creates a host that serves users at `localhost` and accepts components of any other domain
    /// with this secret.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self::builder().secret(secret).build()
    }

    /// Returns a builder, for settings other than those of [`new`](Host::new).
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

    /// Returns a connector for
    /// [`ComponentBuilder::connector`](campanile::component::ComponentBuilder::connector).
    ///
    /// Each connection attempt opens a new in-memory pipe. Attempts fail with
    /// [`ConnectionRefused`](io::ErrorKind::ConnectionRefused) while the host is stopped.
    pub fn connector(
        &self,
    ) -> impl Fn() -> Ready<io::Result<DuplexStream>> + Clone + Send + Sync + 'static {
        let shared = Arc::downgrade(&self.shared);
        move || {
            let pipe = shared
                .upgrade()
                .ok_or_else(refused)
                .and_then(|shared| pipe(&shared));
            ready(pipe)
        }
    }

    /// Serves a connection that was established by other means, in a new task.
    pub fn attach(&self, connection: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        session::spawn(&self.shared, Box::new(connection));
    }

    /// Listens for components on a TCP address until the host is closed.
    ///
    /// Returns the local address. Port 0 selects a free port.
    ///
    /// # Errors
    /// Returns an error if the address cannot be bound.
    pub async fn listen(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        listen::listen(&self.shared, address, session::spawn).await
    }

    /// Listens for XMPP clients on a TCP address until the host is closed.
    ///
    /// Returns the local address. Port 0 selects a free port. The accounts are those added by
    /// [`HostBuilder::account`].
    ///
    /// Clients log in with SASL (SCRAM-SHA-256, SCRAM-SHA-1, PLAIN). They have a roster, presence
    /// and subscriptions, and discover components through service discovery. There is no TLS, so
    /// listen on loopback only.
    ///
    /// # Errors
    /// Returns an error if the address cannot be bound.
    pub async fn listen_for_clients(&self, address: SocketAddr) -> io::Result<SocketAddr> {
        listen::listen(&self.shared, address, clients::spawn).await
    }

    /// Connects a virtual user, which is online until dropped.
    ///
    /// A bare JID gets the resource `home`.
    ///
    /// # Errors
    /// Returns [`UserError::Jid`] if `jid` is not the address of a user, and [`UserError::Taken`]
    /// if that address is already online or lies in a component's domain.
    pub fn user(&self, jid: &str) -> Result<User, UserError> {
        User::online(self, jid)
    }

    /// Waits until a component is connected and authenticated (*mounted*) on this domain.
    pub async fn mounted(&self, domain: &str) {
        self.shared.until(|state| state.is_mounted(domain)).await;
    }

    /// Waits until no component is mounted on this domain.
    pub async fn unmounted(&self, domain: &str) {
        self.shared.until(|state| !state.is_mounted(domain)).await;
    }

    /// Returns the domains on which components are mounted, sorted.
    #[must_use]
    pub fn domains(&self) -> Vec<String> {
        self.shared.state().domains()
    }

    /// Returns the number of stanzas dropped because no error could be returned for them: responses
    /// and errors without a recipient, or stanzas beyond the bounds on queues.
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

    /// Ends the streams of all components on this domain. They may reconnect at once.
    pub fn disconnect(&self, domain: &str, how: &Disconnect) {
        for stream in self.shared.state().unmount_domain(domain) {
            stream.finish(how.bytes().as_bytes());
        }
        self.shared.changed.notify_waiters();
    }

    /// Ends all streams without a closing tag and refuses new connections, like a server that
    /// stops. Users stay online.
    pub fn stop(&self) {
        self.shared.stop(&Disconnect::Silent);
    }

    /// Accepts connections again after [`stop`](Host::stop).
    pub fn start(&self) {
        self.shared.running.send_replace(true);
    }

    /// Shuts the host down: closes each stream and waits until the components have closed their
    /// side, for at most five seconds.
    pub async fn close(self) {
        self.shared.stop(&Disconnect::Closed);
        // On timeout, the remaining connections are dropped.
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

/// Returns the domain part of a JID as a JID.
fn domain_of(jid: &Jid) -> Jid {
    jid::BareJid::from_parts(None, jid.domain()).into()
}
