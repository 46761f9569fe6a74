//! Settings of the disco module.

use std::fmt;

use campanile::settings::{invalid, text};
use serde::de::{DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// The service discovery information to add.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The display name of every identity without a name. If there are no identities, it names the
    /// default identity `component/generic`.
    pub name: Option<String>,
    /// The identities of the component, with category and type as registered for XEP-0030.
    #[serde(deserialize_with = "identities")]
    pub identities: Vec<Identity>,
    /// Contact addresses by purpose.
    pub contacts: Contacts,
}

/// A disco identity: category and type of an entity (XEP-0030 §3.1).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "IdentityTable")]
pub struct Identity {
    /// The category, such as `client`.
    pub category: String,
    /// The type, such as `bot`. The key in a configuration file is `type`.
    pub kind: String,
    /// The display name.
    pub name: Option<String>,
    /// The language of the name, as in `xml:lang`.
    pub lang: Option<String>,
}

/// Contact addresses as URIs, by purpose (XEP-0157 §3).
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Contacts {
    /// Reports of abuse.
    #[serde(deserialize_with = "uris")]
    pub abuse: Vec<String>,
    /// The administrators.
    #[serde(deserialize_with = "uris")]
    pub admin: Vec<String>,
    /// Feedback.
    #[serde(deserialize_with = "uris")]
    pub feedback: Vec<String>,
    /// Sales.
    #[serde(deserialize_with = "uris")]
    pub sales: Vec<String>,
    /// Reports of security problems.
    #[serde(deserialize_with = "uris")]
    pub security: Vec<String>,
    /// The status of the service.
    #[serde(deserialize_with = "uris")]
    pub status: Vec<String>,
    /// Help for users.
    #[serde(deserialize_with = "uris")]
    pub support: Vec<String>,
}

impl Identity {
    /// Creates an identity without a name.
    #[must_use]
    pub fn new(category: impl Into<String>, kind: impl Into<String>) -> Self {
        Self {
            category: category.into(),
            kind: kind.into(),
            name: None,
            lang: None,
        }
    }
}

impl Contacts {
    /// Returns the purposes that have addresses, each with its URIs.
    pub(crate) fn purposes(&self) -> impl Iterator<Item = (&'static str, &[String])> {
        let all: [(&str, &[String]); 7] = [
            ("abuse", &self.abuse),
            ("admin", &self.admin),
            ("feedback", &self.feedback),
            ("sales", &self.sales),
            ("security", &self.security),
            ("status", &self.status),
            ("support", &self.support),
        ];
        all.into_iter().filter(|(_, uris)| !uris.is_empty())
    }
}

/// An identity as written in a configuration file.
#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, expecting = "an identity")]
struct IdentityTable {
    /// The category, such as `client`.
    category: Option<String>,
    /// The type, such as `bot`.
    r#type: Option<String>,
    /// The display name.
    name: Option<String>,
    /// The language of the name.
    lang: Option<String>,
}

impl TryFrom<IdentityTable> for Identity {
    type Error = &'static str;

    fn try_from(table: IdentityTable) -> Result<Self, &'static str> {
        let (Some(category), Some(kind)) = (table.category, table.r#type) else {
            return Err(
                "an identity needs `category` and `type`\nwrite both, as registered at \
                        https://xmpp.org/registrar/disco-categories.html",
            );
        };
        Ok(Self {
            category,
            kind,
            name: table.name,
            lang: table.lang,
        })
    }
}

fn identities<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Identity>, D::Error> {
    deserializer.deserialize_seq(Identities)
}

struct Identities;

impl<'de> Visitor<'de> for Identities {
    type Value = Vec<Identity>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of identities, such as [{ category = \"client\", type = \"bot\" }]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(identity) = items.next_element()? {
            all.push(identity);
        }
        Ok(all)
    }
}

fn uris<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(Uris)
}

struct Uris;

impl<'de> Visitor<'de> for Uris {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of URIs")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some(uri) = items.next_element_seed(Uri)? {
            all.push(uri);
        }
        Ok(all)
    }
}

struct Uri;

impl<'de> DeserializeSeed<'de> for Uri {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        text(deserializer, "a string in quotation marks", |text| {
            let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
            let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
            if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
                return Err(invalid(
                    format_args!("{text:?} is not a URI"),
                    "write a contact URI, such as \"mailto:abuse@example.org\" or \
                     \"xmpp:help@example.org\"",
                ));
            }
            Ok(text.to_owned())
        })
    }
}
