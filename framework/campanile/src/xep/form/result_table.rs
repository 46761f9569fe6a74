//! Forms with several results (XEP-0004 §3.4), for which `xmpp-parsers` has no type.

use serde::Serialize;
use xmpp_parsers::data_forms::{DataFormType, Field, FieldType};
use xso::{AsXml, FromXml};

use super::{FORM_TYPE, FormError, write};

/// A table: a data form of type result with column headings and rows.
///
/// Create one with [`Definition::table`](super::Definition::table), or parse the reply of a peer.
#[derive(Debug, Clone, PartialEq, FromXml, AsXml)]
#[xml(namespace = "jabber:x:data", name = "x")]
pub struct Table {
    #[xml(attribute = "type")]
    kind: DataFormType,
    /// The title.
    #[xml(extract(fields(text(type_ = String)), default))]
    pub title: Option<String>,
    #[xml(child(n = ..))]
    fields: Vec<Field>,
    #[xml(child)]
    reported: Reported,
    #[xml(child(n = ..))]
    items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq, FromXml, AsXml)]
#[xml(namespace = "jabber:x:data", name = "reported")]
struct Reported {
    #[xml(child(n = ..))]
    fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, FromXml, AsXml)]
#[xml(namespace = "jabber:x:data", name = "item")]
struct Item {
    #[xml(child(n = ..))]
    fields: Vec<Field>,
}

impl Table {
    pub(super) fn new<'r, T: Serialize + 'r>(
        form_type: Option<&str>,
        title: Option<String>,
        heads: Vec<Field>,
        rows: impl IntoIterator<Item = &'r T>,
    ) -> Result<Self, FormError> {
        let named = form_type
            .map(|form_type| Field::new(FORM_TYPE, FieldType::Hidden).with_value(form_type));
        let items: Result<_, _> = rows.into_iter().map(|row| item(&heads, row)).collect();
        let items = items?;
        let fields = named.into_iter().collect();
        Ok(Self {
            kind: DataFormType::Result_,
            title,
            fields,
            reported: Reported { fields: heads },
            items,
        })
    }

    /// Returns the column headings: the labels, or the field names if there are none.
    pub fn heads(&self) -> impl Iterator<Item = &str> {
        self.reported
            .fields
            .iter()
            .filter_map(|field| field.label.as_deref().or(field.var.as_deref()))
    }

    /// Returns the field names of the columns.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.reported
            .fields
            .iter()
            .filter_map(|field| field.var.as_deref())
    }

    /// Returns the rows, each as a list of fields.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[Field]> {
        self.items.iter().map(|item| item.fields.as_slice())
    }
}

/// Builds a row from the fields that have a heading. Their types are given in the heading only.
fn item<T: Serialize>(heads: &[Field], row: &T) -> Result<Item, FormError> {
    let headed = |field: &Field| heads.iter().any(|head| head.var == field.var);
    let plain = |field: Field| Field {
        type_: FieldType::TextSingle,
        ..field
    };
    Ok(Item {
        fields: write(row)?.into_iter().filter(headed).map(plain).collect(),
    })
}
