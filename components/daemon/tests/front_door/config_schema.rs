//! `campanile config schema`: the JSON Schema of the configuration.

use serde_json::Value;

use crate::process::{campanile, end};

const COMMITTED: &str = include_str!("../../../../deploy/campanile.schema.json");
const SAMPLE: &str = include_str!("../../../../deploy/campanile.toml");

#[test]
fn schema_is_the_one_in_deploy() {
    let (mut command, _folder) = campanile(&["config", "schema"]);
    let ended = end(&mut command, "");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        ended.stdout, COMMITTED,
        "update it: campanile config schema > deploy/campanile.schema.json"
    );
}

#[test]
fn schema_knows_every_setting_of_the_sample() {
    let schema: Value = serde_json::from_str(COMMITTED).expect("JSON");
    let mut table = Vec::new();
    let mut settings = 0;
    for line in SAMPLE.lines() {
        let line = line.strip_prefix('#').unwrap_or(line);
        let header = line.trim_start_matches('[').split(']').next();
        if let (true, Some(header)) = (line.starts_with('['), header) {
            table = header.split('.').collect();
        } else if let Some((key, _)) = line.split_once(" = ").filter(|_| !line.starts_with(' ')) {
            let mut path = table.clone();
            path.push(key);
            assert!(knows(&schema, &schema, &path), "{}", path.join("."));
            settings += 1;
        }
    }
    assert!(settings > 80, "{settings}");
}

/// Returns `true` if a schema describes the value at a path; lists are passed through.
fn knows(root: &Value, schema: &Value, path: &[&str]) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        let pointer = reference.trim_start_matches('#');
        return root
            .pointer(pointer)
            .is_some_and(|schema| knows(root, schema, path));
    }
    let Some((key, rest)) = path.split_first() else {
        return true;
    };
    let mut inner = ["anyOf", "allOf", "oneOf"]
        .into_iter()
        .filter_map(|word| schema[word].as_array())
        .flatten();
    let of_key = schema["properties"].get(key);
    let of_any = Some(&schema["additionalProperties"]).filter(|schema| schema.is_object());
    of_key
        .or(of_any)
        .is_some_and(|schema| knows(root, schema, rest))
        || schema
            .get("items")
            .is_some_and(|schema| knows(root, schema, path))
        || inner.any(|schema| knows(root, schema, path))
}
