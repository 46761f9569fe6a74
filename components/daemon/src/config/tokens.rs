//! Tokens of the admin port and of HTTP APIs, which must differ.

use campanile::serde_json::{Map, Value};
use campanile::settings::Segment;

use super::document::Document;
use super::fault::Faults;

/// A token and the path that leads to it.
type Token<'v> = (Vec<Segment>, &'v str);

/// Reports tokens that are used twice: the first would have the permissions of the second, or one
/// of them would never be accepted.
pub(super) fn each_once(
    root: &Map<String, Value>,
    document: &Document<'_>,
    faults: &mut Faults<'_>,
) {
    let tokens = all(root);
    for (index, (path, token)) in tokens.iter().enumerate() {
        if tokens[..index].iter().any(|(_, earlier)| earlier == token) {
            faults.push(
                &document.span(path),
                "this token is used twice in the file",
                "make each token by itself, such as with `openssl rand -hex 24`",
            );
        }
    }
}

fn all(root: &Map<String, Value>) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    push(&mut tokens, root.get("admin"), &[key("admin")]);
    let components = root.get("component").and_then(Value::as_array);
    for (index, component) in components.into_iter().flatten().enumerate() {
        let Some(bridge) = component.get("json_bridge") else {
            continue;
        };
        let path = [key("component"), Segment::Index(index), key("json_bridge")];
        let below = |keys: &[&str]| -> Vec<Segment> {
            path.iter()
                .cloned()
                .chain(keys.iter().map(|name| key(name)))
                .collect()
        };
        push(&mut tokens, bridge.get("api"), &below(&["api"]));
        let bots = bridge.get("bots").and_then(Value::as_object);
        for (name, bot) in bots.into_iter().flatten() {
            push(&mut tokens, Some(bot), &below(&["bots", name]));
        }
    }
    tokens
}

fn push<'v>(tokens: &mut Vec<Token<'v>>, table: Option<&'v Value>, path: &[Segment]) {
    let token = table
        .and_then(|table| table.get("token"))
        .and_then(Value::as_str);
    if let Some(token) = token {
        let path = path.iter().cloned().chain([key("token")]).collect();
        tokens.push((path, token));
    }
}

fn key(name: &str) -> Segment {
    Segment::Key(name.to_owned())
}
