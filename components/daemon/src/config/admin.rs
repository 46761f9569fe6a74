//! `[admin]`: health, metrics and the status page.

use std::net::SocketAddr;

use campanile::settings::{Segment, invalid, required, text};
use campanile_json_bridge::Secret;
use serde::{Deserialize, Deserializer};

use super::draft::Draft;
use super::fault::Faults;

/// Shortest token, in bytes; a shorter one could be guessed.
const SHORTEST: usize = 16;

/// Health, metrics and the status page.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AdminTable {
    /// The address to listen on, with a port.
    listen: Listen,
    /// The token for content and changes, at least 16 bytes. Without it, both are disabled.
    token: Option<Token>,
    /// Host names accepted from browsers and probes, besides loopback and `listen`.
    #[serde(default)]
    hosts: Vec<Host>,
}

/// Validated settings of the admin port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
    /// Required for content and changes; without a token both are disabled.
    pub(crate) token: Option<Secret>,
    /// Further `Host` names accepted from browsers and probes, besides loopback and `listen`.
    pub(crate) hosts: Vec<String>,
}

impl AdminTable {
    /// Warns if the port listens to the network.
    pub(super) fn resolve(self, draft: &Draft<'_, '_>, faults: &mut Faults<'_>) -> Admin {
        let path = ["admin", "listen"].map(|key| Segment::Key(key.to_owned()));
        if !self.listen.0.ip().is_loopback() {
            faults.warn(
                &draft.document.span(&path),
                "tokens and content cross the network unencrypted",
                "listen on loopback behind a TLS proxy",
            );
        }
        Admin {
            listen: self.listen.0,
            token: self.token.map(|token| token.0),
            hosts: self.hosts.into_iter().map(|host| host.0).collect(),
        }
    }
}

#[derive(Debug, schemars::JsonSchema)]
#[schemars(inline)]
struct Listen(#[schemars(with = "String")] SocketAddr);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let remedy = "write listen = \"127.0.0.1:5390\"";
        required(deserializer, "listen", remedy, |text| {
            text.parse().map(Self).map_err(|_| {
                invalid(
                    format_args!("{text:?} is not an address with a port"),
                    "write \"127.0.0.1:5390\" or \"[::1]:5390\"",
                )
            })
        })
    }
}

#[derive(Debug, schemars::JsonSchema)]
#[schemars(inline)]
struct Token(Secret);

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a string in quotation marks", |text| {
            if text.len() < SHORTEST {
                return Err(invalid(
                    "the token of [admin] is too short",
                    "use at least 16 random characters, such as the output of `openssl rand -hex \
                     24`",
                ));
            }
            Ok(Self(Secret::new(text)))
        })
    }
}

/// A host name without a port: the port of a `Host` header is ignored.
#[derive(Debug, schemars::JsonSchema)]
#[schemars(inline)]
struct Host(String);

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a string in quotation marks", |text| {
            let fits = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
            let has_port = text.contains(':') && !text.starts_with('[');
            if text.is_empty() || !text.chars().all(fits) || has_port {
                return Err(invalid(
                    format_args!("{text:?} is not a host name"),
                    "write only the name, such as \"status.example.org\"",
                ));
            }
            Ok(Self(text.to_ascii_lowercase()))
        })
    }
}
