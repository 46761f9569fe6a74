//! Stanzas as JSON and JSON as stanzas: pure, without I/O.
//!
//! The keys are those of Prosody's mod_rest, so that who speaks to that can switch without change.
//! `SCHEMA.md` beside this crate lists them, and what is lost; [`SCHEMA`] is the JSON Schema of it.

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
use serde_json::value::RawValue;

pub use self::error::json as error_json;
pub use self::fault::{Fault, Unmappable};
pub use self::payload::{JSON, JSON_MSG};
pub use self::text::MAX_DEPTH;
pub use self::xml::stanza as from_xml;

/// The JSON Schema of stanzas as JSON.
pub const SCHEMA: &str = include_str!("../../schema.json");

/// Most stanzas in one `{"xmpp": […]}`.
pub const MAX_STANZAS: usize = 100;

/// How much of a stanza its JSON holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// What has a key.
    #[default]
    Plain,
    /// All of it: the content as XML in `xml`, where the keys alone would not give it back.
    Lossless,
    /// The content as XML in `xml`, always, beside the keys.
    Raw,
}

/// The stanza as JSON.
///
/// # Errors
/// When the JSON in a container of the stanza is broken, or nested deeper than [`MAX_DEPTH`].
pub fn to_json(stanza: &Stanza, mode: Mode) -> Result<String, Unmappable> {
    encode::encode(stanza, mode)
}

/// The stanza that the JSON is.
///
/// # Errors
/// See [`Fault`].
pub fn from_json(json: &str) -> Result<Stanza, Fault> {
    decode::decode(json, 0, None)
}

/// The stanzas that the JSON is: one, or those of `{"xmpp": […]}`.
///
/// # Errors
/// See [`Fault`]; also for more than [`MAX_STANZAS`].
pub fn many_from_json(json: &str) -> Result<Vec<Stanza>, Fault> {
    many(json, None)
}

/// The same, where it answers a stanza of this kind: to an IQ request an `iq` of type result, to a
/// message a message of its type, unless the JSON says otherwise.
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

/// The stanza that the JSON is, of this kind unless it says otherwise: `message` (then of type
/// chat), `presence`, `iq`, or empty for what the JSON implies.
///
/// # Errors
/// See [`Fault`].
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
