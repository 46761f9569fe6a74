//! The mapping of keys to elements, shared by both directions of the conversion and the schema.

use super::shape::Place::{Attribute, Child, Count, Each, Foreign, Of, Own, Switch};
use super::shape::{Field, Place, Shape};
use super::{command, dataform, disco, misc};

pub(super) const CLIENT: &str = "jabber:client";

/// The kinds of stanza in which a key is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    All,
    Message,
    Presence,
    Iq,
}

/// A key, and the namespace, name and shape of its element.
#[derive(Debug)]
pub(super) struct KeySpec {
    pub(super) on: On,
    pub(super) key: &'static str,
    pub(super) ns: &'static str,
    /// Empty if the value of the key is the name.
    pub(super) name: &'static str,
    pub(super) shape: Shape,
}

const fn entry(
    on: On,
    key: &'static str,
    ns: &'static str,
    name: &'static str,
    shape: Shape,
) -> KeySpec {
    KeySpec {
        on,
        key,
        ns,
        name,
        shape,
    }
}

const fn field(key: &'static str, place: Place) -> Field {
    Field { key, place }
}

const fn child(name: &'static str) -> Field {
    Field {
        key: name,
        place: Child(name, &Shape::Text),
    }
}

const fn attribute(name: &'static str) -> Field {
    Field {
        key: name,
        place: Attribute(name),
    }
}

const THREAD: Shape = Shape::Record(&[field("id", Own), attribute("parent")]);
const OOB: Shape = Shape::Record(&[child("url"), child("desc")]);
const RSM: Shape = Shape::Record(&[
    child("after"),
    child("before"),
    field("count", Child("count", &Shape::Number)),
    child("first"),
    field("index", Of("first", "index")),
    child("last"),
    field("max", Child("max", &Shape::Number)),
]);
const RSM_NS: &str = "http://jabber.org/protocol/rsm";
const INVITE: Shape = Shape::Record(&[
    attribute("jid"),
    attribute("password"),
    attribute("reason"),
    attribute("thread"),
    field("continue", Switch("continue")),
]);
const REFERENCE: Shape = Shape::Record(&[
    field("begin", Count("begin")),
    field("end", Count("end")),
    attribute("type"),
    attribute("uri"),
]);
const MUC: Shape = Shape::Record(&[
    field("history", Child("history", &HISTORY)),
    child("password"),
]);
const HISTORY: Shape = Shape::Record(&[
    field("maxchars", Count("maxchars")),
    field("maxstanzas", Count("maxstanzas")),
    field("seconds", Count("seconds")),
    attribute("since"),
]);
const REGISTER: Shape = Shape::Record(&[
    child("address"),
    child("city"),
    child("date"),
    child("email"),
    child("first"),
    child("instructions"),
    child("key"),
    child("last"),
    child("misc"),
    child("name"),
    child("nick"),
    child("password"),
    child("phone"),
    field("registered", Child("registered", &Shape::Flag)),
    field("remove", Child("remove", &Shape::Flag)),
    child("state"),
    child("text"),
    child("url"),
    child("username"),
    child("zip"),
    field("form", Foreign(dataform::NS, "x", &dataform::FORM)),
]);
const SERVICE: Shape = Shape::Record(&[
    attribute("action"),
    attribute("expires"),
    attribute("host"),
    attribute("name"),
    attribute("password"),
    field("port", Count("port")),
    field("restricted", Switch("restricted")),
    attribute("transport"),
    attribute("type"),
    attribute("username"),
]);
const ARCHIVE: Shape = Shape::Record(&[
    attribute("queryid"),
    field("form", Foreign(dataform::NS, "x", &dataform::FORM)),
    field("page", Foreign(RSM_NS, "set", &RSM)),
]);
const FIN: Shape = Shape::Record(&[
    field("complete", Switch("complete")),
    field("page", Foreign(RSM_NS, "set", &RSM)),
    field("stable", Switch("stable")),
]);
const SLOT: Shape = Shape::Record(&[
    field("get", Child("get", &URL)),
    field("put", Child("put", &PUT)),
]);
const URL: Shape = Shape::Record(&[attribute("url")]);
const PUT: Shape = Shape::Record(&[
    attribute("url"),
    field(
        "headers",
        Each(
            "header",
            &Shape::Record(&[attribute("name"), field("value", Own)]),
        ),
    ),
]);

/// All keys except those of the header, and except `payload`, `json`, `container`, `forwarded` and
/// the `archive` of messages, which hold JSON or stanzas themselves.
pub(super) const KEYS: &[KeySpec] = &[
    entry(On::Message, "subject", CLIENT, "subject", Shape::Text),
    entry(On::Message, "body", CLIENT, "body", Shape::Text),
    entry(On::Message, "thread", CLIENT, "thread", THREAD),
    entry(
        On::Message,
        "html",
        "http://jabber.org/protocol/xhtml-im",
        "html",
        Shape::Own(misc::HTML),
    ),
    entry(On::Message, "oob", "jabber:x:oob", "x", OOB),
    entry(
        On::Message,
        "state",
        "http://jabber.org/protocol/chatstates",
        "",
        Shape::Own(misc::NAME_ONLY),
    ),
    entry(
        On::Message,
        "receipt",
        "urn:xmpp:receipts",
        "request",
        Shape::Flag,
    ),
    entry(
        On::Message,
        "received",
        "urn:xmpp:receipts",
        "received",
        Shape::Attribute("id"),
    ),
    entry(
        On::Message,
        "replace",
        "urn:xmpp:message-correct:0",
        "replace",
        Shape::Attribute("id"),
    ),
    entry(
        On::Message,
        "reply",
        "urn:xmpp:reply:0",
        "reply",
        Shape::Record(&[attribute("id"), attribute("to")]),
    ),
    entry(
        On::Message,
        "reactions",
        "urn:xmpp:reactions:0",
        "reactions",
        REACTIONS,
    ),
    entry(
        On::Message,
        "displayed",
        "urn:xmpp:chat-markers:0",
        "displayed",
        Shape::Attribute("id"),
    ),
    entry(
        On::Message,
        "markable",
        "urn:xmpp:chat-markers:0",
        "markable",
        Shape::Flag,
    ),
    entry(
        On::Message,
        "fallback",
        "urn:xmpp:fallback:0",
        "fallback",
        Shape::Flag,
    ),
    entry(
        On::Message,
        "occupant_id",
        "urn:xmpp:occupant-id:0",
        "occupant-id",
        Shape::Attribute("id"),
    ),
    entry(On::Message, "invite", "jabber:x:conference", "x", INVITE),
    entry(
        On::Message,
        "reference",
        "urn:xmpp:reference:0",
        "reference",
        REFERENCE,
    ),
    entry(
        On::Message,
        "attach_to",
        "urn:xmpp:message-attaching:1",
        "attach-to",
        Shape::Attribute("id"),
    ),
    entry(
        On::Message,
        "encryption",
        "urn:xmpp:eme:0",
        "encryption",
        Shape::Attribute("namespace"),
    ),
    entry(On::Presence, "show", CLIENT, "show", Shape::Text),
    entry(On::Presence, "status", CLIENT, "status", Shape::Text),
    entry(On::Presence, "priority", CLIENT, "priority", Shape::Number),
    entry(
        On::Presence,
        "caps",
        "http://jabber.org/protocol/caps",
        "c",
        CAPS,
    ),
    entry(
        On::Presence,
        "muc",
        "http://jabber.org/protocol/muc",
        "x",
        MUC,
    ),
    entry(
        On::Presence,
        "idle_since",
        "urn:xmpp:idle:1",
        "idle",
        Shape::Attribute("since"),
    ),
    entry(
        On::Presence,
        "vcard_update",
        "vcard-temp:x:update",
        "x",
        Shape::Record(&[child("photo")]),
    ),
    entry(On::Iq, "ping", "urn:xmpp:ping", "ping", Shape::Flag),
    entry(On::Iq, "version", "jabber:iq:version", "query", VERSION),
    entry(
        On::Iq,
        "disco",
        "http://jabber.org/protocol/disco#info",
        "query",
        Shape::Own(disco::INFO),
    ),
    entry(
        On::Iq,
        "items",
        "http://jabber.org/protocol/disco#items",
        "query",
        Shape::Own(disco::ITEMS),
    ),
    entry(
        On::Iq,
        "command",
        "http://jabber.org/protocol/commands",
        "command",
        Shape::Own(command::COMMAND),
    ),
    entry(On::Iq, "lastactivity", "jabber:iq:last", "query", LAST),
    entry(On::Iq, "gateway", "jabber:iq:gateway", "query", GATEWAY),
    entry(On::Iq, "register", "jabber:iq:register", "query", REGISTER),
    entry(On::Iq, "oob", "jabber:iq:oob", "query", OOB),
    entry(
        On::Iq,
        "extdisco",
        "urn:xmpp:extdisco:2",
        "services",
        EXTDISCO,
    ),
    entry(
        On::Iq,
        "stats",
        "http://jabber.org/protocol/stats",
        "query",
        Shape::List("stat", &STAT),
    ),
    entry(On::Iq, "archive", "urn:xmpp:mam:2", "query", ARCHIVE),
    entry(On::Iq, "result", "urn:xmpp:mam:2", "fin", FIN),
    entry(
        On::Iq,
        "upload_request",
        "urn:xmpp:http:upload:0",
        "request",
        UPLOAD,
    ),
    entry(
        On::Iq,
        "upload_slot",
        "urn:xmpp:http:upload:0",
        "slot",
        SLOT,
    ),
    entry(
        On::All,
        "delay",
        "urn:xmpp:delay",
        "delay",
        Shape::Attribute("stamp"),
    ),
    entry(
        On::All,
        "nick",
        "http://jabber.org/protocol/nick",
        "nick",
        Shape::Text,
    ),
    entry(On::All, "dataform", dataform::NS, "x", dataform::FORM),
    entry(On::All, "rsm", RSM_NS, "set", RSM),
];

const REACTIONS: Shape = Shape::Record(&[
    attribute("id"),
    field("reactions", Each("reaction", &Shape::Text)),
]);
const CAPS: Shape = Shape::Record(&[
    attribute("ext"),
    attribute("hash"),
    attribute("node"),
    attribute("ver"),
]);
const VERSION: Shape = Shape::Record(&[child("name"), child("version"), child("os")]);
const LAST: Shape = Shape::Record(&[field("seconds", Count("seconds")), field("status", Own)]);
const GATEWAY: Shape = Shape::Record(&[child("desc"), child("jid"), child("prompt")]);
const EXTDISCO: Shape = Shape::Record(&[
    field("services", Each("service", &SERVICE)),
    attribute("type"),
]);
const STAT: Shape = Shape::Record(&[attribute("name"), attribute("unit"), attribute("value")]);
const UPLOAD: Shape = Shape::Record(&[
    attribute("content-type"),
    attribute("filename"),
    field("size", Count("size")),
]);

impl On {
    /// Returns `true` if the key is allowed in a stanza of the given name.
    pub(super) fn is(self, stanza: &str) -> bool {
        match self {
            Self::All => true,
            Self::Message => stanza == "message",
            Self::Presence => stanza == "presence",
            Self::Iq => stanza == "iq",
        }
    }
}
