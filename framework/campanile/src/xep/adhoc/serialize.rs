//! Serialization of sessions for a store, as JSON: the steps shown and the values entered.

use xmpp_parsers::data_forms::{Field, FieldType};

use super::progress::Progress;
use crate::error::BoxError;

/// The index of a step, and the names and values of its fields.
type Step = (usize, Vec<(Option<String>, Vec<String>)>);

pub(super) fn write(progress: &Progress) -> Result<String, BoxError> {
    let field = |field: &Field| (field.var.clone(), field.values.clone());
    let steps = progress
        .shown
        .iter()
        .map(|shown| (shown.at, shown.values.iter().map(field).collect()));
    Ok(serde_json::to_string(&steps.collect::<Vec<Step>>())?)
}

/// Parses a serialized session: the index of each step, with the values entered.
pub(super) fn read(state: &str) -> Result<Vec<(usize, Vec<Field>)>, BoxError> {
    let field = |(var, values): (Option<String>, Vec<String>)| Field {
        var,
        values,
        // The type is not stored: readers use the type in the definition.
        ..Field::new("", FieldType::TextSingle)
    };
    let steps: Vec<Step> = serde_json::from_str(state)?;
    Ok(steps
        .into_iter()
        .map(|(at, values)| (at, values.into_iter().map(field).collect()))
        .collect())
}
