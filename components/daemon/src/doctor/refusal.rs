//! Why a component is not mounted: the server's answer, and what speaks at its port, put together.

use std::io;
use std::time::Duration;

use campanile::connection::ServerAddress;

use super::diagnostic::{Diagnostic, EJABBERD, ON_SERVER, OURS, PROSODY};
use super::probe_port::{Port, Software, listens};
use super::snippet;
use crate::config::Component;

/// Where servers listen for components unless they are told otherwise: Prosody and ejabberd,
/// Openfire, Openfire over TLS.
const USUAL: [u16; 3] = [5347, 5275, 5276];
const CONNECT_TIMEOUT: Duration = Duration::from_millis(500);

/// Explains why a component was not mounted. `why` are the words of the attempt, `port` is what
/// speaks at the address.
pub(super) async fn explain(settings: &Component, why: &str, port: &Port) -> Diagnostic {
    let server = &settings.address;
    let tls = settings.tls.is_some();
    match port {
        Port::Unreachable(error) => unreachable(settings, why, error).await,
        Port::Silent => Diagnostic::failed(format!(
            "{server} takes connections and says nothing: the server is overloaded or stopped, or \
            this is no XMPP server"
        )),
        Port::Clients => wrong_port(settings, "clients"),
        Port::Servers => wrong_port(settings, "other servers"),
        Port::Http => wrong_port(settings, "HTTP"),
        Port::Unknown => wrong_port(settings, "something that is no XMPP"),
        Port::Tls if !tls => Diagnostic::failed(format!(
            "{server} expects TLS, and this component has \
            no tls"
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
            "{server} speaks no TLS, and this \
            component has tls"
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
            let what = format!("{server} cannot be connected to: {error}");
            return Diagnostic::failed(what).line(
                EJABBERD,
                snippet::ejabberd_listener(&format!("\"unix:{path}\""), settings),
            );
        }
        _ => return Diagnostic::failed(why),
    };
    if error.kind() != io::ErrorKind::ConnectionRefused {
        let what = format!(
            "{server} cannot be reached: {error}; compare the address with where the server is"
        );
        return Diagnostic::failed(what).line(OURS, "address = \"127.0.0.1:5347\"");
    }
    let mut what = format!(
        "nothing listens at {server}: the server is stopped, or has no port for components there"
    );
    for usual in USUAL.into_iter().filter(|usual| *usual != port) {
        if listens(host, usual, CONNECT_TIMEOUT).await {
            what.push_str(&format!("; something listens at port {usual}, though"));
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

/// TLS on both sides. Nobody can look into it but the component itself.
fn within_tls(settings: &Component, why: &str) -> Diagnostic {
    if condition(settings, why).is_some() {
        return answered(settings, why, Software::Unknown);
    }
    let diagnostic = Diagnostic::failed(why);
    match why {
        why if why.contains("CA file") => {
            diagnostic.line(OURS, "tls = { …, ca_file = \"ca.pem\" }")
        }
        // An alert: the server does not even begin under a name that it does not have.
        why if why.contains("server name") || why.contains("UnrecognisedName") => diagnostic.line(
            OURS,
            format!("tls = {{ server_name = \"{}\", … }}", parent(settings)),
        ),
        _ => diagnostic,
    }
}

/// The stream error that the server gave, where it gave one.
fn condition<'w>(settings: &Component, why: &'w str) -> Option<&'w str> {
    let rest = why.strip_prefix(&format!("{} answered ", settings.address))?;
    rest.split([' ', ':']).next()
}

fn answered(settings: &Component, why: &str, software: Software) -> Diagnostic {
    let jid = &settings.jid;
    let server = &settings.address;
    match condition(settings, why) {
        Some("host-unknown") => Diagnostic::failed(format!(
            "{server} answered host-unknown: it has no component {jid}, or not yet; nor may a \
            virtual host have that name"
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
            {jid}      # take this line out"
            ),
        ),
        Some("conflict") => Diagnostic::failed(format!(
            "{server} answered conflict: another connection is mounted on {jid}, and keeps its \
            place. That is another process \
             with the same configuration, on this machine or elsewhere, or an old connection of a \
             machine that is gone, \
             which the server has not noticed yet"
        ))
        .line(
            PROSODY,
            "component_conflict_resolve = \"kick_old\"      -- in the Component, where \
            the new one shall win",
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
                "{server} answered not-authorized: the secret is not the one of the Component, or \
                that has none"
            )
        }
        Software::Ejabberd => format!(
            "{server} answered not-authorized: the secret is wrong, or {jid} is not among the \
            `hosts` of this listener; ejabberd \
             says the same of both"
        ),
        Software::Unknown => format!(
            "{server} answered not-authorized: the secret is wrong; or, if it is an ejabberd, \
            which says the same of both, {jid} \
             is not among the `hosts` of this listener"
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

/// The domain that a component lies in, which most certificates of its server are for.
fn parent(settings: &Component) -> &str {
    let domain = settings.jid.domain().as_str();
    domain.split_once('.').map_or(domain, |(_, parent)| parent)
}
