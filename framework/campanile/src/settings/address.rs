//! Functions for `#[serde(deserialize_with = "…")]`: JIDs and domains.

use std::fmt;

use jid::{BareJid, Jid};
use serde::de::{DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::fields::{invalid, text};

/// Reads a list of bare JIDs; a domain stands for all of its users.
///
/// # Errors
/// If the value is not a list, or one of its elements is not a bare JID.
pub fn jids<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<BareJid>, D::Error> {
    deserializer.deserialize_seq(Jids)
}

/// Reads a list of permitted senders, which must not be empty: an empty list would permit everyone.
///
/// # Errors
/// If the list is empty, or as for [`jids`].
pub fn allow<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<BareJid>, D::Error> {
    let list = jids(deserializer)?;
    if list.is_empty() {
        return Err(invalid(
            "the value is empty",
            "list the permitted senders, or remove `allow` to permit everyone",
        ));
    }
    Ok(list)
}

struct Jids;

impl<'de> Visitor<'de> for Jids {
    type Value = Vec<BareJid>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of JIDs and domains")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<BareJid>, A::Error> {
        let mut list = Vec::new();
        while let Some(jid) = items.next_element_seed(OneJid)? {
            list.push(jid);
        }
        Ok(list)
    }
}

struct OneJid;

impl<'de> DeserializeSeed<'de> for OneJid {
    type Value = BareJid;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<BareJid, D::Error> {
        text(deserializer, "a string in quotation marks", bare_jid)
    }
}

fn bare_jid<E: Error>(text: &str) -> Result<BareJid, E> {
    let cause = match Jid::new(text).map(Jid::try_into_full) {
        Ok(Err(bare)) => return Ok(bare),
        Ok(Ok(_)) => format!("{text:?} has a resource, which changes with each login"),
        Err(error) => format!("{text:?} is not a JID: {error}"),
    };
    Err(invalid(
        cause,
        "write user@example.org, or example.org for all of its users",
    ))
}

#[cfg(test)]
mod tests {
    use jid::FullJid;
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::settings::SettingsReader;

    #[derive(Debug, Deserialize, Serialize)]
    struct Bot {
        admin: BareJid,
        clients: Vec<FullJid>,
    }

    #[test]
    fn addresses_are_fields_of_settings() {
        let read = |settings| SettingsReader::new().read::<Bot>(&settings);
        let (bot, faults) = read(json!({
            "admin": "Alice@EXAMPLE.org", "clients": ["bob@example.org/Phone"],
        }));
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!(
            serde_json::to_value(bot.unwrap()).unwrap(),
            json!({ "admin": "alice@example.org", "clients": ["bob@example.org/Phone"] })
        );
        let (_, faults) = read(json!({ "admin": "a@b/c", "clients": ["bob@example.org", 1] }));
        let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
        let faults = faults.join("\n");
        assert!(faults.starts_with("admin: resource found"), "{faults}");
        assert!(faults.contains("\nclients[0]: no resource"), "{faults}");
        let number =
            "\nclients[1]: `clients` cannot be a number; write a string in quotation marks";
        assert!(faults.ends_with(number), "{faults}");
    }
}
