//! A validator for the subset of JSON Schema that `schema.json` uses.

use campanile_json_bridge::mapping::SCHEMA;
use serde_json::Value;

/// Panics if the stanza does not conform to the schema.
pub(crate) fn check(stanza: &Value) {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    if let Err(why) = valid(&schema, &schema, stanza) {
        panic!("{why} in {stanza}");
    }
}

fn valid(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let Some(rules) = schema.as_object() else {
        return Ok(());
    };
    for (rule, wanted) in rules {
        let good = match rule.as_str() {
            "$ref" => {
                let name = wanted
                    .as_str()
                    .and_then(|path| path.strip_prefix("#/$defs/"))
                    .unwrap();
                valid(root, &root["$defs"][name], value)?;
                true
            }
            "anyOf" => {
                let each: Vec<_> = wanted
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|one| valid(root, one, value))
                    .collect();
                if each.iter().all(Result::is_err) {
                    return Err(format!("{each:?}"));
                }
                true
            }
            "type" => match wanted {
                Value::Array(any) => any.iter().any(|one| is(one, value)),
                one => is(one, value),
            },
            "enum" => wanted.as_array().unwrap().contains(value),
            "const" => wanted == value,
            "required" => wanted
                .as_array()
                .unwrap()
                .iter()
                .all(|key| value.get(key.as_str().unwrap()).is_some()),
            "maxItems" => value
                .as_array()
                .is_none_or(|items| items.len() as u64 <= wanted.as_u64().unwrap()),
            "items" => {
                value
                    .as_array()
                    .into_iter()
                    .flatten()
                    .try_for_each(|item| valid(root, wanted, item))?;
                true
            }
            "properties" => {
                for (key, member) in value.as_object().into_iter().flatten() {
                    if let Some(schema) = wanted.get(key) {
                        valid(root, schema, member).map_err(|why| format!("{key}: {why}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let known = |key: &String| {
                    schema
                        .get("properties")
                        .is_some_and(|known| known.get(key).is_some())
                };
                for (_, member) in value
                    .as_object()
                    .into_iter()
                    .flatten()
                    .filter(|(key, _)| !known(key))
                {
                    if *wanted == Value::Bool(false) {
                        return Err(format!("unknown member with {member}"));
                    }
                    valid(root, wanted, member)?;
                }
                true
            }
            "$schema" | "title" | "description" | "$defs" => true,
            other => panic!("the schema uses {other}, which this validator does not support"),
        };
        if !good {
            return Err(format!("{rule} {wanted}, found {value}"));
        }
    }
    Ok(())
}

fn is(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap() {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("unknown type: {other}"),
    }
}
