//! What an operator says about a bridge.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use campanile::jid::{BareJid, Jid};
use campanile::layer::AccessLayer;
use campanile::presence::Availability;
use campanile::vcard::VCard;

use crate::mapping::Mode;
use crate::secret::Secret;
use crate::webhook::Webhook;

/// A bridge.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The bots, each an address.
    pub bots: Vec<Bot>,
    /// The HTTP side, where there is one.
    pub api: Option<Api>,
    /// The file of the outbox. Without one nothing survives the process, and nobody is promised
    /// anything.
    pub outbox: Option<PathBuf>,
    /// How long a message is tried before its sender is told that it was not delivered.
    pub max_age: Duration,
    /// How long a webhook has for an IQ.
    pub iq_timeout: Duration,
    /// Messages that may wait for webhooks, all bots together. One sender may have a quarter of it.
    pub max_waiting: usize,
    /// Bytes of them, as XML and as JSON. One sender may have a quarter of it.
    pub max_waiting_bytes: usize,
    /// Events that are kept for readers of streams.
    pub keep_events: usize,
    /// Where there is a broker, it takes the place of the outbox for what bots are sent.
    pub nats: Option<Nats>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bots: Vec::new(),
            api: None,
            outbox: None,
            max_age: Duration::from_secs(3600),
            iq_timeout: Duration::from_secs(20),
            max_waiting: 16_384,
            max_waiting_bytes: 64 * 1024 * 1024,
            keep_events: 10_000,
            nats: None,
        }
    }
}

/// One bot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bot {
    /// What stands before the domain; `None` for every address of it that no other bot has.
    pub localpart: Option<String>,
    /// Its name in service discovery.
    pub name: Option<String>,
    /// Who may write to it and see its presence, of those whom the component lets in.
    pub access: AccessLayer,
    /// Whether it is told of the presence that is sent to it.
    pub presence: bool,
    /// What its own presence says, where the component has a roster; that it is there, unless said.
    pub availability: Option<Availability>,
    /// Its vCard, with its avatar.
    pub card: Option<VCard>,
    /// Where its stanzas are sent. Without one they are read as events.
    pub webhook: Option<Webhook>,
    /// A token that speaks as this bot on the HTTP side, and reads its events.
    pub token: Option<Secret>,
    /// Datatypes of JSON messages (XEP-0432) that it listens for, to be advertised.
    pub datatypes: Vec<String>,
    /// Namespaces of IQ requests that it answers.
    pub iq: Vec<String>,
    /// How much of a stanza its JSON holds.
    pub mode: Mode,
    /// To whom it may write unasked; a domain stands for everybody of it. The sender of a stanza it
    /// may always answer.
    pub to: Grant,
}

/// A NATS server with JetStream (feature `nats`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nats {
    /// Where it is: `nats://127.0.0.1:4222`, or `tls://…`; several with commas between them.
    pub url: String,
    /// How the bridge logs in.
    pub login: Login,
    /// What subjects and streams begin with. Each component has one of its own.
    pub prefix: String,
    /// Other processes serve the same component on the same broker: they share the work, and take
    /// over what one of them leaves. The order per sender is not kept then.
    pub shared: bool,
    /// Bytes that may wait in each of the streams. Beyond it senders are told.
    pub max_bytes: i64,
    /// Copies of the streams, in a cluster.
    pub replicas: usize,
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            url: "nats://127.0.0.1:4222".to_owned(),
            login: Login::Open,
            prefix: "campanile".to_owned(),
            shared: false,
            max_bytes: 1024 * 1024 * 1024,
            replicas: 1,
        }
    }
}

/// How a bridge logs in at a broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// The broker asks for nothing.
    #[default]
    Open,
    /// A token.
    Token(Secret),
    /// A name and a password.
    Password(String, Secret),
}

/// The HTTP side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Where it listens. Port 0 takes any.
    pub listen: SocketAddr,
    /// A token that speaks as every address of the component, to whom the grant says.
    pub token: Option<Secret>,
    /// To whom that token may write.
    pub to: Grant,
}

/// To whom something may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Grant {
    /// To the users of the component's parent domain.
    #[default]
    Parent,
    /// To these: bare JIDs, and domains for everybody of them.
    Only(Vec<BareJid>),
    /// To everybody.
    Anybody,
}

impl Grant {
    /// Whether it holds for this address. `domain` is the component's.
    #[must_use]
    pub fn covers(&self, to: &Jid, domain: &str) -> bool {
        match self {
            Self::Anybody => true,
            Self::Parent => domain
                .split_once('.')
                .is_some_and(|(_, parent)| to.domain().as_str() == parent),
            Self::Only(list) => {
                let bare = to.to_bare();
                list.iter().any(|one| {
                    *one == bare || (one.node().is_none() && one.domain() == to.domain())
                })
            }
        }
    }
}
