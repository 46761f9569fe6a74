//! `[component.json_bridge]`: bots, their webhooks, and the HTTP API.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use campanile::jid::{BareJid, NodePart};
use campanile::layer::AccessLayer;
use campanile::presence::Availability;
use campanile::router::RecipientPattern;
use campanile::vcard::VCard;
use campanile::xmpp_parsers::presence::Show;
use campanile_json_bridge::mapping::Mode;
use campanile_json_bridge::{Api, Bot, Grant, Secret, Settings, Webhook};

use super::fault::Faults;
use super::secret::{self, Keys};
use super::table::{Table, Value};
use super::{access, nats, vcard};

const SECRET: Keys = ["secret", "secret_file", "secret_env", "secret_credential"];
const OLD: Keys = [
    "old_secret",
    "old_secret_file",
    "old_secret_env",
    "old_secret_credential",
];
const TOKEN: Keys = ["token", "token_file", "token_env", "token_credential"];
const DAY: Duration = Duration::from_secs(86_400);
const MIB: usize = 1024 * 1024;

/// Validated settings of a JSON bridge.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Bridge {
    pub(crate) settings: Settings,
    /// The domain whose users may write to the bridge when the component's `allow` is empty.
    /// `None` permits everyone.
    pub(crate) parent: Option<BareJid>,
}

pub(super) fn read(
    mut table: Table<'_>,
    domain: Option<&BareJid>,
    faults: &mut Faults<'_>,
) -> Option<Bridge> {
    let span = table.span.clone();
    let leads = ["webhook", "api", "bots", "nats"]
        .into_iter()
        .fold(false, |leads, key| leads | table.has(key));
    let whole = bot(&mut table, None, faults);
    let bots = table.table("bots", "[component.json_bridge.bots]", faults);
    let bots: Vec<Bot> = bots
        .into_iter()
        .flat_map(Table::all)
        .filter_map(|value| named(&value, faults))
        .collect();
    let api = table.take("api").map(|value| api(&value, faults));
    let nats = table
        .table("nats", "[component.json_bridge.nats]", faults)
        .map(|table| nats::read(table, faults));
    let everybody = table
        .take("everybody")
        .and_then(|value| value.flag(faults))
        .unwrap_or(false);
    let defaults = Settings::default();
    let seconds = |least: u64, most| Duration::from_secs(least)..=most;
    let max_age = table
        .take("max_age")
        .and_then(|value| value.duration(seconds(1, 30 * DAY), faults));
    let iq_timeout = table
        .take("iq_timeout")
        .and_then(|value| value.duration(seconds(1, DAY), faults));
    let max_waiting = table
        .take("max_waiting")
        .and_then(|value| value.count(1..=1_000_000, faults));
    let max_waiting_bytes = table
        .take("max_waiting_bytes")
        .and_then(|value| value.size(MIB..=1024 * 1024 * MIB, faults));
    let keep_events = table
        .take("keep_events")
        .and_then(|value| value.count(0..=100_000_000, faults));
    let outbox = outbox(&mut table, domain, faults);
    table.finish(faults);
    // A bridge without named bots is a single bot. With named bots, the catch-all bot exists only
    // if it has a webhook.
    let mut all = bots;
    if whole.webhook.is_some() || all.is_empty() {
        all.push(whole);
    }
    if !leads {
        let remedy = "write webhook = { url = \"http://127.0.0.1:8080/hook\" }, or api = { listen \
            = \"127.0.0.1:5391\" }";
        let what = "[component.json_bridge] needs a webhook, an api, bots or a nats section";
        faults.push(&span, what, remedy);
        return None;
    }
    let settings = Settings {
        bots: all,
        api: match api {
            Some(api) => Some(api?),
            None => None,
        },
        outbox,
        max_age: max_age.unwrap_or(defaults.max_age),
        iq_timeout: iq_timeout.unwrap_or(defaults.iq_timeout),
        max_waiting: max_waiting.unwrap_or(defaults.max_waiting),
        max_waiting_bytes: max_waiting_bytes.unwrap_or(defaults.max_waiting_bytes),
        keep_events: keep_events.unwrap_or(defaults.keep_events),
        nats: match nats {
            Some(nats) => Some(nats?),
            None => None,
        },
    };
    let parent = domain.and_then(|domain| BareJid::new(domain.as_str().split_once('.')?.1).ok());
    Some(Bridge {
        settings,
        parent: parent.filter(|_| !everybody),
    })
}

/// Reads `[component.json_bridge.bots.NAME]`.
fn named(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Bot> {
    if RecipientPattern::localpart(&value.key).is_err() {
        let what = format!("{:?} is not a localpart", value.key);
        faults.push(
            &value.key_span,
            what,
            "name a bot by its localpart, as in [component.json_bridge.bots.helpdesk]",
        );
        return None;
    }
    let mut table = value.table("[component.json_bridge.bots.…]", faults)?;
    // Addresses of stanzas arrive in prepared form.
    let prepared = NodePart::new(&value.key).map(|part| part.as_str().to_owned());
    let mut bot = bot(
        &mut table,
        Some(prepared.unwrap_or_else(|_| value.key.clone())),
        faults,
    );
    bot.token = secret::text(&mut table, &TOKEN, faults).map(Secret::new);
    table.finish(faults);
    Some(bot)
}

fn bot(table: &mut Table<'_>, localpart: Option<String>, faults: &mut Faults<'_>) -> Bot {
    let webhook = table
        .take("webhook")
        .and_then(|value| webhook(&value, faults));
    let name = table
        .take("name")
        .and_then(|value| value.text(faults))
        .map(str::to_owned);
    let mut list = |key| {
        table
            .take(key)
            .and_then(|value| texts(&value, faults))
            .unwrap_or_default()
    };
    let datatypes = list("datatypes");
    let iq = list("iq");
    let mode = table
        .take("xml")
        .and_then(|value| mode(&value, faults))
        .unwrap_or_default();
    let to = table
        .take("to")
        .and_then(|value| grant(&value, faults))
        .unwrap_or_default();
    let presence = table
        .take("presence")
        .and_then(|value| value.flag(faults))
        .unwrap_or(false);
    let access = access(table, faults);
    let availability = availability(table, faults);
    let card = card(table, name.as_deref(), faults);
    Bot {
        localpart,
        name,
        webhook,
        token: None,
        datatypes,
        iq,
        mode,
        to,
        access,
        presence,
        availability,
        card,
    }
}

/// Reads `allow` and `deny` of one bot.
fn access(table: &mut Table<'_>, faults: &mut Faults<'_>) -> AccessLayer {
    let mut list = |key| {
        table
            .take(key)
            .and_then(|value| access::jids(&value, faults))
            .unwrap_or_default()
    };
    let allow = list("allow");
    let deny = list("deny");
    let layer = allow
        .into_iter()
        .fold(AccessLayer::new(), |layer, jid| layer.allow(jid.into()));
    deny.into_iter()
        .fold(layer, |layer, jid| layer.deny(jid.into()))
}

/// Reads `show` and `status`, the presence of a bot.
fn availability(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<Availability> {
    let show = table.take("show").and_then(|value| show(&value, faults));
    let status = table.take("status").and_then(|value| value.text(faults));
    if show.is_none() && status.is_none() {
        return None;
    }
    let here = show
        .into_iter()
        .fold(Availability::online(), Availability::show);
    Some(status.into_iter().fold(here, Availability::status))
}

fn show(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Show> {
    match value.text(faults)? {
        "away" => Some(Show::Away),
        "chat" => Some(Show::Chat),
        "dnd" => Some(Show::Dnd),
        "xa" => Some(Show::Xa),
        other => {
            let remedy = "write \"away\", \"chat\", \"dnd\" or \"xa\"";
            faults.push(&value.span, format!("`show` cannot be {other:?}"), remedy);
            None
        }
    }
}

/// Reads `avatar`, `description` and `url`, which with the name form the vCard of a bot.
fn card(table: &mut Table<'_>, name: Option<&str>, faults: &mut Faults<'_>) -> Option<VCard> {
    let mut text = |key| {
        table
            .take(key)
            .and_then(|value: Value<'_>| value.text(faults))
    };
    let description = text("description");
    let url = text("url");
    let avatar = table.take("avatar");
    if description.is_none() && url.is_none() && avatar.is_none() {
        return None;
    }
    let card = name.into_iter().fold(VCard::new(), VCard::name);
    let card = description.into_iter().fold(card, VCard::description);
    let card = url.into_iter().fold(card, VCard::url);
    avatar
        .and_then(|value| vcard::with_photo(&card, &value, faults))
        .or(Some(card))
}

fn webhook(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Webhook> {
    let mut table = value.table(
        "a webhook, as in { url = \"http://127.0.0.1:8080/hook\", secret_env = \"HOOK_SECRET\" }",
        faults,
    )?;
    let url = table.take("url");
    let secrets = [
        secret::text(&mut table, &SECRET, faults),
        secret::text(&mut table, &OLD, faults),
    ];
    let range = Duration::from_millis(100)..=Duration::from_secs(300);
    let timeout = table
        .take("timeout")
        .and_then(|value| value.duration(range, faults));
    table.finish(faults);
    let Some(url) = url else {
        faults.push(
            &value.span,
            "a webhook needs a `url`",
            "write where the handler listens",
        );
        return None;
    };
    let text = url.text(faults)?;
    match Webhook::new(text, secrets.into_iter().flatten().map(Secret::new)) {
        Ok(webhook) => Some(timeout.into_iter().fold(webhook, Webhook::with_timeout)),
        Err(why) => {
            faults.push(
                &url.span,
                why,
                "write a URL, such as \"https://bots.example.org/hook\"",
            );
            None
        }
    }
}

fn api(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Api> {
    let mut table = value.table(
        "`api`, such as { listen = \"127.0.0.1:5391\", token_env = \"BRIDGE_TOKEN\" }",
        faults,
    )?;
    let listen = table.take("listen");
    let token = secret::text(&mut table, &TOKEN, faults).map(Secret::new);
    let to = table
        .take("to")
        .and_then(|value| grant(&value, faults))
        .unwrap_or_default();
    table.finish(faults);
    let Some(listen) = listen else {
        faults.push(
            &value.span,
            "`api` needs `listen`",
            "write listen = \"127.0.0.1:5391\"",
        );
        return None;
    };
    let text = listen.text(faults)?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        faults.push(
            &listen.span,
            format!("{text:?} is not an address with a port"),
            "write \"127.0.0.1:5391\" or \"[::1]:5391\"",
        );
        return None;
    };
    if !address.ip().is_loopback() {
        let remedy = "listen on loopback behind a TLS proxy";
        faults.warn(
            &listen.span,
            "tokens and messages cross the network unencrypted",
            remedy,
        );
    }
    Some(Api {
        listen: address,
        token,
        to,
    })
}

fn outbox(
    table: &mut Table<'_>,
    domain: Option<&BareJid>,
    faults: &mut Faults<'_>,
) -> Option<PathBuf> {
    match table.take("outbox") {
        // `outbox = false` is an explicit choice: pending messages are lost on exit.
        Some(value) if value.is_off() => None,
        Some(value) => value.text(faults).map(|text| faults.path(text)),
        None => Some(beside(&format!("{}.outbox.db", domain?), faults)),
    }
}

/// Returns the default path of a file that the configuration does not name.
pub(super) fn beside(name: &str, faults: &Faults<'_>) -> PathBuf {
    // systemd's StateDirectory= is writable; the folder of the configuration may not be.
    let state = std::env::var_os("STATE_DIRECTORY").map(|folder| PathBuf::from(folder).join(name));
    state.unwrap_or_else(|| faults.path(name))
}

fn mode(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Mode> {
    match value.text(faults)? {
        "never" => Some(Mode::Plain),
        "lossless" => Some(Mode::Lossless),
        "always" => Some(Mode::Raw),
        other => {
            faults.push(
                &value.span,
                format!("`xml` cannot be {other:?}"),
                "write \"never\", \"lossless\" or \"always\"",
            );
            None
        }
    }
}

/// Reads the permitted recipients: `"anybody"`, or a list of JIDs and domains.
fn grant(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Grant> {
    if value.is_text("anybody") {
        return Some(Grant::Anybody);
    }
    access::jids(value, faults).map(Grant::Only)
}

fn texts(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Vec<String>> {
    let items = value.list("strings", faults)?;
    Some(
        items
            .iter()
            .filter_map(|item| item.text(faults))
            .map(str::to_owned)
            .collect(),
    )
}
