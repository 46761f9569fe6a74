//! `campanile check --connect`, the doctor: tries what a running daemon would, and says in words
//! what is wrong and which line mends it.
//!
//! It mounts each component for a moment, with nothing behind it: no store is opened, nothing is
//! delivered. Beside a running daemon it asks that one instead: a second connection would be
//! refused, or take half of the stanzas.

mod diagnostic;
mod dns;
mod federation;
mod probe_component;
mod probe_port;
mod refusal;
mod running_daemon;
mod snippet;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use campanile::connection::ServerAddress;

pub(crate) use self::diagnostic::Diagnostic;
use self::diagnostic::{EJABBERD, ON_SERVER, OURS, PROSODY};
use self::dns::Resolver;
use self::probe_component::{PINGS, Pings, Probe, largest, parent, smaller};
use self::running_daemon::RunningDaemon;
use crate::config::unit::show_size;
use crate::config::{Component, Config};
use crate::run::lock::{Lock, LockError};

/// How long an answer may take that says what speaks at a port.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// What connecting does to others, said before it is done.
pub(crate) const WARNING: &str = "\
Connecting as each of them for a moment. What arrives meanwhile is told to try again \
(recipient-unavailable). If another
process is mounted on the same JID, Prosody refuses this one (with component_conflict_resolve \
= \"kick_old\" it ends the
other), and ejabberd gives each of the two a part of the stanzas.
";

/// What is known of one component.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// What is well, in words.
    pub(crate) well: Option<String>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Tries all at the same time; the reports are in the order of the file.
pub(crate) async fn examine(config: &Config, resolver: Option<SocketAddr>) -> Vec<Report> {
    let resolver = resolver.map(Resolver).or_else(Resolver::of_this_machine);
    let running = Arc::new(RunningDaemon::new(config.admin.clone()));
    let one = |component: &Component| {
        tokio::spawn(one(component.clone(), Arc::clone(&running), resolver))
    };
    let tries: Vec<_> = config.components.iter().map(one).collect();
    let mut reports = Vec::new();
    for outcome in tries {
        reports.push(outcome.await.unwrap_or_else(|error| {
            Diagnostic::failed(format!("a fault of ours: {error}")).into()
        }));
    }
    reports
}

async fn one(
    settings: Component,
    running: Arc<RunningDaemon>,
    resolver: Option<Resolver>,
) -> Report {
    let _lock = match Lock::acquire(&settings.jid) {
        Ok(lock) => lock,
        Err(held @ LockError::Held { .. }) => {
            return running.report(&settings, &held.to_string()).await;
        }
        Err(nowhere) => return Diagnostic::failed(nowhere.to_string()).into(),
    };
    match Probe::begin(&settings).await {
        Err(why) => {
            let within = PROBE_TIMEOUT.min(settings.limits.connect_timeout);
            let port = probe_port::probe(&settings.address, &settings.jid, within).await;
            refusal::explain(&settings, &why, &port).await.into()
        }
        Ok(probe) => mounted(&settings, probe, resolver).await,
    }
}

/// Examines a component that is mounted.
async fn mounted(settings: &Component, mut probe: Probe, resolver: Option<Resolver>) -> Report {
    let federation = federation::examine(&settings.jid, resolver);
    let routes = async {
        let pings = probe.ping_itself().await;
        if let Some(parent) = parent(&settings.jid) {
            probe.ping_siblings(parent).await;
        }
        pings
    };
    let (federation, pings) = tokio::join!(federation, routes);
    // Where others' stanzas come here, ours may have gone to them.
    let astray = if probe.strays() > 0 {
        Some(strays(settings))
    } else {
        route(settings, &probe, pings)
    };
    let mut diagnostics: Vec<Diagnostic> = astray.into_iter().collect();
    // Where stanzas go elsewhere, the large one would, too.
    let whole = diagnostics.is_empty();
    let bytes = largest(&settings.limits);
    let size = if whole {
        size(settings, &mut probe, bytes).await
    } else {
        None
    };
    let strangers = probe.strangers();
    probe.end().await;
    let taken = if size.is_none() {
        format!("; stanzas up to {bytes} bytes pass")
    } else {
        String::new()
    };
    diagnostics.extend(size);
    diagnostics.extend(federation);
    let turned_away = match strangers {
        0 => String::new(),
        many => format!("; {many} that arrived meanwhile were told to try again"),
    };
    let well = whole.then(|| {
        let slowest = pings.slowest;
        format!(
            "mounted, and left again; {PINGS} pings to itself came back within \
            {slowest:.1?}{taken}{turned_away}"
        )
    });
    Report { well, diagnostics }
}

/// Whether what is sent to the component comes to it.
fn route(settings: &Component, probe: &Probe, pings: Pings) -> Option<Diagnostic> {
    let jid = &settings.jid;
    let server = &settings.address;
    match pings.back {
        PINGS => None,
        0 => {
            let lost = probe
                .lost()
                .map(|why| format!(" ({why})"))
                .unwrap_or_default();
            Some(not_routed(
                settings,
                &format!(
                    "{server} has taken the handshake, and routes nothing here: {PINGS} pings of \
                    {jid} \
                to itself did not come \
                 back{lost}"
                ),
            ))
        }
        some => Some(
            Diagnostic::fault(format!(
                "{some} of {PINGS} pings of {jid} to itself came back: the others went to another \
                connection that is mounted on \
                 the same JID. ejabberd never answers conflict, it gives each connection a part of \
                 the stanzas: stop the other \
                 process, unless both are meant to share the work"
            ))
            .line(
                ON_SERVER,
                format!(
                    "ss -tnp 'sport = :{}'      # who is connected",
                    port_of(settings)
                ),
            ),
        ),
    }
}

/// Mounted, and nothing comes.
fn not_routed(settings: &Component, what: &str) -> Diagnostic {
    let jid = &settings.jid;
    Diagnostic::failed(what)
        .line(
            ON_SERVER,
            format!(
                "prosodyctl shell 'host:activate(\"{jid}\")'      # Prosody, after host:deactivate \
                or module:reload; then \
                 restart campanile"
            ),
        )
        .line(
            EJABBERD,
            format!(
                "domain_balancing:\n  {jid}: {{component_number: …}}      # take this out: with \
                more or fewer connections \
                 than it says, stanzas are lost"
            ),
        )
}

fn port_of(settings: &Component) -> String {
    match &settings.address {
        ServerAddress::Tcp { port, .. } => port.to_string(),
        other => other.to_string(),
    }
}

/// With ejabberd's `global_routes`, one connection is given the stanzas of every domain of its
/// listener.
fn strays(settings: &Component) -> Diagnostic {
    Diagnostic::fault(format!(
        "the connection of {} was given stanzas for another domain: the listener has global_routes \
        on, as it has by default, \
         and spreads what is for one of its hosts over the connections of all",
        settings.jid
    ))
    .line(EJABBERD, "global_routes: false      # in this listener")
}

/// Whether the server takes the largest stanza that the configuration allows.
async fn size(settings: &Component, probe: &mut Probe, bytes: usize) -> Option<Diagnostic> {
    let why = match probe.send_itself(bytes).await {
        Ok(()) => return None,
        Err(why) => why?,
    };
    let mut taken = None;
    for bytes in smaller(bytes) {
        // The server has ended the stream; each size needs one of its own.
        let Ok(mut probe) = Probe::begin(settings).await else {
            break;
        };
        let fits = probe.send_itself(bytes).await.is_ok();
        probe.end().await;
        if fits {
            taken = Some(bytes);
            break;
        }
    }
    let what = match taken {
        Some(taken) => format!(
            "it takes a stanza of {taken} bytes and none of {bytes}, which max_stanza_out allows"
        ),
        None => format!("it takes no stanza of {bytes} bytes, which max_stanza_out allows"),
    };
    let diagnostic = Diagnostic::fault(format!(
        "{what}: over a larger one it ends the stream ({why})"
    ));
    let diagnostic = match taken {
        Some(taken) => diagnostic.line(
            OURS,
            format!("[component.limits]\nmax_stanza_out = {}", show_size(taken)),
        ),
        None => diagnostic,
    };
    Some(
        diagnostic
            .line(
                PROSODY,
                format!(
                    "component_stanza_size_limit = {bytes}      -- before the first \
                    VirtualHost; default 524288"
                ),
            )
            .line(
                EJABBERD,
                format!("max_stanza_size: {bytes}      # in this listener"),
            ),
    )
}

impl From<Diagnostic> for Report {
    fn from(diagnostic: Diagnostic) -> Self {
        Self {
            well: None,
            diagnostics: vec![diagnostic],
        }
    }
}
