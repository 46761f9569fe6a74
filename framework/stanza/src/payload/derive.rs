//! Functions for the code that `#[derive(Payload)]` generates. Not for other use.

use std::borrow::Cow;

use xso::{AsOptionalXmlText, FromXmlText};

use super::{ReadPayload, WritePayload};
use crate::stanza::ParseError;
use crate::xml::escape;
pub use crate::xml::{Attribute, Content, ElementReader, EmitError, Emitter};
pub use xso::fromxml::XmlNameMatcher;

/// Converts the value of an attribute.
pub fn read_attribute<T: FromXmlText>(
    element: &str,
    attribute: Attribute<'_>,
) -> Result<T, ParseError> {
    attribute.parse().map_err(|error| {
        let name = attribute.name();
        invalid(format_args!("attribute `{name}` of `{element}`"), &error)
    })
}

/// Converts the text of an element.
pub fn read_text<T: FromXmlText>(element: &str, text: Cow<'_, str>) -> Result<T, ParseError> {
    T::from_xml_text(text.into_owned())
        .map_err(|error| invalid(format_args!("text of `{element}`"), &error))
}

fn invalid(place: std::fmt::Arguments<'_>, error: &xso::error::Error) -> ParseError {
    // Without the words that xso puts before the error of the type.
    match error {
        xso::error::Error::TextParseError(error) => ParseError::new(format!("{place}: {error}")),
        error => ParseError::new(format!("{place}: {error}")),
    }
}

/// Reads a child into the place of its field. Returns the child if it is of another type.
pub fn read_child<'r, 'a, T: ReadPayload>(
    element: &str,
    field: &mut Option<T>,
    child: ElementReader<'r, 'a>,
) -> Result<Option<ElementReader<'r, 'a>>, ParseError> {
    if !child.may_be(&T::matcher()) {
        return Ok(Some(child));
    }
    let name = child.name();
    let read = T::read(child)?;
    if field.replace(read).is_some() {
        let why = format!("`{element}` has more than one child `{name}`");
        return Err(ParseError::new(why));
    }
    Ok(None)
}

/// Reads a child into the list of its field. Returns the child if it is of another type.
pub fn read_item<'r, 'a, L>(
    list: &mut L,
    child: ElementReader<'r, 'a>,
) -> Result<Option<ElementReader<'r, 'a>>, ParseError>
where
    L: IntoIterator + Extend<L::Item>,
    L::Item: ReadPayload,
{
    if !child.may_be(&L::Item::matcher()) {
        return Ok(Some(child));
    }
    list.extend([L::Item::read(child)?]);
    Ok(None)
}

/// Appends a piece of text.
pub fn append<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    escape::append(text, more);
}

/// Rejects text, except white space, in an element without a field for it.
pub fn reject_text(element: &str, text: &str) -> Result<(), ParseError> {
    // XML 1.0 §2.3: the characters of white space.
    if text
        .bytes()
        .all(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r'))
    {
        return Ok(());
    }
    Err(ParseError::new(format!(
        "`{element}` has text, but none is expected"
    )))
}

/// Returns the error of a required attribute that is not there.
#[must_use]
pub fn missing_attribute(element: &str, name: &str) -> ParseError {
    ParseError::new(format!("`{element}` lacks the attribute `{name}`"))
}

/// Returns the error of a required child that is not there.
#[must_use]
pub fn missing_child<T: ReadPayload>(element: &str) -> ParseError {
    ParseError::new(match T::matcher() {
        XmlNameMatcher::Specific(_, name) => format!("`{element}` lacks the child `{name}`"),
        XmlNameMatcher::InNamespace(namespace) => {
            format!("`{element}` lacks a child in the namespace {namespace}")
        }
        XmlNameMatcher::Any => format!("`{element}` lacks a child"),
    })
}

/// Returns the error of an attribute without a field.
#[must_use]
pub fn unknown_attribute(element: &str, attribute: Attribute<'_>) -> ParseError {
    let name = attribute.name();
    ParseError::new(format!("`{element}` has the unknown attribute `{name}`"))
}

/// Returns the error of a child without a field.
#[must_use]
pub fn unknown_child(element: &str, child: &ElementReader<'_, '_>) -> ParseError {
    let name = child.name();
    ParseError::new(format!("`{element}` has the unknown child `{name}`"))
}

/// Writes an attribute, unless the value is `None`.
pub fn write_attribute<T: AsOptionalXmlText + ?Sized>(
    emitter: &mut Emitter<'_>,
    name: &str,
    value: &T,
) -> Result<(), EmitError> {
    match value.as_optional_xml_text().map_err(EmitError::Value)? {
        Some(value) => emitter.attribute("", name, &value),
        None => Ok(()),
    }
}

/// Writes text, unless the value is `None`.
pub fn write_text<T: AsOptionalXmlText + ?Sized>(
    emitter: &mut Emitter<'_>,
    value: &T,
) -> Result<(), EmitError> {
    match value.as_optional_xml_text().map_err(EmitError::Value)? {
        Some(text) => emitter.text(&text),
        None => Ok(()),
    }
}

/// Writes children.
pub fn write_children<'a, T: WritePayload + 'a>(
    emitter: &mut Emitter<'_>,
    children: impl IntoIterator<Item = &'a T>,
) -> Result<(), EmitError> {
    children
        .into_iter()
        .try_for_each(|child| child.write(emitter))
}
