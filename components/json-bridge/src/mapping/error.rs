//! Stanza errors as JSON: `{type, condition, text, by}`.

use campanile::error::{Condition, ErrorType, StanzaError};
use campanile::jid::Jid;
use campanile::stanza::Stanza;
use serde_json::Value;

use super::encode::Object;
use super::fault::Fault;
use super::shape::{object, string};
use super::text::quoted;

const TYPES: [ErrorType; 5] = [
    ErrorType::Auth,
    ErrorType::Cancel,
    ErrorType::Continue,
    ErrorType::Modify,
    ErrorType::Wait,
];

/// Returns the JSON of the error in a stanza of type `error`.
pub(super) fn read(stanza: &Stanza) -> String {
    json(&StanzaError::from_stanza(stanza))
}

/// Converts a stanza error into JSON.
#[must_use]
pub fn json(error: &StanzaError) -> String {
    let mut object = Object::default();
    object.put("type", quoted(error.error_type().as_str()));
    object.put("condition", quoted(error.condition().as_str()));
    if let Some(text) = error.text() {
        object.put("text", quoted(text));
    }
    if let Some(by) = error.by() {
        object.put("by", quoted(by.as_str()));
    }
    object.finish()
}

/// Converts JSON into a stanza error.
pub(super) fn write(value: &Value) -> Result<StanzaError, Fault> {
    let members = object(value, "error")?;
    let text = |key: &str| {
        members
            .get(key)
            .map(|value| string(value, &format!("error.{key}")))
            .transpose()
    };
    let condition = text("condition")?.unwrap_or_else(|| "undefined-condition".to_owned());
    let known = Condition::ALL
        .iter()
        .find(|known| known.as_str() == condition);
    let known = known
        .ok_or_else(|| Fault::field("error.condition", "not a condition of RFC 6120 §8.3.3"))?;
    let mut error = StanzaError::new(*known);
    if let Some(kind) = text("type")? {
        let known = TYPES.into_iter().find(|known| known.as_str() == kind);
        error =
            error.with_type(known.ok_or_else(|| {
                Fault::field("error.type", "not an error type of RFC 6120 §8.3.2")
            })?);
    }
    if let Some(by) = text("by")? {
        error = error.with_by(Jid::new(&by).map_err(|why| Fault::field("error.by", why))?);
    }
    Ok(match text("text")? {
        Some(text) => error.with_text(text),
        None => error,
    })
}
