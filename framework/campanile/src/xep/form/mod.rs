//! Data forms (XEP-0004): a struct of serde as a form that people fill in.
//!
//! | you want | you have |
//! |---|---|
//! | a form that asks for the fields of a struct | [`Definition::of`] |
//! | what somebody filled in, as an argument of a handler | [`Form<T>`](Form) |
//! | the same, checked against the definition | [`Definition::read`] |
//! | an answer that a client shows as a form, or as a table | [`Definition::result`], [`Definition::table`] |
//! | to fill in a form of somebody else | [`Definition::submit`], [`write()`] |
//!
//! Fields and values of serde:
//!
//! | field type | read as | written from |
//! |---|---|---|
//! | text-single, text-private, hidden, jid-single | text, numbers, anything that is read from text | the same |
//! | boolean | `bool`: `1`, `true`, `0`, `false` | `bool` |
//! | text-multi | `Vec`, or text with line breaks | the same |
//! | list-single | an enum, or text | an enum |
//! | list-multi, jid-multi | `Vec` | `Vec` |
//! | any of them, empty | `None`, `[]`, `false` | `None` has no field |
//! | fixed | – | – |
//!
//! A field is named by `var`, as serde names it: `#[serde(rename = "muc#roomconfig_roomname")]`.
//! With `#[serde(flatten)]` serde no longer says which types it wants, so that only text and lists
//! of it can be flattened.
//!
//! What is wrong is said by [`FormError`], which names the field, and becomes not-acceptable for
//! the peer.

mod definition;
mod extract;
mod fault;
mod field;
mod read;
mod reflect;
mod result_table;
#[cfg(test)]
mod tests;
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
pub use self::write::write;
pub(crate) use self::xml::element;

/// Namespace of data forms.
pub const NS: &str = "jabber:x:data";

/// The field that names the form (XEP-0068).
const FORM_TYPE: &str = "FORM_TYPE";
