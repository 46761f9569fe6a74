//! Lists of texts for the wire, such as namespaces.

use std::fmt;

use campanile_stanza::xml::forbidden_char;
use serde::de::{Deserializer, SeqAccess, Visitor};

use super::fields::invalid;

/// Reads a list of texts that go into XML, such as namespaces: none is empty, and each occurs once.
///
/// # Errors
/// If the value is not a list of strings, or a string is empty, occurs twice, or holds a character
/// that XML does not allow.
pub fn distinct<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    deserializer.deserialize_seq(Distinct)
}

struct Distinct;

impl<'de> Visitor<'de> for Distinct {
    type Value = Vec<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<String>, A::Error> {
        let mut list: Vec<String> = Vec::new();
        while let Some(text) = items.next_element::<String>()? {
            if text.is_empty() {
                return Err(invalid(
                    "the value has an empty text",
                    "remove it, or write a namespace such as \"urn:example:order\"",
                ));
            }
            if forbidden_char(&text).is_some() {
                return Err(invalid(
                    "the value has a control character, which XML does not allow",
                    "write a namespace such as \"urn:example:order\"",
                ));
            }
            if list.contains(&text) {
                return Err(invalid(
                    format_args!("the value has {text:?} twice"),
                    "remove one of them",
                ));
            }
            list.push(text);
        }
        Ok(list)
    }
}
