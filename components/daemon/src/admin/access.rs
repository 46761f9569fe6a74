//! Access control of the admin port.
//!
//! | resource | clients |
//! |---|---|
//! | liveness and readiness | all clients: the response is one word |
//! | metrics, and the status of each component | clients on this machine, or with the token |
//! | content, and changes | clients with the token |
//!
//! A page of another site cannot send requests through a user's browser: the `Origin` must match
//! the `Host`, and the `Host` must be a known name, or a foreign name could be pointed here (DNS
//! rebinding).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};
use campanile_json_bridge::Secret;

use super::Shared;
use super::problem::Problem;
use crate::config;

/// The address of the client.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// Extractor that admits clients which may see metrics and status.
pub(super) struct Figures;

/// Extractor that admits clients which may see content and make changes.
pub(super) struct Content;

/// The token, and the accepted `Host` names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Access {
    token: Option<Secret>,
    hosts: Vec<String>,
}

/// Headers added by proxies: the client is not on this machine, although the connection is.
const FORWARDED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

impl Access {
    pub(super) fn new(settings: &config::Admin) -> Self {
        let mut hosts = settings.hosts.clone();
        // The unspecified address is not a name; then `hosts` has to list the names.
        if !settings.listen.ip().is_unspecified() {
            hosts.push(written(settings.listen.ip()));
        }
        Self {
            token: settings.token.clone(),
            hosts,
        }
    }

    fn figures(&self, peer: Option<&Peer>, headers: &HeaderMap) -> Result<(), Problem> {
        let local = self.called(headers)?;
        if headers.contains_key(AUTHORIZATION) {
            return self.token(headers);
        }
        let forwarded = FORWARDED
            .iter()
            .any(|name| headers.contains_key(HeaderName::from_static(name)));
        if local
            && !forwarded
            && peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback())
        {
            return Ok(());
        }
        self.token(headers)
    }

    fn content(&self, headers: &HeaderMap) -> Result<(), Problem> {
        self.called(headers)?;
        self.token(headers)
    }

    /// Checks `Host` and `Origin`. Returns `true` for names of the loopback interface.
    fn called(&self, headers: &HeaderMap) -> Result<bool, Problem> {
        let text = |name: HeaderName| {
            headers
                .get(name)
                .map(|value| value.to_str().unwrap_or_default())
        };
        let host = text(HOST).ok_or_else(|| Problem::new(400, "missing Host header"))?;
        let name = host_name(host);
        let local = name.eq_ignore_ascii_case("localhost")
            || name.trim_matches(['[', ']']).parse().is_ok_and(is_loopback);
        if !local
            && !self
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        {
            return Err(Problem::new(
                403,
                "unknown host name: add it to `hosts` in [admin]",
            ));
        }
        match text(ORIGIN).map(|origin| origin.split_once("://").map(|(_, rest)| rest)) {
            None => Ok(local),
            Some(Some(origin)) if origin == host => Ok(local),
            Some(_) => Err(Problem::new(403, "cross-origin requests are not allowed")),
        }
    }

    fn token(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(token) = &self.token else {
            return Err(Problem::new(
                401,
                "a token is required, but [admin] has none: set token, token_file, token_env or \
                token_credential",
            ));
        };
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| {
                let (scheme, given) = text.split_once(' ')?;
                scheme
                    .eq_ignore_ascii_case("bearer")
                    .then_some(given.trim())
            });
        match given {
            None => Err(Problem::new(
                401,
                "missing token: send the header `Authorization: Bearer TOKEN` with that of [admin]",
            )),
            Some(given) if token.is(given) => Ok(()),
            Some(_) => Err(Problem::new(401, "wrong token")),
        }
    }
}

fn is_loopback(ip: IpAddr) -> bool {
    ip.to_canonical().is_loopback()
}

/// Formats an address as in the `Host` header.
fn written(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

/// Returns the host name without the port.
fn host_name(host: &str) -> &str {
    match host.strip_prefix('[') {
        // RFC 3986 §3.2.2: an IPv6 address in brackets.
        Some(rest) => rest.find(']').map_or(host, |end| &host[..end + 2]),
        None => host.split(':').next().unwrap_or(host),
    }
}

impl FromRequestParts<Arc<Shared>> for Figures {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        let access = shared.access.read();
        access
            .figures(parts.extensions.get::<Peer>(), &parts.headers)
            .map(|()| Self)
    }
}

impl FromRequestParts<Arc<Shared>> for Content {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Problem> {
        shared.access.read().content(&parts.headers).map(|()| Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "0123456789abcdef";

    fn access(listen: &str, hosts: &[&str]) -> Access {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        Access::new(&config::Admin {
            listen: listen.parse().unwrap(),
            token: Some(Secret::new(TOKEN)),
            hosts,
        })
    }

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn metrics_require_loopback_or_token() {
        let access = access("0.0.0.0:5390", &["status.example.org"]);
        let here = Peer("127.0.0.1:9".parse().unwrap());
        let there = Peer("192.0.2.1:9".parse().unwrap());
        let bearer = format!("Bearer {TOKEN}");
        for (peer, list, allowed) in [
            (here, vec![("host", "localhost:5390")], true),
            (here, vec![("host", "127.0.0.1:5390")], true),
            (here, vec![("host", "[::1]:5390")], true),
            // A foreign name that points here (DNS rebinding).
            (here, vec![("host", "evil.example")], false),
            (
                here,
                vec![("host", "evil.example"), ("authorization", &bearer)],
                false,
            ),
            (here, vec![("host", "status.example.org")], false),
            (
                here,
                vec![("host", "status.example.org"), ("authorization", &bearer)],
                true,
            ),
            (
                here,
                vec![("host", "localhost"), ("x-forwarded-for", "192.0.2.7")],
                false,
            ),
            (
                here,
                vec![("host", "localhost"), ("origin", "http://localhost")],
                true,
            ),
            (
                here,
                vec![("host", "localhost"), ("origin", "https://evil.example")],
                false,
            ),
            (here, vec![("host", "localhost"), ("origin", "null")], false),
            (
                here,
                vec![("host", "localhost"), ("authorization", "Bearer wrong")],
                false,
            ),
            (there, vec![("host", "localhost")], false),
            (
                there,
                vec![("host", "STATUS.example.org"), ("authorization", &bearer)],
                true,
            ),
            (here, vec![], false),
        ] {
            assert_eq!(
                access.figures(Some(&peer), &headers(&list)).is_ok(),
                allowed,
                "{peer:?} {list:?}"
            );
        }
    }

    #[test]
    fn content_requires_token() {
        let access = access("127.0.0.1:5390", &[]);
        let bearer = format!("bearer {TOKEN}");
        for (list, allowed) in [
            (vec![("host", "localhost")], false),
            (
                vec![("host", "localhost"), ("authorization", bearer.as_str())],
                true,
            ),
            (
                vec![
                    ("host", "127.0.0.1:5390"),
                    ("authorization", &bearer),
                    ("origin", "http://127.0.0.1:5390"),
                ],
                true,
            ),
            (
                vec![
                    ("host", "localhost"),
                    ("authorization", &bearer),
                    ("origin", "http://localhost:1"),
                ],
                false,
            ),
            (
                vec![
                    ("host", "localhost"),
                    ("authorization", "Basic 0123456789abcdef"),
                ],
                false,
            ),
        ] {
            assert_eq!(access.content(&headers(&list)).is_ok(), allowed, "{list:?}");
        }
    }
}
