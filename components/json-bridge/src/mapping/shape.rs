//! Declarative shapes of elements in JSON, used for both directions of the conversion.

use campanile::minidom::Element;
use campanile::xso::exports::rxml::NcName;
use serde_json::{Map, Value};

use super::fault::Fault;
use super::text::forbidden;

/// The JSON shape of an element.
#[derive(Debug, Clone, Copy)]
pub(super) enum Shape {
    /// A string: the character data.
    Text,
    /// An integer: the character data.
    Number,
    /// `true`.
    Flag,
    /// A string: the value of the attribute.
    Attribute(&'static str),
    /// An object, or `true` for an empty element.
    Record(&'static [Field]),
    /// An array: the child elements of the given name.
    List(&'static str, &'static Shape),
    /// A custom conversion.
    Own(Codec),
}

/// A pair of functions that convert an element from and to JSON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Codec {
    pub(super) read: fn(&Element) -> Value,
    pub(super) write: fn(&mut Element, &Value, &str) -> Result<(), Fault>,
}

/// One member of an object.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) key: &'static str,
    pub(super) place: Place,
}

/// The location of a member in XML.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    /// An attribute with a string.
    Attribute(&'static str),
    /// An attribute with a number.
    Count(&'static str),
    /// An attribute with a boolean.
    Switch(&'static str),
    /// The character data of the element itself.
    Own,
    /// The child element of the given name.
    Child(&'static str, &'static Shape),
    /// A child element's attribute: the name of the child, then of the attribute.
    Of(&'static str, &'static str),
    /// A child element of another namespace: namespace, name and shape.
    Foreign(&'static str, &'static str, &'static Shape),
    /// All child elements of the given name, as an array.
    Each(&'static str, &'static Shape),
}

/// Converts an element into JSON.
pub(super) fn read(shape: &Shape, element: &Element) -> Value {
    match shape {
        Shape::Text => element.text().into(),
        Shape::Number => number(&element.text()),
        Shape::Flag => true.into(),
        Shape::Attribute(name) => element.attr(*name).unwrap_or_default().into(),
        Shape::Record(fields) => {
            let members: Map<_, _> = fields
                .iter()
                .filter_map(|field| member(field, element))
                .collect();
            if members.is_empty() {
                true.into()
            } else {
                members.into()
            }
        }
        Shape::List(name, shape) => each(element, name, shape),
        Shape::Own(codec) => (codec.read)(element),
    }
}

fn member(field: &Field, element: &Element) -> Option<(String, Value)> {
    let ns = element.ns();
    let value = match field.place {
        Place::Attribute(name) => element.attr(name)?.into(),
        Place::Count(name) => number(element.attr(name)?),
        Place::Switch(name) => matches!(element.attr(name)?, "true" | "1").into(),
        Place::Own => Some(element.text()).filter(|text| !text.is_empty())?.into(),
        Place::Child(name, shape) => read(shape, element.get_child(name, ns.as_str())?),
        Place::Of(child, name) => number(element.get_child(child, ns.as_str())?.attr(name)?),
        Place::Foreign(ns, name, shape) => read(shape, element.get_child(name, ns)?),
        Place::Each(name, shape) => {
            element.get_child(name, ns.as_str())?;
            each(element, name, shape)
        }
    };
    Some((field.key.to_owned(), value))
}

fn each(element: &Element, name: &str, shape: &Shape) -> Value {
    let ns = element.ns();
    element
        .children()
        .filter(|child| child.is(name, ns.as_str()))
        .map(|child| read(shape, child))
        .collect()
}

/// Returns an integer if the text is one, or else the text.
fn number(text: &str) -> Value {
    text.trim()
        .parse::<i64>()
        .map_or_else(|_| text.into(), Value::from)
}

/// Fills an element from JSON.
pub(super) fn write(
    shape: &Shape,
    element: &mut Element,
    value: &Value,
    path: &str,
) -> Result<(), Fault> {
    match shape {
        Shape::Text | Shape::Number => push_text(element, &string(value, path)?),
        Shape::Flag => flag(value, path)?,
        Shape::Attribute(name) => set(element, name, &string(value, path)?),
        Shape::Record(fields) => record(fields, element, value, path)?,
        Shape::List(name, shape) => write_each(element, (name, shape), value, path)?,
        Shape::Own(codec) => (codec.write)(element, value, path)?,
    }
    Ok(())
}

fn record(fields: &[Field], element: &mut Element, value: &Value, path: &str) -> Result<(), Fault> {
    if *value == Value::Bool(true) {
        return Ok(());
    }
    let members = object(value, path)?;
    for key in members.keys() {
        if !fields.iter().any(|field| field.key == key) {
            let known: Vec<_> = fields.iter().map(|field| field.key).collect();
            return Err(Fault::field(
                format!("{path}.{key}"),
                format!("unknown key; expected one of {}", known.join(", ")),
            ));
        }
    }
    for field in fields {
        if let Some(value) = members.get(field.key).filter(|value| !value.is_null()) {
            put(field, element, value, &format!("{path}.{}", field.key))?;
        }
    }
    Ok(())
}

fn put(field: &Field, element: &mut Element, value: &Value, path: &str) -> Result<(), Fault> {
    let ns = element.ns();
    match field.place {
        Place::Attribute(name) | Place::Count(name) => set(element, name, &string(value, path)?),
        Place::Switch(name) => {
            let on = value
                .as_bool()
                .ok_or_else(|| Fault::field(path, "expected true or false"))?;
            set(element, name, if on { "true" } else { "false" });
        }
        Place::Own => push_text(element, &string(value, path)?),
        Place::Child(name, Shape::Flag) => {
            if value
                .as_bool()
                .ok_or_else(|| Fault::field(path, "expected true or false"))?
            {
                element.append_child(Element::bare(name, ns));
            }
        }
        Place::Child(name, shape) => append(element, (&ns, name), shape, value, path)?,
        Place::Of(child, name) => {
            let text = string(value, path)?;
            if element.get_child(child, ns.as_str()).is_none() {
                element.append_child(Element::bare(child, ns.clone()));
            }
            if let Some(child) = element.get_child_mut(child, ns.as_str()) {
                set(child, name, &text);
            }
        }
        Place::Foreign(ns, name, shape) => append(element, (ns, name), shape, value, path)?,
        Place::Each(name, shape) => write_each(element, (name, shape), value, path)?,
    }
    Ok(())
}

fn append(
    to: &mut Element,
    (ns, name): (&str, &str),
    shape: &Shape,
    value: &Value,
    path: &str,
) -> Result<(), Fault> {
    let mut child = Element::bare(name, ns);
    write(shape, &mut child, value, path)?;
    to.append_child(child);
    Ok(())
}

fn write_each(
    to: &mut Element,
    (name, shape): (&str, &Shape),
    value: &Value,
    path: &str,
) -> Result<(), Fault> {
    let items = value
        .as_array()
        .ok_or_else(|| Fault::field(path, "expected an array"))?;
    let ns = to.ns();
    for (index, item) in items.iter().enumerate() {
        append(to, (&ns, name), shape, item, &format!("{path}[{index}]"))?;
    }
    Ok(())
}

fn flag(value: &Value, path: &str) -> Result<(), Fault> {
    if *value == Value::Bool(true) {
        Ok(())
    } else {
        Err(Fault::field(path, "expected true, or no key at all"))
    }
}

/// Returns a string, or a number as a string, and rejects characters that XML does not allow.
pub(super) fn string(value: &Value, path: &str) -> Result<String, Fault> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return Err(Fault::field(path, "expected a string")),
    };
    match forbidden(&text) {
        Some(c) => Err(Fault::field(
            path,
            format!("character U+{:04X} is not allowed in XML", u32::from(c)),
        )),
        None => Ok(text),
    }
}

pub(super) fn object<'v>(value: &'v Value, path: &str) -> Result<&'v Map<String, Value>, Fault> {
    value
        .as_object()
        .ok_or_else(|| Fault::field(path, "expected an object"))
}

/// Sets an attribute. All names are constants and valid, so none is ever skipped.
pub(super) fn set(element: &mut Element, name: &str, value: &str) {
    if let Ok(name) = NcName::try_from(name) {
        element.attrs_mut().insert(
            campanile::xso::exports::rxml::Namespace::NONE,
            name,
            value.to_owned(),
        );
    }
}

/// Appends a text node, unless the text is empty.
pub(super) fn push_text(element: &mut Element, text: &str) {
    if !text.is_empty() {
        element.append_text_node(text);
    }
}
