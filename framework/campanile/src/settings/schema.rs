//! JSON Schemas of values with units, for `#[schemars(schema_with = "…")]`.

use schemars::{Schema, SchemaGenerator, json_schema};

/// Returns the schema of a duration.
pub fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "pattern": "^[0-9]+ *(ms|s|m|h|d)$" })
}

/// Returns the schema of a first and a longest delay.
pub fn delays(generator: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": duration(generator), "minItems": 2, "maxItems": 2 })
}

/// Returns the schema of a size in bytes.
pub fn size(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "integer", "minimum": 0 },
            { "type": "string", "pattern": "^[0-9]+( *(KiB|MiB|GiB|kB|MB|GB))?$" }
        ]
    })
}

/// Returns the schema of a list of JIDs and domains.
pub fn jids(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "array", "items": { "type": "string" } })
}

/// Returns the schema of a value that is a text in the file.
pub fn text(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string" })
}

/// Returns the schema of the path of a file, or `false`.
pub fn file_or_false(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "anyOf": [{ "type": "string" }, { "const": false }] })
}
