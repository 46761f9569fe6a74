//! Server configurations for tests.

/// Default secret of components.
pub const SECRET: &str = "a secret for tests";

/// A component configured on the server.
#[derive(Debug, Clone)]
pub struct Component {
    /// Domain of the component.
    pub jid: String,
    /// Shared secret.
    pub secret: String,
    /// Value of Prosody's `component_conflict_resolve`.
    pub conflict_resolve: Option<String>,
}

impl From<&str> for Component {
    fn from(jid: &str) -> Self {
        Self {
            jid: jid.to_owned(),
            secret: SECRET.to_owned(),
            conflict_resolve: None,
        }
    }
}

impl Component {
    /// Sets the secret.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    /// Makes Prosody replace an existing connection with a new one.
    #[must_use]
    pub fn kick_old(mut self) -> Self {
        self.conflict_resolve = Some("kick_old".to_owned());
        self
    }
}

/// A server configuration: `localhost` with users, `rooms.localhost` with rooms, and components on
/// one port.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Components, all on the same listener.
    pub components: Vec<Component>,
    /// Localparts of users at `localhost`; the password of `alice` is `alice-pw`.
    pub users: Vec<String>,
    /// Maximum size of stanzas from a component. `None` keeps the snippet's value.
    pub max_stanza_size: Option<u64>,
    /// Keeps the `backlog` line of the ejabberd snippet.
    pub backlog: bool,
    /// Adds a TLS port for components.
    pub tls: bool,
    /// Keeps the `global_routes` line of the ejabberd snippet.
    pub global_routes_off: bool,
    /// Adds a server-to-server port.
    pub federated: bool,
    /// Additional Prosody configuration, as a separate file.
    pub prosody: String,
    /// Additional top-level ejabberd configuration.
    pub ejabberd: String,
    /// Additional items of ejabberd's `listen`.
    pub ejabberd_listen: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// Creates a setup with the users alice, bob and carol, without components.
    #[must_use]
    pub fn new() -> Self {
        let users = ["alice", "bob", "carol"].map(str::to_owned).to_vec();
        Self {
            components: Vec::new(),
            users,
            max_stanza_size: None,
            backlog: true,
            tls: false,
            global_routes_off: true,
            federated: false,
            prosody: String::new(),
            ejabberd: String::new(),
            ejabberd_listen: String::new(),
        }
    }

    /// Adds a component.
    #[must_use]
    pub fn component(mut self, component: impl Into<Component>) -> Self {
        self.components.push(component.into());
        self
    }

    /// Adds a user.
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.users.push(name.to_owned());
        self
    }

    /// Sets [`Setup::max_stanza_size`](field@Self::max_stanza_size).
    #[must_use]
    pub fn max_stanza_size(mut self, bytes: u64) -> Self {
        self.max_stanza_size = Some(bytes);
        self
    }

    /// Removes the `backlog` line of the ejabberd snippet.
    #[must_use]
    pub fn default_backlog(mut self) -> Self {
        self.backlog = false;
        self
    }

    /// Adds a TLS port for components.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// Removes the `global_routes` line of the ejabberd snippet.
    #[must_use]
    pub fn global_routes(mut self) -> Self {
        self.global_routes_off = false;
        self
    }

    /// Adds a server-to-server port.
    #[must_use]
    pub fn federated(mut self) -> Self {
        self.federated = true;
        self
    }

    /// Adds Prosody configuration, as a separate file.
    #[must_use]
    pub fn prosody(mut self, lua: &str) -> Self {
        self.prosody.push_str(lua);
        self
    }

    /// Adds ejabberd configuration: top-level options and items of `listen`.
    #[must_use]
    pub fn ejabberd(mut self, top: &str, listen: &str) -> Self {
        self.ejabberd.push_str(top);
        self.ejabberd_listen.push_str(listen);
        self
    }
}

/// Returns the password of a user.
pub fn password(user: &str) -> String {
    format!("{user}-pw")
}
