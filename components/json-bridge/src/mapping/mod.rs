//! Conversion between stanzas and JSON, without I/O.
//!
//! The keys are those of Prosody's mod_rest, so that its clients can switch without changes.
//! `SCHEMA.md` of this crate lists the keys and what the conversion does not preserve; [`SCHEMA`]
//! is the JSON Schema.

mod command;
mod dataform;
mod decode;
mod disco;
mod encode;
mod error;
mod fault;
mod keys;
mod misc;
mod nested;
mod payload;
#[cfg(test)]
mod schema;
mod shape;
mod text;
mod xml;

use campanile::stanza::{IqType, Kind, MessageType, PresenceType, Stanza};
use serde::Deserialize;
use serde_json::value::RawValue;

pub use self::error::json as error_json;
pub use self::fault::{Fault, Unmappable};
pub use self::payload::{JSON, JSON_MSG};
pub use self::text::MAX_DEPTH;
pub(crate) use self::text::without_bom;
pub use self::xml::stanza as from_xml;

/// The JSON Schema of stanzas, as JSON text.
pub const SCHEMA: &str = include_str!("../../schema.json");

/// Maximum number of stanzas in one `{"xmpp": […]}`.
pub const MAX_STANZAS: usize = 100;

/// The extent to which the JSON of a stanza also contains its XML.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Mode {
    /// Never. Content without a key is lost.
    #[default]
    #[serde(rename = "never")]
    Plain,
    /// Only if the keys alone would not restore the stanza. Nothing is lost.
    #[serde(rename = "lossless")]
    Lossless,
    /// Always.
    #[serde(rename = "always")]
    Raw,
}

/// Converts a stanza into JSON.
///
/// # Errors
/// Returns an error if a JSON container in the stanza holds invalid JSON, or JSON nested deeper
/// than [`MAX_DEPTH`].
pub fn to_json(stanza: &Stanza, mode: Mode) -> Result<String, Unmappable> {
    encode::encode(stanza, mode)
}

/// Converts JSON into a stanza.
///
/// ```
/// use campanile_json_bridge::mapping::from_json;
///
/// let stanza = from_json(r#"{"type": "chat", "to": "alice@example.org", "body": "hi"}"#)?;
/// assert_eq!(
///     stanza.to_xml(),
///     "<message to='alice@example.org' type='chat'><body>hi</body></message>"
/// );
/// # Ok::<(), campanile_json_bridge::mapping::Fault>(())
/// ```
///
/// # Errors
/// Returns a [`Fault`] if the text is not JSON, or has an unknown key or an invalid value.
pub fn from_json(json: &str) -> Result<Stanza, Fault> {
    decode::decode(json, 0, None)
}

/// Converts JSON into stanzas: a single one, or those of `{"xmpp": […]}`.
///
/// # Errors
/// As [`from_json`], and if there are more than [`MAX_STANZAS`].
pub fn many_from_json(json: &str) -> Result<Vec<Stanza>, Fault> {
    many(json, None)
}

/// Converts JSON into stanzas that reply to a stanza of kind `request`.
///
/// Unless the JSON says otherwise, the reply to an IQ request is an `iq` of type `result`, and the
/// reply to a message is a message of the same type.
///
/// # Errors
/// As [`many_from_json`].
pub fn many_from_json_for(json: &str, request: Kind) -> Result<Vec<Stanza>, Fault> {
    let answer = if let Kind::Iq(_) = request {
        Kind::Iq(IqType::Result)
    } else {
        request
    };
    many(json, Some(answer))
}

/// Converts JSON into a stanza of the given kind, unless the JSON says otherwise.
///
/// `kind` is `message` (of type `chat`), `presence` or `iq`. If it is empty, the keys of the JSON
/// determine the kind.
///
/// # Errors
/// As [`from_json`].
pub fn from_json_as(json: &str, kind: &str) -> Result<Stanza, Fault> {
    let default = match kind {
        "message" => Some(Kind::Message(MessageType::Chat)),
        "presence" => Some(Kind::Presence(PresenceType::Available)),
        "iq" => Some(Kind::Iq(IqType::Get)),
        _ => None,
    };
    decode::decode(json, 0, default)
}

fn many(json: &str, answering: Option<Kind>) -> Result<Vec<Stanza>, Fault> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Several<'a> {
        #[serde(borrow)]
        xmpp: Vec<&'a RawValue>,
    }
    let Ok(several) = serde_json::from_str::<Several<'_>>(json) else {
        return Ok(vec![decode::decode(json, 0, answering)?]);
    };
    if several.xmpp.len() > MAX_STANZAS {
        return Err(Fault::field(
            "xmpp",
            format!("more than {MAX_STANZAS} stanzas"),
        ));
    }
    let one = |(index, raw): (usize, &&RawValue)| {
        decode::decode(raw.get(), 0, answering)
            .map_err(|fault| Fault::field(format!("xmpp[{index}].{}", fault.path()), fault.why()))
    };
    several.xmpp.iter().enumerate().map(one).collect()
}
