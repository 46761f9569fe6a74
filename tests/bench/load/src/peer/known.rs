//! The built-in peers and the scenarios that each supports.

use super::{Peer, Protocol};

const ECHO: &[&str] = &[
    "chat",
    "chat-4k",
    "senders-100",
    "senders-10000",
    "presence",
    "million",
    "stall",
];
const STOCK: &[&str] = &[
    "chat",
    "chat-4k",
    "ping",
    "disco",
    "unhandled",
    "senders-100",
    "senders-10000",
    "presence",
    "million",
    "stall",
    "components-1",
    "components-10",
    "components-200",
];
/// Scenarios for short programs on a library.
const PROGRAM: &[&str] = &[
    "chat",
    "chat-4k",
    "ping",
    "disco",
    "unhandled",
    "senders-100",
    "senders-10000",
    "presence",
    "million",
    "stall",
    "typed",
    "json",
];
const LOGGER: &[&str] = &["logger", "logger-paced", "logger-tenth"];
const POSTGRES: &[&str] = &["logger", "logger-paced", "logger-postgres-tenth"];
const LIMIT: &[&str] = &[
    "chat",
    "chat-4k",
    "ping",
    "senders-100",
    "senders-10000",
    "million",
];
const SUBJECT: &[&str] = &[
    "chat",
    "chat-4k",
    "ping",
    "text",
    "message",
    "sent",
    "confirmed",
    "yield",
    "yield-senders",
    "task",
    "sleep",
    "http",
    "pool",
    "compute",
    "components-1",
    "connections-2",
    "connections-4",
    "yield-2",
    "compute-2",
    "typed",
    "typed-xso",
    "json",
    "million",
    "stall",
];

const AXUM: &[&str] = &["chat", "task", "sleep", "http", "pool"];

/// Name, title, command, scenarios.
type Row = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
);

const KNOWN: &[Row] = &[
    (
        "limit",
        "byte scanner (`limit`)",
        "{bench}/target/release/bench-limit {port}",
        LIMIT,
    ),
    (
        "campanile",
        "**campanile** (release)",
        "{root}/target/release/campanile run --config {config}",
        STOCK,
    ),
    (
        "campanile-dist",
        "**campanile** (dist)",
        "{root}/target/dist/campanile run --config {config}",
        STOCK,
    ),
    (
        "logger",
        "**campanile** logger on SQLite (release)",
        "{root}/target/release/campanile run --config {config}",
        LOGGER,
    ),
    (
        "logger-postgres",
        "**campanile** logger on PostgreSQL (release)",
        "{bench}/target/campanile-postgres run --config {config}",
        POSTGRES,
    ),
    (
        "library",
        "**campanile**, own handlers (release)",
        "{bench}/target/release/bench-subject {port}",
        SUBJECT,
    ),
    (
        "library-dist",
        "**campanile**, own handlers (dist)",
        "{bench}/target/dist/bench-subject {port}",
        SUBJECT,
    ),
    (
        "axum",
        "axum 0.8, HTTP/1.1",
        "{bench}/target/release/bench-axum {port}",
        AXUM,
    ),
    (
        "axum-dist",
        "axum 0.8, HTTP/1.1 (dist)",
        "{bench}/target/dist/bench-axum {port}",
        AXUM,
    ),
    (
        "axum-h2",
        "axum 0.8, HTTP/2",
        "{bench}/target/release/bench-axum {port}",
        AXUM,
    ),
    (
        "axum-h2-dist",
        "axum 0.8, HTTP/2 (dist)",
        "{bench}/target/dist/bench-axum {port}",
        AXUM,
    ),
    (
        "libstrophe",
        "libstrophe 0.12",
        "{bench}/target/libstrophe {port}",
        ECHO,
    ),
    (
        "tokio-xmpp-batched",
        "tokio-xmpp 6, batched by hand",
        "{bench}/target/tokio-xmpp/release/batched {port}",
        PROGRAM,
    ),
    (
        "tokio-xmpp",
        "tokio-xmpp 6 `Component`",
        "{bench}/target/tokio-xmpp/release/component {port}",
        PROGRAM,
    ),
    (
        "xmpp.js",
        "xmpp.js 0.13",
        "node {bench}/target/xmpp-js/echo.mjs {port}",
        PROGRAM,
    ),
    (
        "slixmpp",
        "slixmpp 1.17",
        "{bench}/target/slixmpp/bin/python {bench}/peers/slixmpp/echo.py {port}",
        PROGRAM,
    ),
];

/// Peers that are also measured with other numbers of threads and with one core, and the scenarios.
const VARIED: &[(&str, &[&str])] = &[
    ("campanile", &["chat"]),
    ("library", &["chat", "yield-senders", "compute"]),
    ("logger", &["logger"]),
];
/// Suffix of the name, suffix of the title, and prefix of the command.
const VARIATIONS: &[(&str, &str, &str)] = &[
    ("threads-1", "1 worker thread", "env TOKIO_WORKER_THREADS=1"),
    (
        "threads-2",
        "2 worker threads",
        "env TOKIO_WORKER_THREADS=2",
    ),
    (
        "threads-4",
        "4 worker threads",
        "env TOKIO_WORKER_THREADS=4",
    ),
    (
        "threads-8",
        "8 worker threads",
        "env TOKIO_WORKER_THREADS=8",
    ),
    ("core-0", "on core 0 alone", "taskset -c 0"),
];

/// Returns all built-in peers.
pub(super) fn all() -> Vec<Peer> {
    let mut peers: Vec<Peer> = KNOWN
        .iter()
        .map(|&(name, title, command, scenarios)| Peer {
            name: name.to_owned(),
            title: title.to_owned(),
            command: words(command),
            scenarios,
            protocol: match name {
                "axum" | "axum-dist" => Protocol::Http1,
                "axum-h2" | "axum-h2-dist" => Protocol::Http2,
                _ => Protocol::Xmpp,
            },
            variant: false,
        })
        .collect();
    let variants: Vec<Peer> = VARIED
        .iter()
        .flat_map(|(base, scenarios)| {
            let base = peers.iter().find(|peer| peer.name == *base);
            base.into_iter().flat_map(|base| variants(base, scenarios))
        })
        .collect();
    peers.extend(variants);
    peers
}

fn variants<'a>(
    base: &'a Peer,
    scenarios: &'static [&'static str],
) -> impl Iterator<Item = Peer> + 'a {
    VARIATIONS.iter().map(move |(name, title, prefix)| Peer {
        name: format!("{}-{name}", base.name),
        title: format!("{}, {title}", base.title),
        command: [words(prefix), base.command.clone()].concat(),
        scenarios,
        variant: true,
        ..base.clone()
    })
}

fn words(command: &str) -> Vec<String> {
    command.split(' ').map(str::to_owned).collect()
}
