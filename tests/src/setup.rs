//! What a server is asked to be.

/// The secret of components that name none.
pub const SECRET: &str = "a secret for tests";

/// A component the server knows.
#[derive(Debug, Clone)]
pub struct Component {
    /// Its domain.
    pub jid: String,
    /// What it proves itself with.
    pub secret: String,
    /// Prosody: `component_conflict_resolve`.
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
    /// With a secret of its own.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        secret.clone_into(&mut self.secret);
        self
    }

    /// On Prosody the new connection of two wins.
    #[must_use]
    pub fn kick_old(mut self) -> Self {
        self.conflict_resolve = Some("kick_old".to_owned());
        self
    }
}

/// Hosts `localhost` with users, `rooms.localhost` with rooms, and components on one port.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Components, all on the same listener.
    pub components: Vec<Component>,
    /// Local parts of users at `localhost`; the password of `alice` is `alice-pw`.
    pub users: Vec<String>,
    /// The largest stanza a component may send; none: what the snippet says.
    pub max_stanza_size: Option<u64>,
    /// ejabberd: whether the snippet's `backlog` line stays.
    pub backlog: bool,
    /// Whether there is a port for components over TLS, too.
    pub tls: bool,
    /// ejabberd: whether the snippet's `global_routes` line stays.
    pub global_routes_off: bool,
    /// Whether there is a port for other servers, too.
    pub federated: bool,
    /// More of Prosody's configuration, as one of its files.
    pub prosody: String,
    /// More of ejabberd's, at the top level.
    pub ejabberd: String,
    /// More items for ejabberd's `listen`.
    pub ejabberd_listen: String,
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Setup {
    /// Users alice, bob and carol, no component.
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

    /// One more component.
    #[must_use]
    pub fn component(mut self, component: impl Into<Component>) -> Self {
        self.components.push(component.into());
        self
    }

    /// One more user.
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.users.push(name.to_owned());
        self
    }

    /// See [`Setup::max_stanza_size`](field@Self::max_stanza_size).
    #[must_use]
    pub fn max_stanza_size(mut self, bytes: u64) -> Self {
        self.max_stanza_size = Some(bytes);
        self
    }

    /// ejabberd as it is without the snippet's `backlog` line.
    #[must_use]
    pub fn default_backlog(mut self) -> Self {
        self.backlog = false;
        self
    }

    /// A port for components over TLS, too.
    #[must_use]
    pub fn tls(mut self) -> Self {
        self.tls = true;
        self
    }

    /// ejabberd as it is without the snippet's `global_routes` line.
    #[must_use]
    pub fn global_routes(mut self) -> Self {
        self.global_routes_off = false;
        self
    }

    /// A port for other servers, too.
    #[must_use]
    pub fn federated(mut self) -> Self {
        self.federated = true;
        self
    }

    /// More of Prosody's configuration, as one of its files.
    #[must_use]
    pub fn prosody(mut self, lua: &str) -> Self {
        self.prosody.push_str(lua);
        self
    }

    /// More of ejabberd's configuration: at the top level, and items for `listen`.
    #[must_use]
    pub fn ejabberd(mut self, top: &str, listen: &str) -> Self {
        self.ejabberd.push_str(top);
        self.ejabberd_listen.push_str(listen);
        self
    }
}

/// The password of a user.
pub fn password(user: &str) -> String {
    format!("{user}-pw")
}
