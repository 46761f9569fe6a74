//! Settings of a bridge and its bots.

mod nats;
mod parts;
mod table;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use campanile::address::is_same;
use campanile::jid::{BareJid, Jid};
use campanile::layer::AccessLayer;
use campanile::presence::Availability;
use campanile::vcard::VCard;
use serde::Deserialize;

use self::nats::NatsTable;
use self::table::SettingsTable;
use crate::mapping::Mode;
use crate::secret::Secret;
use crate::webhook::Webhook;

/// The settings of a bridge.
///
/// In a configuration file, the keys of a [`Bot`] without a localpart stand beside those of the
/// bridge, and the other bots in tables named by their localparts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "SettingsTable")]
pub struct Settings {
    /// The bots. Each has an address of its own, except a bot without a localpart.
    pub bots: Vec<Bot>,
    /// The HTTP API. `None`, the default, disables it.
    pub api: Option<Api>,
    /// The SQLite file of the outbox. With `None`, the default, and without a broker, waiting
    /// messages are lost when the process ends, and no delivery receipts are sent.
    pub outbox: Option<PathBuf>,
    /// Permits users of any domain to write to the bots. The default, `false`, permits those of the
    /// component's parent domain. Enforced by the program that mounts the bridge, unless the
    /// component has a list of permitted senders.
    pub everybody: bool,
    /// Time for which delivery of a message is retried before its sender gets an error. Defaults to
    /// 1 h.
    pub max_age: Duration,
    /// Timeout for the response of a webhook to an IQ. Defaults to 20 s.
    pub iq_timeout: Duration,
    /// Maximum number of messages that wait for webhooks, for all bots together. One sender may use
    /// a quarter of it. Defaults to 16,384.
    pub max_waiting: usize,
    /// Maximum size of the waiting messages in bytes, as XML and as JSON. One sender may use a
    /// quarter of it. Defaults to 64 MiB.
    pub max_waiting_bytes: usize,
    /// Number of events that are kept for `GET /v1/events`. Defaults to 10,000.
    pub keep_events: usize,
    /// The broker, which replaces the outbox for stanzas sent to bots. Defaults to `None`.
    pub nats: Option<Nats>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            bots: Vec::new(),
            api: None,
            outbox: None,
            everybody: false,
            max_age: Duration::from_secs(3600),
            iq_timeout: Duration::from_secs(20),
            max_waiting: 16_384,
            max_waiting_bytes: 64 * 1024 * 1024,
            keep_events: 10_000,
            nats: None,
        }
    }
}

/// The settings of one bot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bot {
    /// The localpart of the bot's address. `None` makes it the bot for every address of the domain
    /// that no other bot has.
    pub localpart: Option<String>,
    /// The bot's name in service discovery.
    pub name: Option<String>,
    /// The JIDs that may write to the bot and see its presence, among those that the component
    /// admits. Defaults to all of them.
    pub access: AccessLayer,
    /// Delivers presence that is sent to the bot, as well as messages. Defaults to `false`.
    pub presence: bool,
    /// The bot's own presence, if the component has a roster. Defaults to available.
    pub availability: Option<Availability>,
    /// The bot's vCard, including its avatar.
    pub card: Option<VCard>,
    /// The webhook to which the bot's stanzas are posted. A bot without one reads events.
    pub webhook: Option<Webhook>,
    /// A token for the HTTP API, valid for sending as this bot and reading its events.
    pub token: Option<Secret>,
    /// The datatypes of JSON messages (XEP-0432) that the bot supports, advertised in disco.
    pub datatypes: Vec<String>,
    /// The payload namespaces of the IQ requests that the bot answers.
    pub iq: Vec<String>,
    /// The extent to which the bot's JSON also contains the XML of a stanza. Defaults to never.
    pub mode: Mode,
    /// The recipients to which the bot may send on its own initiative. It may always reply to the
    /// sender of a stanza.
    pub to: Grant,
}

/// A connection to a NATS server with JetStream (feature `nats`).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NatsTable")]
pub struct Nats {
    /// The server URL, `nats://host:port` or `tls://host:port`; several URLs are separated by
    /// commas. Defaults to `nats://127.0.0.1:4222`.
    pub url: String,
    /// The credentials of the bridge. Defaults to none.
    pub login: Login,
    /// The prefix of all subjects and streams. It must be unique per component. Defaults to
    /// `campanile`.
    pub prefix: String,
    /// Set it if other processes serve the same component on the same broker. They share the work
    /// and take over from a process that dies; the order per sender is not preserved. Defaults to
    /// `false`.
    pub shared: bool,
    /// Maximum size of each stream in bytes. When a stream is full, senders get an error. Defaults
    /// to 1 GiB.
    pub max_bytes: i64,
    /// Number of replicas of each stream in a NATS cluster. Defaults to 1.
    pub replicas: usize,
    /// The URL of the broker's monitoring port, such as `http://127.0.0.1:8222`. With it,
    /// [`Module::check`](campanile::module::Module::check) tells whether the broker writes messages
    /// to disk before it acknowledges them. Defaults to none.
    pub monitoring: Option<String>,
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
            monitoring: None,
        }
    }
}

/// The credentials with which a bridge logs in to a broker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Login {
    /// No authentication.
    #[default]
    Open,
    /// An authentication token.
    Token(Secret),
    /// A user name and a password.
    Password(String, Secret),
}

/// The HTTP API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// The address to listen on. Port 0 selects any free port.
    pub listen: SocketAddr,
    /// A token that may send as every address of the component. With `None`, only the tokens of
    /// bots are valid.
    pub token: Option<Secret>,
    /// The recipients to which that token may send.
    pub to: Grant,
}

/// A set of permitted recipients.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Grant {
    /// The users of the component's parent domain: for `bridge.example.org`, those of
    /// `example.org`.
    #[default]
    Parent,
    /// The given bare JIDs. A domain covers all users of that domain.
    Only(Vec<BareJid>),
    /// Every address.
    Anybody,
}

impl Grant {
    /// Returns `true` if the recipient is permitted.
    ///
    /// `domain` is the domain of the component.
    #[must_use]
    pub fn covers(&self, to: &Jid, domain: &str) -> bool {
        match self {
            Self::Anybody => true,
            Self::Parent => domain
                .split_once('.')
                .is_some_and(|(_, parent)| is_same(to.domain().as_str(), parent)),
            Self::Only(list) => {
                let bare = to.to_bare();
                let domain = to.domain().as_str();
                // An entry without a localpart is a domain.
                list.iter().any(|one| {
                    is_same(one.as_str(), bare.as_str()) || is_same(one.as_str(), domain)
                })
            }
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Settings {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "JsonBridge".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        SettingsTable::json_schema(generator)
    }
}
