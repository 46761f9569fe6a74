//! Codecs of elements that no generic shape fits.

use campanile::minidom::Element;
use serde_json::Value;

use super::fault::Fault;
use super::shape::{Codec, string};

const XHTML: &str = "http://www.w3.org/1999/xhtml";

/// The codec of XHTML-IM (XEP-0071): the body element as XML.
pub(super) const HTML: Codec = Codec {
    read: read_html,
    write: write_html,
};
/// The codec of empty elements whose name is the value.
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
    // Parsed inside another element, so that it cannot be a document with a prologue and follows
    // the rules for stanzas.
    let body = super::xml::children(&text).map_err(|fault| Fault::field(path, fault.why()))?;
    let mut elements = body.iter().filter_map(|child| child.element().ok());
    match (elements.next(), elements.next()) {
        (Some(body), None) if body.is("body", XHTML) => drop(html.append_child(body)),
        _ => {
            return Err(Fault::field(
                path,
                format!("expected a single <body xmlns='{XHTML}'/>"),
            ));
        }
    }
    Ok(())
}
