//! Forms as they go out.

use minidom::Element;
use rxml::{Namespace, NcName};
use xmpp_parsers::data_forms::{DataForm, DataFormType};

use super::NS;
use crate::stanza::{Children, WriteError};

/// The form as an element in which every field says its type.
///
/// XEP-0004 §3.3 lets `text-single` be left out, and xmpp-parsers does; Profanity can neither show
/// nor fill in a field without one.
pub(crate) fn element(form: &DataForm) -> Result<Element, WriteError> {
    let children = Children::of(form)?;
    let value = |error: &dyn std::fmt::Display| WriteError::Value(error.to_string());
    let child = children.first().ok_or_else(|| value(&"no element"))?;
    let mut element = child.element().map_err(|error| value(&error))?;
    if form.type_ == DataFormType::Submit {
        return Ok(element);
    }
    let name = NcName::try_from("type").map_err(|error| value(&error))?;
    for field in element
        .children_mut()
        .filter(|child| child.is("field", NS) && child.attr("type").is_none())
    {
        field.set_attr(Namespace::NONE, name.clone(), "text-single");
    }
    Ok(element)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(form: &str) -> String {
        let form: DataForm = form.parse::<Element>().unwrap().try_into().unwrap();
        let children = Children::of(&element(&form).unwrap()).unwrap();
        children.first().unwrap().as_str().to_owned()
    }

    #[test]
    fn a_field_that_is_to_be_shown_says_its_type() {
        let form = |kind: &str, of_a: &str| {
            format!(
                "<x xmlns='jabber:x:data' type='{kind}'><field \
                var='a'{of_a}><value>1</value></field>\
                 <field var='b' type='boolean'/></x>"
            )
        };
        let wanted = |kind| form(kind, " type='text-single'");
        for kind in ["form", "result"] {
            let order = |text: &str| text.parse::<Element>().unwrap();
            assert_eq!(order(&written(&form(kind, ""))), order(&wanted(kind)));
        }
        assert_eq!(written(&form("submit", "")).matches("type=").count(), 2);
    }
}
