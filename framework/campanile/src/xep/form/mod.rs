//! Data forms (XEP-0004): serde structs as forms that users fill in.
//!
//! A data form is the XMPP counterpart of an HTML form: typed fields with labels that clients show
//! as a dialog. Use it to ask users for several values at once, to return structured results, and
//! to configure other services such as chat rooms. A struct with `#[derive(Deserialize)]` is enough
//! to define a form.
//!
//! | task | API |
//! |---|---|
//! | define a form with the fields of a struct | [`Definition::of`] |
//! | receive a submitted form as a handler argument | [`Form<T>`](Form) |
//! | read a submitted form and check it against its definition | [`Definition::read`] |
//! | return a result, shown as a form or table | [`Definition::result`], [`Definition::table`] |
//! | read a form or a result that was received from a peer | [`read()`] |
//! | fill in a form that was received from a peer | [`Definition::submit`] |
//!
//! # Mapping of types
//!
//! | field type | read as | written from |
//! |---|---|---|
//! | text-single, text-private, hidden, jid-single | strings, numbers, and any type that deserializes from a string | the same |
//! | boolean | `bool`: `1`, `true`, `0`, `false` | `bool` |
//! | text-multi | `Vec`, or a string with line breaks | the same |
//! | list-single | an enum, or a string | an enum |
//! | list-multi, jid-multi | `Vec` | `Vec` |
//! | any of these, empty | `None`, `[]`, `false` | `None` is left out |
//! | fixed | ignored | never |
//!
//! The name of a field (`var`) is its serde name, which can be changed by `#[serde(rename =
//! "muc#roomconfig_roomname")]`. With `#[serde(flatten)]`, serde does not tell which types it
//! expects, so only strings and lists of strings can be flattened.
//!
//! # Errors
//!
//! [`FormError`] names the field that is invalid. The peer receives it as not-acceptable.

mod definition;
mod extract;
mod fault;
mod field;
mod field_value;
mod read;
mod reflect;
mod result_table;
#[cfg(test)]
mod tests;
mod transparent;
mod write;
mod xml;

pub use xmpp_parsers::data_forms::{DataForm, DataFormType, FieldType};

pub use self::definition::Definition;
pub use self::extract::Form;
pub(crate) use self::extract::Gathered;
pub use self::fault::FormError;
pub use self::field::Field;
pub use self::read::read;
pub use self::result_table::Table;
pub(crate) use self::write::write;
pub(crate) use self::xml::element;

/// Namespace of data forms.
pub(crate) const NS: &str = "jabber:x:data";

/// Name of the field that identifies the form type (XEP-0068).
const FORM_TYPE: &str = "FORM_TYPE";
