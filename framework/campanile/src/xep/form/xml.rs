//! Serialization of forms.

use minidom::Element;
use rxml::{Namespace, NcName};
use xmpp_parsers::data_forms::{DataForm, DataFormType};

use super::NS;
use crate::stanza::{Children, WriteError};

/// Serializes a form with an explicit type on every field.
///
/// XEP-0004 §3.3 allows `text-single` to be omitted, and xmpp-parsers omits it. Profanity, however,
/// can neither show nor fill in a field without a type.
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
    fn shown_fields_have_explicit_types() {
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
