//! Stanzas as JSON and JSON as stanzas: pure, without I/O.
//!
//! The keys are those of Prosody's mod_rest, so that who speaks to that can switch without change. `SCHEMA.md` beside
//! this crate lists them, and what is lost; [`SCHEMA`] is the JSON Schema of it.

mod command;
mod dataform;
mod decode;
mod disco;
mod encode;
mod error;
mod fault;
mod misc;
mod nested;
mod payload;
#[cfg(test)]
mod schema;
mod shape;
mod table;
mod text;
mod xml;

use campanile::stanza::Stanza;
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
    decode::decode(json, 0)
}

/// The stanzas that the JSON is: one, or those of `{"xmpp": […]}`.
///
/// # Errors
/// See [`Fault`]; also for more than [`MAX_STANZAS`].
pub fn many_from_json(json: &str) -> Result<Vec<Stanza>, Fault> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Several<'a> {
        #[serde(borrow)]
        xmpp: Vec<&'a RawValue>,
    }
    let Ok(several) = serde_json::from_str::<Several<'_>>(json) else { return Ok(vec![from_json(json)?]) };
    if several.xmpp.len() > MAX_STANZAS {
        return Err(Fault::field("xmpp", format!("more than {MAX_STANZAS} stanzas")));
    }
    let one = |(index, raw): (usize, &&RawValue)| {
        from_json(raw.get()).map_err(|fault| Fault::field(format!("xmpp[{index}].{}", fault.path()), fault.why()))
    };
    several.xmpp.iter().enumerate().map(one).collect()
}
