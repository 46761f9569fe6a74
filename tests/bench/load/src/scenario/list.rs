//! All scenarios.

use super::{Expect, Flow, Load, Scenario, Streams};

const TYPED: &str = "<order xmlns='urn:campanile:bench' item='{id}' quantity='3' express='true'>\
    <note>ring twice</note></order>";
const JSON: &str = "<json xmlns='urn:xmpp:json:0'>{\"item\":\"{id}\",\"quantity\":3,\
    \"express\":true,\"note\":\"ring twice\"}</json>";
const DISCO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";

const CHAT: Scenario = Scenario {
    name: "chat",
    title: "chat message, 150 B",
    senders: 1,
    windows: &[256, 1, 4096],
    quick: true,
    flow: Flow::Window,
    rate: None,
    streams: Streams::One,
    load: Load::Chat("bot"),
    expect: Expect::Echo,
};
const IQ: Scenario = Scenario {
    windows: &[256],
    quick: false,
    expect: Expect::Result,
    ..CHAT
};

/// Handlers that send the reply themselves and wait until it is sent.
const SENT: Scenario = Scenario {
    senders: 1000,
    windows: &[1024],
    quick: false,
    ..CHAT
};

/// Scenario that fills an archive: each sender owns ten of a million entries.
pub const FILL: Scenario = Scenario {
    name: "archive",
    title: "message archived, receipt after the commit, 100,000 senders",
    senders: 100_000,
    windows: &[4096],
    quick: false,
    load: Load::Receipt,
    expect: Expect::ResultWithId,
    ..CHAT
};

pub const ALL: &[Scenario] = &[
    CHAT,
    Scenario {
        name: "chat-4k",
        title: "chat message, body 4 KiB",
        windows: &[256, 1],
        load: Load::Chat4k,
        ..CHAT
    },
    Scenario {
        name: "ping",
        title: "ping (XEP-0199)",
        windows: &[256, 1],
        quick: true,
        load: Load::Iq("", "get", "<ping xmlns='urn:xmpp:ping'/>"),
        ..IQ
    },
    Scenario {
        name: "disco",
        title: "disco#info (XEP-0030)",
        load: Load::Iq("", "get", DISCO),
        expect: Expect::ResultWith("<identity"),
        ..IQ
    },
    Scenario {
        name: "unhandled",
        title: "IQ get without a handler",
        load: Load::Iq("", "get", "<unknown xmlns='urn:campanile:bench:unknown'/>"),
        expect: Expect::Error,
        ..IQ
    },
    Scenario {
        name: "senders-100",
        title: "chat, 100 senders",
        senders: 100,
        windows: &[256],
        quick: false,
        ..CHAT
    },
    Scenario {
        name: "senders-10000",
        title: "chat, 10,000 senders",
        senders: 10_000,
        windows: &[256],
        quick: false,
        ..CHAT
    },
    Scenario {
        name: "components-1",
        title: "chat, one component, 1,000 senders",
        ..SENT
    },
    Scenario {
        name: "components-10",
        title: "chat, 10 components, 1,000 senders",
        streams: Streams::Components(10),
        ..SENT
    },
    Scenario {
        name: "components-200",
        title: "chat, 200 components, 1,000 senders",
        streams: Streams::Components(200),
        ..SENT
    },
    Scenario {
        name: "connections-2",
        title: "chat, 2 connections of one JID, 1,000 senders",
        streams: Streams::Connections(2),
        ..SENT
    },
    Scenario {
        name: "connections-4",
        title: "chat, 4 connections of one JID, 1,000 senders",
        streams: Streams::Connections(4),
        ..SENT
    },
    Scenario {
        name: "yield-2",
        title: "handler that yields once, 2 connections of one JID",
        streams: Streams::Connections(2),
        load: Load::Chat("yield"),
        ..SENT
    },
    Scenario {
        name: "compute-2",
        title: "handler that computes for 100 µs, 2 connections of one JID",
        streams: Streams::Connections(2),
        load: Load::Chat("compute"),
        ..SENT
    },
    Scenario {
        name: "presence",
        title: "presence flood, 100 senders",
        senders: 100,
        windows: &[4096],
        quick: false,
        load: Load::Presence,
        ..CHAT
    },
    Scenario {
        name: "text",
        title: "body in, text out",
        windows: &[256],
        load: Load::Chat("text"),
        ..CHAT
    },
    Scenario {
        name: "message",
        title: "whole message in and out",
        windows: &[256],
        load: Load::Chat("message"),
        ..CHAT
    },
    Scenario {
        name: "sent",
        title: "answered by `send`, 1,000 senders",
        load: Load::Chat("sent"),
        ..SENT
    },
    Scenario {
        name: "confirmed",
        title: "answered by `send_confirmed`, 1,000 senders",
        load: Load::Chat("confirmed"),
        ..SENT
    },
    Scenario {
        name: "yield",
        title: "handler that yields once",
        windows: &[256],
        load: Load::Chat("yield"),
        ..CHAT
    },
    Scenario {
        name: "yield-senders",
        title: "handler that yields once, 1,000 senders",
        load: Load::Chat("yield"),
        ..SENT
    },
    Scenario {
        name: "task",
        title: "handler that asks a task, 1,000 senders",
        load: Load::Chat("task"),
        ..SENT
    },
    Scenario {
        name: "sleep",
        title: "handler that sleeps 1 ms, 1,000 senders",
        load: Load::Chat("sleep"),
        ..SENT
    },
    Scenario {
        name: "http",
        title: "handler that asks an HTTP server, 1,000 senders",
        load: Load::Chat("http"),
        ..SENT
    },
    Scenario {
        name: "pool",
        title: "handler that asks a pool of 16 connections, 1,000 senders",
        load: Load::Chat("pool"),
        ..SENT
    },
    Scenario {
        name: "compute",
        title: "handler that yields, then computes for 100 µs, 1,000 senders",
        load: Load::Chat("compute"),
        ..SENT
    },
    Scenario {
        name: "typed",
        title: "typed payload in and out",
        quick: true,
        load: Load::Iq("typed@", "set", TYPED),
        expect: Expect::ResultWithId,
        ..IQ
    },
    Scenario {
        name: "typed-xso",
        title: "typed payload in and out, with the derives of xso",
        load: Load::Iq("typed-xso@", "set", TYPED),
        expect: Expect::ResultWithId,
        ..IQ
    },
    Scenario {
        name: "json",
        title: "JSON payload (XEP-0335) in and out",
        quick: true,
        load: Load::Iq("json@", "set", JSON),
        expect: Expect::ResultWithId,
        ..IQ
    },
    Scenario {
        name: "logger",
        title: "message archived, receipt after the commit, 10,000 senders",
        senders: 10_000,
        windows: &[4096],
        quick: false,
        load: Load::Receipt,
        expect: Expect::ResultWithId,
        ..CHAT
    },
    Scenario {
        name: "logger-paced",
        title: "the same, at 90 % of the highest rate",
        senders: 10_000,
        windows: &[4096],
        quick: false,
        flow: Flow::Paced,
        load: Load::Receipt,
        expect: Expect::ResultWithId,
        ..CHAT
    },
    Scenario {
        name: "logger-tenth",
        title: "the same, 5,000 a second",
        senders: 10_000,
        windows: &[4096],
        quick: false,
        rate: Some(5_000),
        load: Load::Receipt,
        expect: Expect::ResultWithId,
        ..CHAT
    },
    Scenario {
        name: "logger-postgres-tenth",
        title: "the same, 2,000 a second",
        senders: 10_000,
        windows: &[4096],
        quick: false,
        rate: Some(2_000),
        load: Load::Receipt,
        expect: Expect::ResultWithId,
        ..CHAT
    },
    Scenario {
        name: "million",
        title: "chat messages by number, 10,000 senders",
        senders: 10_000,
        windows: &[256],
        quick: false,
        flow: Flow::Count,
        ..CHAT
    },
    Scenario {
        name: "stall",
        title: "flood of 100 senders, server not reading",
        senders: 100,
        windows: &[256],
        quick: false,
        flow: Flow::Stall,
        ..CHAT
    },
];
