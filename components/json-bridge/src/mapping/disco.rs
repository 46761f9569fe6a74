//! Service discovery (XEP-0030) as JSON.

use campanile::minidom::Element;
use serde_json::{Map, Value};

use super::dataform::NS as FORMS;
use super::fault::Fault;
use super::shape::{Codec, object, push_text, set, string};

const INFO_NS: &str = "http://jabber.org/protocol/disco#info";
const ITEMS_NS: &str = "http://jabber.org/protocol/disco#items";

/// The codec of disco#info: `true`, a node, or `{node, identities, features, extensions}`.
pub(super) const INFO: Codec = Codec {
    read: read_info,
    write: write_info,
};
/// The codec of disco#items: `true`, a node, or an array of items.
pub(super) const ITEMS: Codec = Codec {
    read: read_items,
    write: write_items,
};

/// Returns the JSON of a query: its node, or `true` without one.
fn question(element: &Element) -> Value {
    element.attr("node").map_or(Value::Bool(true), Value::from)
}

fn read_info(query: &Element) -> Value {
    if query.children().next().is_none() {
        return question(query);
    }
    let named = |name| {
        query
            .children()
            .filter(move |child| child.is(name, INFO_NS))
    };
    let mut members = Map::new();
    members.extend(
        query
            .attr("node")
            .map(|node| ("node".to_owned(), node.into())),
    );
    members.insert(
        "identities".to_owned(),
        named("identity").map(identity).collect(),
    );
    members.insert(
        "features".to_owned(),
        named("feature")
            .filter_map(|child| child.attr("var"))
            .collect(),
    );
    let forms = query.children().filter(|child| child.is("x", FORMS));
    let extensions: Map<_, _> = forms.filter_map(extension).collect();
    if !extensions.is_empty() {
        members.insert("extensions".to_owned(), extensions.into());
    }
    members.into()
}

fn attributes(element: &Element, names: &[&str]) -> Map<String, Value> {
    names
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), element.attr(*name)?.into())))
        .collect()
}

fn identity(element: &Element) -> Value {
    attributes(element, &["category", "type", "name"]).into()
}

/// Returns the FORM_TYPE of an extension form (XEP-0128) and its fields in the short notation.
fn extension(form: &Element) -> Option<(String, Value)> {
    let values = |field: &Element| -> Vec<String> {
        field
            .children()
            .filter(|child| child.is("value", FORMS))
            .map(Element::text)
            .collect()
    };
    let mut members = Map::new();
    for field in form.children().filter(|child| child.is("field", FORMS)) {
        let value = match values(field).as_slice() {
            [one] => one.as_str().into(),
            several => several.to_vec().into(),
        };
        members.insert(field.attr("var").unwrap_or_default().to_owned(), value);
    }
    let Some(Value::String(form_type)) = members.remove("FORM_TYPE") else {
        return None;
    };
    Some((form_type, members.into()))
}

fn write_info(query: &mut Element, value: &Value, path: &str) -> Result<(), Fault> {
    if ask(query, value, path)? {
        return Ok(());
    }
    let members = object(value, path)?;
    if let Some(node) = members.get("node") {
        set(query, "node", &string(node, &format!("{path}.node"))?);
    }
    for (index, identity) in list(members.get("identities"), &format!("{path}.identities"))?
        .iter()
        .enumerate()
    {
        let path = format!("{path}.identities[{index}]");
        query.append_child(with_attributes(
            "identity",
            INFO_NS,
            identity,
            &["category", "type", "name"],
            &path,
        )?);
    }
    for (index, feature) in list(members.get("features"), &format!("{path}.features"))?
        .iter()
        .enumerate()
    {
        let mut element = Element::bare("feature", INFO_NS);
        set(
            &mut element,
            "var",
            &string(feature, &format!("{path}.features[{index}]"))?,
        );
        query.append_child(element);
    }
    if let Some(extensions) = members.get("extensions") {
        let path = format!("{path}.extensions");
        for (form_type, fields) in object(extensions, &path)? {
            query.append_child(write_extension(
                form_type,
                fields,
                &format!("{path}.{form_type}"),
            )?);
        }
    }
    Ok(())
}

fn write_extension(form_type: &str, fields: &Value, path: &str) -> Result<Element, Fault> {
    let mut form = Element::bare("x", FORMS);
    set(&mut form, "type", "result");
    form.append_child(field(
        "FORM_TYPE",
        Some("hidden"),
        &Value::from(form_type),
        path,
    )?);
    for (var, value) in object(fields, path)? {
        form.append_child(field(var, None, value, &format!("{path}.{var}"))?);
    }
    Ok(form)
}

fn field(var: &str, kind: Option<&str>, value: &Value, path: &str) -> Result<Element, Fault> {
    let mut field = Element::bare("field", FORMS);
    set(&mut field, "var", &string(&Value::from(var), path)?);
    if let Some(kind) = kind {
        set(&mut field, "type", kind);
    }
    let one = std::slice::from_ref(value);
    for value in value.as_array().map_or(one, Vec::as_slice) {
        let mut element = Element::bare("value", FORMS);
        push_text(&mut element, &string(value, path)?);
        field.append_child(element);
    }
    Ok(field)
}

fn read_items(query: &Element) -> Value {
    let items: Vec<Value> = query
        .children()
        .filter(|child| child.is("item", ITEMS_NS))
        .map(|item| attributes(item, &["jid", "node", "name"]).into())
        .collect();
    if items.is_empty() {
        question(query)
    } else {
        items.into()
    }
}

fn write_items(query: &mut Element, value: &Value, path: &str) -> Result<(), Fault> {
    if ask(query, value, path)? {
        return Ok(());
    }
    for (index, item) in list(Some(value), path)?.iter().enumerate() {
        let path = format!("{path}[{index}]");
        query.append_child(with_attributes(
            "item",
            ITEMS_NS,
            item,
            &["jid", "node", "name"],
            &path,
        )?);
    }
    Ok(())
}

/// Returns `true` if the value is a query, that is `true` or a node, and sets the node.
fn ask(query: &mut Element, value: &Value, path: &str) -> Result<bool, Fault> {
    match value {
        Value::Bool(true) => {}
        Value::String(_) => set(query, "node", &string(value, path)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn with_attributes(
    name: &str,
    ns: &str,
    value: &Value,
    keys: &[&str],
    path: &str,
) -> Result<Element, Fault> {
    let members = object(value, path)?;
    let mut element = Element::bare(name, ns);
    for key in keys {
        if let Some(value) = members.get(*key) {
            set(&mut element, key, &string(value, &format!("{path}.{key}"))?);
        }
    }
    Ok(element)
}

fn list<'v>(value: Option<&'v Value>, path: &str) -> Result<&'v [Value], Fault> {
    value.map_or(Ok(&[]), |value| {
        value
            .as_array()
            .map(Vec::as_slice)
            .ok_or_else(|| Fault::field(path, "expected an array"))
    })
}
