//! `campanile check --connect`: connects to each server, and explains how to fix any problem found.
//!
//! Each component is mounted briefly without its modules: no store is opened, and nothing is
//! delivered. If a running daemon serves the component, the daemon is queried instead: a second
//! connection would be refused, or receive half of the stanzas.

mod diagnostic;
mod dns;
mod federation;
mod probe_component;
mod probe_port;
mod refusal;
mod resources;
mod running_daemon;
mod snippet;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use campanile::connection::ServerAddress;
use campanile::settings::show_size;

pub(crate) use self::diagnostic::Diagnostic;
use self::diagnostic::{EJABBERD, ON_SERVER, OURS, PROSODY};
use self::dns::Resolver;
use self::probe_component::{PINGS, Pings, Probe, largest, parent, smaller};
use self::running_daemon::RunningDaemon;
use crate::config::{Component, Config};
use crate::run::lock::{Lock, LockError};

/// Timeout for each response while identifying the protocol of a port.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Side effects of connecting, printed before it happens.
pub(crate) const WARNING: &str = "\
Connecting briefly as each component. Stanzas that arrive meanwhile are answered with
recipient-unavailable, so that senders try again. If another process is mounted on the same JID,
Prosody refuses this connection (with component_conflict_resolve = \"kick_old\" it closes the
other one), and ejabberd splits the stanzas between both.
";

/// Result for one component.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// Summary of what works.
    pub(crate) well: Option<String>,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Examines all components concurrently, and returns the reports in file order, followed by that
/// of the admin port.
pub(crate) async fn examine(config: &Config, resolver: Option<SocketAddr>) -> Vec<Report> {
    let admin = admin(config).await;
    let resolver = resolver.map(Resolver).or_else(Resolver::of_this_machine);
    let running = Arc::new(RunningDaemon::new(config.admin.clone()));
    let one = |component: &Component| {
        tokio::spawn(one(component.clone(), Arc::clone(&running), resolver))
    };
    let tries: Vec<_> = config.components.iter().map(one).collect();
    let mut reports = Vec::new();
    for outcome in tries {
        reports.push(
            outcome.await.unwrap_or_else(|error| {
                Diagnostic::failed(format!("internal error: {error}")).into()
            }),
        );
    }
    reports.push(Report {
        well: None,
        diagnostics: admin.into_iter().collect(),
    });
    reports
}

/// Checks the admin port, unless a component of the file runs: then its daemon may use the port.
async fn admin(config: &Config) -> Option<Diagnostic> {
    let admin = config.admin.as_ref()?;
    for component in &config.components {
        // The lock is released at once.
        if let Err(LockError::Held { .. }) = Lock::acquire(&component.jid) {
            return None;
        }
    }
    resources::of_admin(admin).await
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
    let mut resources = resources::of_modules(&settings).await;
    let mut report: Report = match Probe::begin(&settings).await {
        Err(why) => {
            let within = PROBE_TIMEOUT.min(settings.limits.connect_timeout);
            let port = probe_port::probe(&settings.address, &settings.jid, within).await;
            refusal::explain(&settings, &why, &port).await.into()
        }
        Ok(probe) => mounted(&settings, probe, resolver).await,
    };
    report.diagnostics.append(&mut resources);
    report
}

/// Examines a mounted component.
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
    // If stanzas for other domains arrive here, missing pings have gone to those domains.
    let astray = if probe.strays() > 0 {
        Some(strays(settings))
    } else {
        match pings.back {
            0 => unanswered(settings, &probe).await,
            _ => route(settings, &probe, pings),
        }
    };
    let mut diagnostics: Vec<Diagnostic> = astray.into_iter().collect();
    // If stanzas go elsewhere, so would the large one.
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
        many => format!("; {many} stanzas were answered with recipient-unavailable"),
    };
    let well = whole.then(|| {
        let slowest = pings.slowest;
        format!(
            "mounted and unmounted; {PINGS} pings to itself returned within \
            {slowest:.1?}{taken}{turned_away}"
        )
    });
    Report { well, diagnostics }
}

/// Reports a component that got none of its pings to its bare domain.
async fn unanswered(settings: &Component, probe: &Probe) -> Option<Diagnostic> {
    let pings = probe.ping_resource().await;
    if pings.back == 0 {
        return route(settings, probe, pings);
    }
    match parent(&settings.jid) {
        Some(host) if probe.reaches(host).await => None,
        host => Some(dropped_to_bare_addresses(settings, host)),
    }
}

/// Reports `mod_privilege` of ejabberd 24.10 and later, which drops the IQs of components to bare
/// addresses (ejabberd#4609). A ping to the component's own domain stays lost in any case.
fn dropped_to_bare_addresses(settings: &Component, host: Option<&str>) -> Diagnostic {
    let jid = &settings.jid;
    let host = host.unwrap_or("the server");
    Diagnostic::fault(format!(
        "the server drops IQs of {jid} to addresses without a resource: pings to {jid} and {host} \
        did not return, those to {jid}/check did. Requests to users and to the server, such as \
        vCards and disco, time out. ejabberd 24.10 and later does this if a virtual host has \
        mod_privilege"
    ))
    .line(
        EJABBERD,
        format!(
            "mod_privilege: …      # remove it from the modules of all virtual hosts; from \
            ejabberd 25.03 on, an entry for {jid} in that of {host} is enough"
        ),
    )
}

/// Reports stanzas for the component that do not reach this connection.
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
                    "{server} accepted the handshake but routes nothing here: {PINGS} pings of \
                    {jid} to itself did not return{lost}"
                ),
            ))
        }
        some => Some(
            Diagnostic::fault(format!(
                "{some} of {PINGS} pings of {jid} to itself returned: the others went to another \
                connection mounted on the same JID. ejabberd never answers conflict but splits the \
                stanzas between connections. Stop the other process, unless both share the work \
                on purpose"
            ))
            .line(
                ON_SERVER,
                format!(
                    "ss -tnp 'sport = :{}'      # shows the connections",
                    port_of(settings)
                ),
            ),
        ),
    }
}

/// A component is mounted, but nothing is routed to it.
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
                "domain_balancing:\n  {jid}: {{component_number: …}}      # remove this: with \
                any other number of connections, stanzas are lost"
            ),
        )
}

fn port_of(settings: &Component) -> String {
    match &settings.address {
        ServerAddress::Tcp { port, .. } => port.to_string(),
        other => other.to_string(),
    }
}

/// Reports ejabberd's `global_routes`, which spreads the stanzas of each domain of a listener over
/// all of its connections.
fn strays(settings: &Component) -> Diagnostic {
    Diagnostic::fault(format!(
        "the connection of {} received stanzas for another domain: global_routes of the listener \
        is on (the default), which spreads the stanzas of each host over all connections",
        settings.jid
    ))
    .line(EJABBERD, "global_routes: false      # in this listener")
}

/// Reports a server that rejects the largest stanza allowed by the configuration.
async fn size(settings: &Component, probe: &mut Probe, bytes: usize) -> Option<Diagnostic> {
    let why = match probe.send_itself(bytes).await {
        Ok(()) => return None,
        Err(why) => why?,
    };
    let mut taken = None;
    for bytes in smaller(bytes) {
        // The server has closed the stream, so each size needs a new one.
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
            "the server accepts a stanza of {taken} bytes but not {bytes}, which max_stanza_out \
            allows"
        ),
        None => format!(
            "the server does not accept a stanza of {bytes} bytes, which max_stanza_out allows"
        ),
    };
    let diagnostic = Diagnostic::fault(format!(
        "{what}: it closes the stream on a larger one ({why})"
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
