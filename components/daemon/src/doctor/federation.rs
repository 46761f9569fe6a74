//! Reachability of a component from other servers: DNS records, and a connection to their targets.

use std::net::IpAddr;
use std::time::Duration;

use campanile::jid::BareJid;

use super::diagnostic::Diagnostic;
use super::dns::{Resolver, Service};
use super::probe_port::listens;

/// Reserved top-level names without public DNS (RFC 6761, 6762, 7686, 8375, 9476).
const RESERVED: [&str; 9] = [
    "localhost",
    "test",
    "invalid",
    "example",
    "local",
    "internal",
    "onion",
    "home.arpa",
    "alt",
];
const PORT: u16 = 5269;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const ZONE: &str = "DNS zone of its domain";
/// Maximum number of targets tried; a domain usually has one or two.
const TARGETS: usize = 4;

/// Returns a note if other servers cannot reach this component, or if that is unknown.
pub(super) async fn examine(jid: &BareJid, resolver: Option<Resolver>) -> Option<Diagnostic> {
    let domain = jid.domain().as_str();
    if let Some(reserved) = reserved(domain) {
        return Some(unreachable(
            &format!("{reserved} is a reserved name without public DNS"),
            domain,
        ));
    }
    let Some(resolver) = resolver else {
        return Some(Diagnostic::note(
            "reachability from other servers is unknown: no DNS server in /etc/resolv.conf",
        ));
    };
    match find(domain, resolver).await {
        None => Some(Diagnostic::note(format!(
            "reachability from other servers is unknown: the DNS server {} does not answer",
            resolver.0
        ))),
        Some(targets) if targets.is_empty() => Some(unreachable(
            &format!("DNS has no address for {domain}, and no _xmpp-server._tcp.{domain}"),
            domain,
        )),
        Some(targets) => assess(targets, domain).await,
    }
}

/// Resolves the addresses where other servers look for a domain (RFC 6120 §3.2).
///
/// Returns `None` if the DNS server does not answer.
async fn find(domain: &str, resolver: Resolver) -> Option<Vec<(Service, Vec<IpAddr>)>> {
    let plain = format!("_xmpp-server._tcp.{domain}");
    let direct = format!("_xmpps-server._tcp.{domain}");
    let (plain, direct) = tokio::join!(resolver.services(&plain), resolver.services(&direct));
    let mut services = plain?;
    services.extend(direct.unwrap_or_default());
    if services.is_empty() {
        services.push(Service {
            target: domain.to_owned(),
            port: PORT,
        });
    }
    let mut found = Vec::new();
    for service in services.into_iter().take(TARGETS) {
        let addresses = resolver.addresses(&service.target).await?;
        if !addresses.is_empty() {
            found.push((service, addresses));
        }
    }
    Some(found)
}

async fn assess(targets: Vec<(Service, Vec<IpAddr>)>, domain: &str) -> Option<Diagnostic> {
    if let Some((service, _)) = targets
        .iter()
        .find(|(_, addresses)| addresses.iter().all(IpAddr::is_loopback))
    {
        let why = format!(
            "DNS resolves {} to loopback, which is the querying machine itself",
            service.target
        );
        return Some(unreachable(&why, domain));
    }
    let Service { target, port } = &targets.first()?.0;
    for (service, addresses) in &targets {
        for address in addresses {
            if listens(&address.to_string(), service.port, CONNECT_TIMEOUT).await {
                return None;
            }
        }
    }
    let why = format!(
        "nothing answers at {target}:{port}, its address in DNS (as seen from this machine)"
    );
    Some(unreachable(&why, domain))
}

fn unreachable(why: &str, domain: &str) -> Diagnostic {
    let parent = domain.split_once('.').map_or(domain, |(_, parent)| parent);
    Diagnostic::note(format!(
        "other servers cannot reach it: {why}. Users of its own server can. For federation, the \
        XMPP server also needs a certificate for {domain}"
    ))
    .line(
        ZONE,
        format!("_xmpp-server._tcp.{domain}. 3600 IN SRV 0 5 {PORT} {parent}."),
    )
}

fn reserved(domain: &str) -> Option<&'static str> {
    RESERVED.into_iter().find(|name| {
        domain == *name
            || domain
                .strip_suffix(name)
                .is_some_and(|rest| rest.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_names_match_by_suffix() {
        assert_eq!(reserved("echo.localhost"), Some("localhost"));
        assert_eq!(reserved("echo.home.arpa"), Some("home.arpa"));
        assert_eq!(reserved("echo.notlocalhost"), None);
        assert_eq!(reserved("test.example.org"), None);
    }
}
