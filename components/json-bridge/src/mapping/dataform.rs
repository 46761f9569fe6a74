//! Data forms (XEP-0004) as JSON.
//!
//! The long notation describes a form with its fields; the short one, `{var: value}`, a submitted
//! form.

use campanile::minidom::Element;
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::shape::{Codec, Shape, object, push_text, set, string};

pub(super) const NS: &str = "jabber:x:data";

/// The shape of forms in both notations.
pub(super) const FORM: Shape = Shape::Own(Codec { read, write });

fn read(form: &Element) -> Value {
    let mut members = Map::new();
    for (key, value) in [
        (
            "type",
            Some(form.attr("type").unwrap_or("submit").to_owned()),
        ),
        ("title", text_of(form, "title")),
    ] {
        members.extend(value.map(|value| (key.to_owned(), value.into())));
    }
    members
        .extend(text_of(form, "instructions").map(|text| ("instructions".to_owned(), text.into())));
    let fields: Vec<Value> = form
        .children()
        .filter(|child| child.is("field", NS))
        .map(read_field)
        .collect();
    if !fields.is_empty() {
        members.insert("fields".to_owned(), fields.into());
    }
    members.into()
}

fn text_of(element: &Element, name: &str) -> Option<String> {
    element.get_child(name, NS).map(Element::text)
}

fn read_field(field: &Element) -> Value {
    let mut members = Map::new();
    for key in ["var", "type", "label"] {
        members.extend(field.attr(key).map(|value| (key.to_owned(), value.into())));
    }
    members.extend(text_of(field, "desc").map(|text| ("desc".to_owned(), text.into())));
    if field.has_child("required", NS) {
        members.insert("required".to_owned(), true.into());
    }
    let values: Vec<String> = field
        .children()
        .filter(|child| child.is("value", NS))
        .map(Element::text)
        .collect();
    let is_list = matches!(field.attr("type"), Some("jid-multi" | "list-multi"));
    match values.as_slice() {
        _ if is_list => drop(members.insert("value".to_owned(), values.into())),
        [] => {}
        // XEP-0004 §3.3: each value of a text-multi field is one line.
        lines => drop(members.insert("value".to_owned(), lines.join("\n").into())),
    }
    let options: Vec<Value> = field
        .children()
        .filter(|child| child.is("option", NS))
        .map(read_option)
        .collect();
    if !options.is_empty() {
        members.insert("options".to_owned(), options.into());
    }
    members.into()
}

fn read_option(option: &Element) -> Value {
    match option.attr("label") {
        Some(label) => {
            json!({"label": label, "value": text_of(option, "value").unwrap_or_default()})
        }
        None => json!({"value": text_of(option, "value").unwrap_or_default()}),
    }
}

fn write(form: &mut Element, value: &Value, path: &str) -> Result<(), Fault> {
    let members = object(value, path)?;
    let long = members.contains_key("fields")
        || members
            .keys()
            .all(|key| matches!(&**key, "type" | "title" | "instructions"));
    if !long {
        return write_short(form, members, path);
    }
    let kind = members
        .get("type")
        .map_or(Ok("submit".to_owned()), |kind| {
            string(kind, &format!("{path}.type"))
        })?;
    set(form, "type", &kind);
    for name in ["title", "instructions"] {
        if let Some(value) = members.get(name) {
            form.append_child(text_element(name, value, &format!("{path}.{name}"))?);
        }
    }
    let none = Vec::new();
    let path = format!("{path}.fields");
    let fields = members.get("fields").map_or(Some(&none), Value::as_array);
    for (index, field) in fields
        .ok_or_else(|| Fault::field(&path, "expected an array"))?
        .iter()
        .enumerate()
    {
        form.append_child(write_field(field, &format!("{path}[{index}]"))?);
    }
    Ok(())
}

/// Writes a submitted form in the short notation, `{var: value}`. An array becomes several values.
fn write_short(form: &mut Element, members: &Map<String, Value>, path: &str) -> Result<(), Fault> {
    set(form, "type", "submit");
    for (var, value) in members {
        let path = format!("{path}.{var}");
        let mut field = Element::bare("field", NS);
        set(
            &mut field,
            "var",
            &string(&Value::from(var.as_str()), &path)?,
        );
        if var == "FORM_TYPE" {
            set(&mut field, "type", "hidden");
        }
        values(&mut field, value, &path)?;
        form.append_child(field);
    }
    Ok(())
}

fn write_field(value: &Value, path: &str) -> Result<Element, Fault> {
    let members = object(value, path)?;
    let mut field = Element::bare("field", NS);
    for key in ["var", "type", "label"] {
        if let Some(value) = members.get(key) {
            set(&mut field, key, &string(value, &format!("{path}.{key}"))?);
        }
    }
    if let Some(value) = members.get("desc") {
        field.append_child(text_element("desc", value, &format!("{path}.desc"))?);
    }
    if members.get("required") == Some(&Value::Bool(true)) {
        field.append_child(Element::bare("required", NS));
    }
    if let Some(value) = members.get("value") {
        match (value, field.attr("type")) {
            (Value::String(text), Some("text-multi")) => {
                let lines: Vec<Value> = text.split('\n').map(Value::from).collect();
                values(&mut field, &lines.into(), &format!("{path}.value"))?;
            }
            _ => values(&mut field, value, &format!("{path}.value"))?,
        }
    }
    let path = format!("{path}.options");
    for (index, option) in list(members.get("options"), &path)?.iter().enumerate() {
        field.append_child(write_option(option, &format!("{path}[{index}]"))?);
    }
    Ok(field)
}

fn write_option(value: &Value, path: &str) -> Result<Element, Fault> {
    let members = object(value, path)?;
    let mut option = Element::bare("option", NS);
    if let Some(label) = members.get("label") {
        set(
            &mut option,
            "label",
            &string(label, &format!("{path}.label"))?,
        );
    }
    let value = members
        .get("value")
        .ok_or_else(|| Fault::field(format!("{path}.value"), "required"))?;
    option.append_child(text_element("value", value, &format!("{path}.value"))?);
    Ok(option)
}

fn list<'v>(value: Option<&'v Value>, path: &str) -> Result<&'v [Value], Fault> {
    value.map_or(Ok(&[]), |value| {
        value
            .as_array()
            .map(Vec::as_slice)
            .ok_or_else(|| Fault::field(path, "expected an array"))
    })
}

fn values(field: &mut Element, value: &Value, path: &str) -> Result<(), Fault> {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                field.append_child(text_element("value", item, &format!("{path}[{index}]"))?);
            }
        }
        Value::Bool(on) => {
            let mut element = Element::bare("value", NS);
            push_text(&mut element, if *on { "1" } else { "0" });
            field.append_child(element);
        }
        _ => drop(field.append_child(text_element("value", value, path)?)),
    }
    Ok(())
}

fn text_element(name: &str, value: &Value, path: &str) -> Result<Element, Fault> {
    let mut element = Element::bare(name, NS);
    push_text(&mut element, &string(value, path)?);
    Ok(element)
}
