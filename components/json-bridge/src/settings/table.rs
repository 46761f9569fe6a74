//! The settings as written in a configuration file, `[component.json_bridge]` for the daemon.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use campanile::jid::{BareJid, NodePart};
use campanile::layer::AccessLayer;
use campanile::presence::Availability;
use campanile::router::RecipientPattern;
#[cfg(feature = "schema")]
use campanile::settings::FilePath;
use campanile::settings::{self, invalid, text};
use campanile::vcard::{PhotoFile, VCard};
use campanile::xmpp_parsers::presence::Show;
use serde::{Deserialize, Deserializer};

use super::parts::api_token;
use super::{Api, Bot, Grant, Nats, Settings};
use crate::mapping::Mode;
use crate::secret::Secret;
use crate::webhook::Webhook;

// Durations in milliseconds, sizes in bytes.
const SECOND: u64 = 1000;
const DAY: u64 = 86_400 * SECOND;
const MONTH: u64 = 30 * DAY;
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// Defines a table with the keys of a bot, and further keys of its own.
///
/// A bridge may be a single bot, whose keys then stand beside those of the bridge. `serde(flatten)`
/// would accept unknown keys, and lose the places of faults.
macro_rules! table_of_a_bot {
    ($(#[$about:meta])* struct $name:ident { $($own:tt)* }) => {
        $(#[$about])*
        #[derive(Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            $($own)*
            /// The webhook to which stanzas are posted.
            webhook: Option<Webhook>,
            /// The name in service discovery.
            name: Option<String>,
            /// Datatypes of JSON messages (XEP-0432) that the bot supports.
            #[serde(default, deserialize_with = "settings::distinct")]
            datatypes: Vec<String>,
            /// Payload namespaces of the IQ requests that the bot answers.
            #[serde(default, deserialize_with = "settings::distinct")]
            iq: Vec<String>,
            /// The extent to which JSON also contains the XML of a stanza.
            #[serde(default)]
            xml: Mode,
            /// The recipients to which the bot may send on its own initiative.
            #[serde(default)]
            to: Grant,
            /// Delivers presence as well as messages.
            #[serde(default)]
            presence: bool,
            /// JIDs and domains that may write to the bot, among those that the component admits.
            #[serde(default, deserialize_with = "settings::allow")]
            // An empty list is a fault, so that editors must not offer it as the default.
            #[cfg_attr(
                feature = "schema",
                schemars(
                    schema_with = "settings::schema::jids",
                    skip_serializing_if = "Vec::is_empty"
                )
            )]
            allow: Vec<BareJid>,
            /// JIDs and domains that may not write to the bot.
            #[serde(default, deserialize_with = "settings::jids")]
            #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::jids"))]
            deny: Vec<BareJid>,
            /// The availability of the bot in the contact lists of its users.
            show: Option<ShowWord>,
            /// The status text of the bot.
            status: Option<String>,
            /// The photo of the bot's vCard: a PNG, JPEG, GIF or WebP file of about 10 KiB.
            #[cfg_attr(feature = "schema", schemars(with = "Option<FilePath>"))]
            avatar: Option<PhotoFile>,
            /// The description in the bot's vCard.
            description: Option<String>,
            /// The web page in the bot's vCard.
            url: Option<String>,
        }

        impl $name {
            fn bot(&mut self, localpart: Option<String>) -> Bot {
                Bot {
                    localpart,
                    availability: availability(self.show.take(), self.status.take()),
                    card: card(
                        self.name.as_deref(),
                        self.description.take(),
                        self.url.take(),
                        self.avatar.take(),
                    ),
                    name: self.name.take(),
                    webhook: self.webhook.take(),
                    token: None,
                    datatypes: std::mem::take(&mut self.datatypes),
                    iq: std::mem::take(&mut self.iq),
                    mode: self.xml,
                    to: std::mem::take(&mut self.to),
                    access: access(&self.allow, &self.deny),
                    presence: self.presence,
                }
            }
        }
    };
}

table_of_a_bot! {
    /// A JSON bridge: bots, their webhooks, and the HTTP API.
    struct SettingsTable {
        /// Bots by localpart.
        #[serde(default, deserialize_with = "settings::unique")]
        bots: BTreeMap<Localpart, BotTable>,
        /// The HTTP API.
        api: Option<Api>,
        /// The NATS broker.
        nats: Option<Nats>,
        /// Lets users of any domain write to the bots of a component without `allow`.
        #[serde(default)]
        everybody: bool,
        /// The SQLite file of waiting messages, or `false` to lose them when the process ends.
        #[serde(default, deserialize_with = "settings::file_or_false")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::file_or_false"))]
        outbox: Option<PathBuf>,
        /// Time for which delivery of a message is retried.
        #[serde(default, deserialize_with = "settings::duration::<_, _, SECOND, MONTH>")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::duration"))]
        max_age: Option<Duration>,
        /// Timeout for the response of a webhook to an IQ.
        #[serde(default, deserialize_with = "settings::duration::<_, _, SECOND, DAY>")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::duration"))]
        iq_timeout: Option<Duration>,
        /// Maximum number of waiting messages.
        #[serde(default, deserialize_with = "settings::count::<_, _, 1, 1_000_000>")]
        max_waiting: Option<u64>,
        /// Maximum size of waiting messages.
        #[serde(default, deserialize_with = "settings::size::<_, _, MIB, TIB>")]
        #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
        max_waiting_bytes: Option<u64>,
        /// Number of events that are kept for `GET /v1/events`.
        #[serde(default, deserialize_with = "settings::count::<_, _, 0, 100_000_000>")]
        keep_events: Option<u64>,
    }
}

table_of_a_bot! {
    /// One bot.
    struct BotTable {
        /// A token for the HTTP API, valid for this bot alone, at least 16 bytes.
        #[serde(default, deserialize_with = "api_token")]
        token: Option<Secret>,
    }
}

impl TryFrom<SettingsTable> for Settings {
    type Error = &'static str;

    fn try_from(mut table: SettingsTable) -> Result<Self, &'static str> {
        let whole = table.bot(None);
        let leads = whole.webhook.is_some()
            || table.api.is_some()
            || table.nats.is_some()
            || !table.bots.is_empty();
        if !leads {
            return Err(
                "the table needs a webhook, an api, bots or a nats section\nwrite webhook = { url \
                 = \"http://127.0.0.1:8080/hook\" }, or api = { listen = \"127.0.0.1:5391\" }",
            );
        }
        let defaults = Self::default();
        let number = |given: Option<u64>, default: usize| {
            given
                .and_then(|number| usize::try_from(number).ok())
                .unwrap_or(default)
        };
        Ok(Self {
            bots: bots(table.bots, whole),
            api: table.api,
            outbox: table.outbox,
            everybody: table.everybody,
            max_age: table.max_age.unwrap_or(defaults.max_age),
            iq_timeout: table.iq_timeout.unwrap_or(defaults.iq_timeout),
            max_waiting: number(table.max_waiting, defaults.max_waiting),
            max_waiting_bytes: number(table.max_waiting_bytes, defaults.max_waiting_bytes),
            keep_events: number(table.keep_events, defaults.keep_events),
            nats: table.nats,
        })
    }
}

/// Returns the named bots, and the bot for all other addresses.
///
/// A bridge without named bots is a single bot. With named bots, the catch-all bot exists only if
/// it has a webhook.
fn bots(named: BTreeMap<Localpart, BotTable>, whole: Bot) -> Vec<Bot> {
    let named = named.into_iter().map(|(localpart, mut table)| {
        let token = table.token.take();
        Bot {
            token,
            ..table.bot(Some(localpart.0))
        }
    });
    let mut bots: Vec<Bot> = named.collect();
    if whole.webhook.is_some() || bots.is_empty() {
        bots.push(whole);
    }
    bots
}

/// A localpart in prepared form, as in the addresses of stanzas that arrive.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Localpart(String);

impl fmt::Display for Localpart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Localpart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a localpart", |text| {
            match (RecipientPattern::localpart(text), NodePart::new(text)) {
                (Ok(_), Ok(prepared)) => Ok(Self(prepared.as_str().to_owned())),
                _ => Err(invalid(
                    format_args!("{text:?} is not a localpart"),
                    "name a bot by its localpart, as in [component.json_bridge.bots.helpdesk]",
                )),
            }
        })
    }
}

/// The values of `<show/>` (RFC 6121 §4.7.2.1).
#[derive(Clone, Copy, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
enum ShowWord {
    Away,
    Chat,
    Dnd,
    Xa,
}

fn availability(show: Option<ShowWord>, status: Option<String>) -> Option<Availability> {
    if show.is_none() && status.is_none() {
        return None;
    }
    let mut here = Availability::online();
    if let Some(show) = show {
        here = here.show(match show {
            ShowWord::Away => Show::Away,
            ShowWord::Chat => Show::Chat,
            ShowWord::Dnd => Show::Dnd,
            ShowWord::Xa => Show::Xa,
        });
    }
    Some(match status {
        Some(status) => here.status(status),
        None => here,
    })
}

/// Returns the vCard of a bot, unless it would hold only the name.
fn card(
    name: Option<&str>,
    description: Option<String>,
    url: Option<String>,
    avatar: Option<PhotoFile>,
) -> Option<VCard> {
    if description.is_none() && url.is_none() && avatar.is_none() {
        return None;
    }
    let mut card = VCard::new();
    if let Some(name) = name {
        card = card.name(name);
    }
    if let Some(description) = description {
        card = card.description(description);
    }
    if let Some(url) = url {
        card = card.url(url);
    }
    Some(match avatar {
        Some(avatar) => card.photo_file(avatar),
        None => card,
    })
}

fn access(allow: &[BareJid], deny: &[BareJid]) -> AccessLayer {
    let layer = allow.iter().fold(AccessLayer::new(), |layer, jid| {
        layer.allow(jid.clone().into())
    });
    deny.iter()
        .fold(layer, |layer, jid| layer.deny(jid.clone().into()))
}
