//! Shapes of a few elements that are like no other.

use campanile::minidom::Element;
use serde_json::Value;

use super::fault::Fault;
use super::shape::{Codec, string};

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// XHTML-IM (XEP-0071): the body element as XML.
pub(super) const HTML: Codec = Codec {
    read: read_html,
    write: write_html,
};
/// The name says it all.
pub(super) const NAME_ONLY: Codec = Codec {
    read: |element| element.name().into(),
    write: |_, _, _| Ok(()),
};

fn read_html(html: &Element) -> Value {
    html.get_child("body", XHTML)
        .map_or(Value::Null, |body| String::from(body).into())
}

fn write_html(html: &mut Element, value: &Value, path: &str) -> Result<(), Fault> {
    let text = string(value, path)?;
    // Within an element of ours, so that it cannot be a document with a prologue, and is read by
    // the stanza's rules.
    let body = super::xml::children(&text).map_err(|fault| Fault::field(path, fault.why()))?;
    let mut elements = body.iter().filter_map(|child| child.element().ok());
    match (elements.next(), elements.next()) {
        (Some(body), None) if body.is("body", XHTML) => drop(html.append_child(body)),
        _ => {
            return Err(Fault::field(
                path,
                format!("write one <body xmlns='{XHTML}'/>"),
            ));
        }
    }
    Ok(())
}
