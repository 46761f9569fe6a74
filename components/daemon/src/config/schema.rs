//! The JSON Schema of the file, for editors.

use campanile::serde_json::{self, Map, Value};

use super::file::File;
use super::modules;
use super::secret::SECRETS;

/// Returns the schema as text.
pub(crate) fn text() -> serde_json::Result<String> {
    let mut schema = schemars::schema_for!(File).to_value();
    add_modules(&mut schema);
    add_secrets(&mut schema);
    serde_json::to_string_pretty(&schema)
}

/// Adds the tables of the catalog's modules to `[[component]]`.
fn add_modules(schema: &mut Value) {
    let Some(keys) = schema
        .pointer_mut("/$defs/ComponentTable/properties")
        .and_then(Value::as_object_mut)
    else {
        return;
    };
    for module in modules::offered() {
        let table = serde_json::json!({
            "type": "object",
            "description": format!("Mounts the module `{module}`."),
        });
        keys.insert(module.to_owned(), table);
    }
}

/// Adds the other sources of each secret.
fn add_secrets(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(keys)) = members.get_mut("properties") {
                add_sources(keys);
            }
            members.values_mut().for_each(add_secrets);
        }
        Value::Array(items) => items.iter_mut().for_each(add_secrets),
        _ => {}
    }
}

fn add_sources(keys: &mut Map<String, Value>) {
    for sources in SECRETS {
        let [key, file, environment, credential] = sources;
        if !keys.contains_key(key) {
            continue;
        }
        let about = [
            (file, "A file that holds only the secret."),
            (
                environment,
                "The environment variable that holds the secret.",
            ),
            (credential, "The systemd credential that holds the secret."),
        ];
        for (source, text) in about {
            let schema = serde_json::json!({ "type": "string", "description": text });
            keys.insert(source.to_owned(), schema);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_modules_are_part_of_the_schema() {
        let schema: Value = serde_json::from_str(&text().unwrap()).unwrap();
        for path in [
            "/properties/admin",
            "/$defs/ComponentTable/properties/echo",
            "/$defs/ComponentTable/properties/secret_credential",
            "/$defs/AdminTable/properties/token_env",
        ] {
            assert!(schema.pointer(path).is_some(), "{path} in {schema:#}");
        }
    }
}
