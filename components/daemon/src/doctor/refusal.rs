//! Explains why a component was not mounted, from the server's answer and the protocol of its port.

use std::io;
use std::time::Duration;

use campanile::connection::ServerAddress;

use super::diagnostic::{Diagnostic, EJABBERD, ON_SERVER, OURS, PROSODY};
use super::probe_port::{Port, Software, listens};
use super::snippet;
use crate::config::Component;

/// Default component ports: Prosody and ejabberd, Openfire, Openfire over TLS.
const USUAL: [u16; 3] = [5347, 5275, 5276];
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Explains why a component was not mounted.
///
/// `why` is the error text of the attempt, `port` the protocol found at the address.
pub(super) async fn explain(settings: &Component, why: &str, port: &Port) -> Diagnostic {
    let server = &settings.address;
    let tls = settings.tls.is_some();
    match port {
        Port::Unreachable(error) => unreachable(settings, why, error).await,
        Port::Silent => Diagnostic::failed(format!(
            "{server} accepts connections but sends nothing: the server is overloaded or stopped, \
            or it is not an XMPP server"
        )),
        Port::Clients => wrong_port(settings, "clients"),
        Port::Servers => wrong_port(settings, "other servers"),
        Port::Http => wrong_port(settings, "HTTP"),
        Port::Unknown => wrong_port(settings, "a protocol other than XMPP"),
        Port::Tls if !tls => Diagnostic::failed(format!(
            "{server} expects TLS, but this component has no tls"
        ))
        .line(
            OURS,
            format!("tls = {{ server_name = \"{}\" }}", parent(settings)),
        )
        .line(
            EJABBERD,
            "tls: false      # in this listener, where TLS is not wanted",
        ),
        Port::Tls => within_tls(settings, why),
        Port::Components(_) if tls => Diagnostic::failed(format!(
            "{server} does not speak TLS, but this component has tls"
        ))
        .line(OURS, "tls = false")
        .line(
            PROSODY,
            "modules_enabled = { …; \"net_multiplex\" }\nssl_ports = { 5349 }     \
                -- and connect there",
        )
        .line(
            EJABBERD,
            "tls: true      # in this listener, with its certfile",
        ),
        Port::Components(software) => answered(settings, why, *software),
    }
}

async fn unreachable(settings: &Component, why: &str, error: &io::Error) -> Diagnostic {
    let server = &settings.address;
    let (host, port) = match server {
        ServerAddress::Tcp { host, port } => (host, *port),
        ServerAddress::Unix(path) => {
            let path = path.display().to_string();
            let what = format!("cannot connect to {server}: {error}");
            return Diagnostic::failed(what).line(
                EJABBERD,
                snippet::ejabberd_listener(&format!("\"unix:{path}\""), settings),
            );
        }
        _ => return Diagnostic::failed(why),
    };
    if error.kind() != io::ErrorKind::ConnectionRefused {
        let what = format!("cannot reach {server}: {error}; check the address");
        return Diagnostic::failed(what).line(OURS, "address = \"127.0.0.1:5347\"");
    }
    let mut what = format!(
        "nothing listens at {server}: the server is stopped, or has no component port there"
    );
    for usual in USUAL.into_iter().filter(|usual| *usual != port) {
        if listens(host, usual, CONNECT_TIMEOUT).await {
            what.push_str(&format!("; something listens at port {usual}"));
        }
    }
    Diagnostic::failed(what)
        .line(
            PROSODY,
            format!(
                "component_ports = {{ {port} }}      -- before the first \
            VirtualHost; then restart it"
            ),
        )
        .line(
            EJABBERD,
            snippet::ejabberd_listener(&port.to_string(), settings),
        )
}

fn wrong_port(settings: &Component, whose: &str) -> Diagnostic {
    let what = format!(
        "{} is the port for {whose}, not for components",
        settings.address
    );
    Diagnostic::failed(what)
        .line(
            OURS,
            "address = \"127.0.0.1:5347\"      # the port of the line below",
        )
        .line(
            PROSODY,
            "component_ports = { 5347 }      -- before the first VirtualHost",
        )
        .line(EJABBERD, snippet::ejabberd_listener("5347", settings))
}

/// Explains a failure with TLS on both sides, which only the component itself can see into.
fn within_tls(settings: &Component, why: &str) -> Diagnostic {
    if condition(settings, why).is_some() {
        return answered(settings, why, Software::Unknown);
    }
    let diagnostic = Diagnostic::failed(why);
    match why {
        why if why.contains("CA file") => {
            diagnostic.line(OURS, "tls = { …, ca_file = \"ca.pem\" }")
        }
        // A TLS alert: the server rejects a name that it has no certificate for.
        why if why.contains("server name") || why.contains("UnrecognisedName") => diagnostic.line(
            OURS,
            format!("tls = {{ server_name = \"{}\", … }}", parent(settings)),
        ),
        _ => diagnostic,
    }
}

/// Returns the condition of the server's stream error, if there was one.
fn condition<'w>(settings: &Component, why: &'w str) -> Option<&'w str> {
    let rest = why.strip_prefix(&format!("{} answered ", settings.address))?;
    rest.split([' ', ':']).next()
}

fn answered(settings: &Component, why: &str, software: Software) -> Diagnostic {
    let jid = &settings.jid;
    let server = &settings.address;
    match condition(settings, why) {
        Some("host-unknown") => Diagnostic::failed(format!(
            "{server} answered host-unknown: it has no component {jid}, or has not activated it; a \
            virtual host must not have that name either"
        ))
        .line(PROSODY, snippet::prosody_component(settings))
        .line(ON_SERVER, snippet::prosody_activation(settings)),
        Some("not-authorized") => not_authorized(settings, software),
        Some("conflict") if software == Software::Ejabberd => Diagnostic::failed(format!(
            "{server} answered conflict: {jid} is a virtual host of this server; a component needs \
            a name of its own"
        ))
        .line(
            EJABBERD,
            format!(
                "hosts:      # the one at the top, not the listener's\n  - \
            {jid}      # remove this line"
            ),
        ),
        Some("conflict") => Diagnostic::failed(format!(
            "{server} answered conflict: another connection is mounted on {jid} and keeps it. That \
            is another process with the same configuration, on this machine or elsewhere, or a \
            stale connection that the server has not timed out yet"
        ))
        .line(
            PROSODY,
            "component_conflict_resolve = \"kick_old\"      -- in the Component, to let \
            the new connection win",
        ),
        Some("invalid-namespace" | "improper-addressing") => {
            wrong_port(settings, "another protocol")
        }
        _ => Diagnostic::failed(why),
    }
}

fn not_authorized(settings: &Component, software: Software) -> Diagnostic {
    let jid = &settings.jid;
    let server = &settings.address;
    let what = match software {
        Software::Prosody => {
            format!(
                "{server} answered not-authorized: the secret does not match component_secret of \
                the Component, or the Component has none"
            )
        }
        Software::Ejabberd => format!(
            "{server} answered not-authorized: the secret is wrong, or {jid} is not among the \
            `hosts` of this listener; ejabberd gives the same answer for both"
        ),
        Software::Unknown => format!(
            "{server} answered not-authorized: the secret is wrong, or, on ejabberd, {jid} is not \
            among the `hosts` of this listener; ejabberd gives the same answer for both"
        ),
    };
    let mut diagnostic = Diagnostic::failed(what);
    if software != Software::Ejabberd {
        diagnostic = diagnostic.line(PROSODY, snippet::prosody_component(settings));
    }
    if software != Software::Prosody {
        diagnostic = diagnostic.line(EJABBERD, snippet::ejabberd_hosts(settings));
    }
    diagnostic
}

/// Returns the parent domain of a component, which most certificates of its server are issued for.
fn parent(settings: &Component) -> &str {
    let domain = settings.jid.domain().as_str();
    domain.split_once('.').map_or(domain, |(_, parent)| parent)
}
