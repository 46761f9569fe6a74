//! Server address and TLS: `[server]`, and overrides of a component.

use std::fmt;
use std::path::PathBuf;

use campanile::connection::{ServerAddress, Tls};
use campanile::jid::BareJid;
use campanile::settings::{self, FilePath, Segment, invalid, read_file, text};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

use super::draft::At;
use super::fault::Faults;

/// The server of all components that do not name another.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ServerTable {
    /// The component port of the server: `host:port`, `[v6]:port` or `unix:/path`.
    #[serde(deserialize_with = "address")]
    #[schemars(schema_with = "settings::schema::text")]
    address: Option<ServerAddress>,
    /// TLS to the server, or `false` for none.
    tls: Option<TlsSetting>,
}

/// TLS settings, or `false`.
#[derive(Debug, Clone)]
pub(super) enum TlsSetting {
    Off,
    On(TlsTable),
}

#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TlsTable {
    /// The name in the server's certificate. Default: the host of the address.
    #[serde(default, deserialize_with = "server_name")]
    server_name: Option<String>,
    /// A PEM file of certificates to trust instead of the system's.
    #[schemars(with = "Option<FilePath>")]
    ca_file: Option<CaFile>,
}

/// A file with at least one certificate.
#[derive(Debug, Clone)]
struct CaFile(PathBuf);

/// Returns address and TLS settings of a component, which override those of `[server]`.
pub(super) fn resolve(
    address: Option<ServerAddress>,
    tls: Option<TlsSetting>,
    defaults: &ServerTable,
    at: At<'_>,
    faults: &mut Faults<'_>,
) -> Option<(ServerAddress, Option<Tls>)> {
    let of_server = |key: &str| {
        vec![
            Segment::Key("server".to_owned()),
            Segment::Key(key.to_owned()),
        ]
    };
    let is_wrong = |key: &str| at.is_wrong(&[key]) || at.draft.is_wrong(&of_server(key));
    let tls_path = match &tls {
        Some(_) => at.span(&["tls"]),
        None => at.draft.document.span(&of_server("tls")),
    };
    let address = address.or_else(|| defaults.address.clone());
    if address.is_none() && !is_wrong("address") {
        faults.push(
            &at.span(&[]),
            "[[component]] has no server address",
            "write address = \"127.0.0.1:5347\" here or in [server]",
        );
    }
    let address = match address? {
        ServerAddress::Unix(path) => ServerAddress::Unix(faults.path(path)),
        address => address,
    };
    let TlsSetting::On(table) = tls
        .or_else(|| defaults.tls.clone())
        .unwrap_or(TlsSetting::Off)
    else {
        return Some((address, None));
    };
    let host = match &address {
        ServerAddress::Tcp { host, .. } => Some(host.clone()),
        _ => None,
    };
    let Some(server_name) = table.server_name.or(host) else {
        faults.push(
            &tls_path,
            "TLS over a UNIX socket needs `server_name`",
            "write server_name = \"…\", the name in the server's certificate",
        );
        return None;
    };
    let tls = Tls {
        server_name,
        ca_file: table.ca_file.map(|file| file.0),
    };
    Some((address, Some(tls)))
}

/// Reads a server address.
pub(super) fn address<'de, D>(deserializer: D) -> Result<Option<ServerAddress>, D::Error>
where
    D: Deserializer<'de>,
{
    text(deserializer, "a string in quotation marks", |text| {
        text.parse().map(Some).map_err(|_| {
            let remedy = "write host:port, [v6]:port or unix:/path";
            let cause = format_args!("{text:?} is not a server address");
            match text.split_once("://") {
                Some((scheme, _)) => {
                    invalid(cause, format_args!("leave out {scheme}://; {remedy}"))
                }
                None => invalid(cause, remedy),
            }
        })
    })
}

fn server_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    text(deserializer, "a string in quotation marks", |text| {
        let is_domain = BareJid::new(text).is_ok_and(|jid| jid.node().is_none());
        if is_domain || text.parse::<std::net::IpAddr>().is_ok() {
            return Ok(Some(text.to_owned()));
        }
        Err(invalid(
            format_args!("{text:?} is not a server name"),
            "write the name in the server's certificate",
        ))
    })
}

impl<'de> Deserialize<'de> for CaFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path: PathBuf = FilePath::deserialize(deserializer)?.into();
        let cause = match read_file(&path) {
            Err(error) => format!("cannot read {}: {error}", path.display()),
            Ok(pem) if !holds_certificate(&pem) => format!("no certificate in {}", path.display()),
            Ok(_) => return Ok(Self(path)),
        };
        Err(invalid(
            cause,
            "name a PEM file of trusted certificates; paths are relative to this file's folder",
        ))
    }
}

fn holds_certificate(pem: &[u8]) -> bool {
    let mark = b"-----BEGIN CERTIFICATE-----";
    pem.windows(mark.len()).any(|window| window == mark)
}

impl<'de> Deserialize<'de> for TlsSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TlsVisitor)
    }
}

struct TlsVisitor;

impl<'de> Visitor<'de> for TlsVisitor {
    type Value = TlsSetting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a table")
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<TlsSetting, E> {
        if flag {
            return Err(E::invalid_type(Unexpected::Bool(true), &self));
        }
        Ok(TlsSetting::Off)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TlsSetting, A::Error> {
        TlsTable::deserialize(MapAccessDeserializer::new(map)).map(TlsSetting::On)
    }
}

impl schemars::JsonSchema for TlsSetting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Tls".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let table = generator.subschema_for::<TlsTable>();
        schemars::json_schema!({ "anyOf": [{ "const": false }, table] })
    }
}
