//! Deserialization of the parts of a bridge: webhooks, the HTTP API, and permitted recipients.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use campanile::jid::BareJid;
use campanile::settings::{self, FilePath, invalid, required, text};
use serde::de::value::SeqAccessDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Api, Grant};
use crate::secret::Secret;
use crate::webhook::{Webhook, check_certificates};

/// Shortest token of the HTTP API, in bytes; a shorter one could be guessed.
const SHORTEST_TOKEN: usize = 16;

/// A webhook as written in a configuration file.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    deny_unknown_fields,
    expecting = "a webhook, as in { url = \"http://127.0.0.1:8080/hook\", secret_env = \"HOOK_SECRET\" }"
)]
pub(super) struct WebhookTable {
    /// The URL to which stanzas are posted.
    url: WebhookUrl,
    /// The secret that signs requests: `whsec_` and the base64 of 24 to 64 random bytes.
    #[serde(default, deserialize_with = "webhook_secret")]
    secret: Option<Secret>,
    /// The secret before the current one, while the handler still expects it.
    #[serde(default, deserialize_with = "webhook_secret")]
    old_secret: Option<Secret>,
    /// Timeout of a request, `100ms` to `5m`. Default: `20s`.
    #[serde(default, deserialize_with = "settings::duration::<_, _, 100, 300_000>")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "settings::schema::duration")
    )]
    timeout: Option<Duration>,
    /// A PEM file of certificates that are trusted besides those of the system.
    ca_file: Option<CaFile>,
}

/// A file of trusted certificates that can be read.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(inline))]
struct CaFile(#[cfg_attr(feature = "schema", schemars(with = "FilePath"))] PathBuf);

impl<'de> Deserialize<'de> for CaFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path: PathBuf = FilePath::deserialize(deserializer)?.into();
        check_certificates(&path).map_err(|cause| {
            invalid(
                cause,
                "name a PEM file of trusted certificates; paths are relative to this file's folder",
            )
        })?;
        Ok(Self(path))
    }
}

/// A valid URL of a webhook.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct WebhookUrl(String);

impl<'de> Deserialize<'de> for WebhookUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let remedy = "write url = \"http://127.0.0.1:8080/hook\", where the handler listens";
        required(deserializer, "url", remedy, |text| {
            match Webhook::new(text, []) {
                Ok(_) => Ok(Self(text.to_owned())),
                Err(cause) => Err(invalid(
                    cause,
                    "write a URL, such as \"https://bots.example.org/hook\"",
                )),
            }
        })
    }
}

impl TryFrom<WebhookTable> for Webhook {
    type Error = String;

    fn try_from(table: WebhookTable) -> Result<Self, String> {
        let secrets = [table.secret, table.old_secret];
        let webhook = Self::new(&table.url.0, secrets.into_iter().flatten())?;
        let webhook = match table.timeout {
            Some(timeout) => webhook.with_timeout(timeout),
            None => webhook,
        };
        Ok(match table.ca_file {
            Some(CaFile(path)) => webhook.with_ca_file(path),
            None => webhook,
        })
    }
}

impl<'de> Deserialize<'de> for Webhook {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = WebhookTable::deserialize(deserializer)?;
        Self::try_from(table).map_err(Error::custom)
    }
}

/// Reads a webhook secret in the form of Standard Webhooks. The value is never quoted.
fn webhook_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    text(deserializer, "a string in quotation marks", |text| {
        let secret = Secret::new(text);
        if secret.webhook_key().is_none() {
            return Err(invalid(
                "this is not a webhook secret: `whsec_` and the base64 of 24 to 64 bytes",
                "make one for both sides: echo \"whsec_$(openssl rand -base64 32)\"",
            ));
        }
        Ok(Some(secret))
    })
}

/// Reads a token of the HTTP API. The value is never quoted.
pub(super) fn api_token<'de, D>(deserializer: D) -> Result<Option<Secret>, D::Error>
where
    D: Deserializer<'de>,
{
    text(deserializer, "a string in quotation marks", |text| {
        if text.len() < SHORTEST_TOKEN {
            return Err(invalid(
                "the token of the HTTP API is too short",
                "use at least 16 random characters, such as the output of `openssl rand -hex 24`",
            ));
        }
        Ok(Some(Secret::new(text)))
    })
}

/// The HTTP API as written in a configuration file.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(
    deny_unknown_fields,
    expecting = "`api`, such as { listen = \"127.0.0.1:5391\", token_env = \"BRIDGE_TOKEN\" }"
)]
pub(super) struct ApiTable {
    /// The address to listen on, with a port.
    listen: Listen,
    /// A token that may send as every address of the component, at least 16 bytes.
    #[serde(default, deserialize_with = "api_token")]
    token: Option<Secret>,
    /// The recipients to which that token may send.
    #[serde(default)]
    to: Grant,
}

#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Listen(#[cfg_attr(feature = "schema", schemars(with = "String"))] SocketAddr);

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let remedy = "write listen = \"127.0.0.1:5391\"";
        required(deserializer, "listen", remedy, |text| {
            text.parse().map(Self).map_err(|_| {
                invalid(
                    format_args!("{text:?} is not an address with a port"),
                    "write \"127.0.0.1:5391\" or \"[::1]:5391\"",
                )
            })
        })
    }
}

impl<'de> Deserialize<'de> for Api {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let table = ApiTable::deserialize(deserializer)?;
        Ok(Self {
            listen: table.listen.0,
            token: table.token,
            to: table.to,
        })
    }
}

impl<'de> Deserialize<'de> for Grant {
    /// Reads `"anybody"`, or a list of JIDs and domains.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GrantVisitor)
    }
}

struct GrantVisitor;

impl<'de> Visitor<'de> for GrantVisitor {
    type Value = Grant;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of JIDs and domains, or \"anybody\"")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Grant, E> {
        match text {
            "anybody" => Ok(Grant::Anybody),
            other => Err(E::invalid_type(serde::de::Unexpected::Str(other), &self)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Grant, A::Error> {
        let list: Vec<BareJid> = settings::jids(SeqAccessDeserializer::new(items))?;
        Ok(Grant::Only(list))
    }
}

#[cfg(feature = "schema")]
mod schemas {
    use std::borrow::Cow;

    use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

    use super::{Api, ApiTable, Grant, Webhook, WebhookTable};

    impl JsonSchema for Webhook {
        fn schema_name() -> Cow<'static, str> {
            "Webhook".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            WebhookTable::json_schema(generator)
        }
    }

    impl JsonSchema for Api {
        fn schema_name() -> Cow<'static, str> {
            "Api".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            ApiTable::json_schema(generator)
        }
    }

    impl JsonSchema for Grant {
        fn schema_name() -> Cow<'static, str> {
            "Recipients".into()
        }

        fn json_schema(_: &mut SchemaGenerator) -> Schema {
            json_schema!({
                "anyOf": [{ "const": "anybody" }, { "type": "array", "items": { "type": "string" } }]
            })
        }
    }
}
