//! Deserialization of the settings of a NATS broker.

use campanile::settings::{self, invalid, text};
use serde::{Deserialize, Deserializer};

use super::{Login, Nats};
use crate::secret::Secret;

/// Range of [`Nats::max_bytes`].
const MIB: u64 = 1 << 20;
const TIB: u64 = 1 << 40;

/// A broker as written in a configuration file.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct NatsTable {
    /// The server URL, or several separated by commas. Default: `nats://127.0.0.1:4222`.
    #[serde(default, deserialize_with = "url")]
    url: Option<String>,
    /// An authentication token.
    token: Option<Secret>,
    /// The user name, together with `password`.
    user: Option<String>,
    /// The password of the user.
    password: Option<Secret>,
    /// The prefix of all subjects and streams. Default: `campanile`.
    #[serde(default, deserialize_with = "prefix")]
    prefix: Option<String>,
    /// Set if other processes serve the same component on the same broker.
    #[serde(default)]
    shared: bool,
    /// Maximum size of each stream. Default: `1GiB`.
    #[serde(default, deserialize_with = "max_bytes")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "settings::schema::size"))]
    max_bytes: Option<i64>,
    /// Number of replicas of each stream. Default: 1.
    #[serde(default, deserialize_with = "settings::count::<_, _, 1, 5>")]
    replicas: Option<u64>,
    /// The URL of the monitoring port, such as `http://127.0.0.1:8222`, for `check --connect`.
    #[serde(default, deserialize_with = "monitoring")]
    monitoring: Option<String>,
}

impl TryFrom<NatsTable> for Nats {
    type Error = &'static str;

    fn try_from(table: NatsTable) -> Result<Self, &'static str> {
        if !cfg!(feature = "nats") {
            return Err(
                "this program was built without NATS\nrebuild it with `--features nats`, or \
                        remove this table",
            );
        }
        let defaults = Self::default();
        let replicas = table.replicas.and_then(|count| usize::try_from(count).ok());
        Ok(Self {
            url: table.url.unwrap_or(defaults.url),
            login: login(table.token, table.user, table.password)?,
            prefix: table.prefix.unwrap_or(defaults.prefix),
            shared: table.shared,
            max_bytes: table.max_bytes.unwrap_or(defaults.max_bytes),
            replicas: replicas.unwrap_or(defaults.replicas),
            monitoring: table.monitoring,
        })
    }
}

fn login(
    token: Option<Secret>,
    user: Option<String>,
    password: Option<Secret>,
) -> Result<Login, &'static str> {
    match (token, user, password) {
        (Some(token), None, None) => Ok(Login::Token(token)),
        (None, Some(user), Some(password)) => Ok(Login::Password(user, password)),
        (None, None, None) => Ok(Login::Open),
        _ => Err("incomplete or conflicting login\nwrite `token`, or both `user` and `password`"),
    }
}

fn url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer, "a string in quotation marks", |text| {
        let is_one = |one: &str| {
            let parts = one.trim().split_once("://");
            matches!(parts, Some(("nats" | "tls", host)) if is_host(host))
        };
        if text.split(',').all(is_one) && !text.contains('@') {
            return Ok(Some(text.to_owned()));
        }
        // Not quoted: the URL may hold a password.
        Err(invalid(
            "the value is not a broker address",
            "write \"nats://127.0.0.1:4222\" or \"tls://host:4222\", and log in with `token`, or \
             with `user` and `password`",
        ))
    })
}

/// Returns `true` for a host, with a port from 1 to 65535 or without one.
fn is_host(text: &str) -> bool {
    let text = text.strip_suffix('/').unwrap_or(text);
    // An IPv6 address stands in brackets.
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = |port: &str| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0)
    };
    !host.is_empty() && port.is_none_or(is_port)
}

fn monitoring<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer, "a string in quotation marks", |text| {
        if text.strip_prefix("http://").is_some_and(is_host) && !text.contains('@') {
            return Ok(Some(text.to_owned()));
        }
        Err(invalid(
            "the value is not the URL of a monitoring port",
            "write \"http://127.0.0.1:8222\", the `http` address of the NATS server",
        ))
    })
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer, "a string in quotation marks", |text| {
        let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let is_token = |token: &str| !token.is_empty() && token.bytes().all(is_fit);
        if text.split('.').all(is_token) {
            return Ok(Some(text.to_owned()));
        }
        Err(invalid(
            "the value is not a valid subject prefix",
            "write words of letters, digits, - and _, separated by dots",
        ))
    })
}

fn max_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    settings::size::<_, _, MIB, TIB>(deserializer).map(Some)
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Nats {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Nats".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        NatsTable::json_schema(generator)
    }
}
