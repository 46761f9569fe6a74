//! The derive macros of [campanile](https://docs.rs/campanile), which re-exports them.

mod from_ref;
mod payload;

use proc_macro2::TokenStream;
use syn::{DeriveInput, Error, Result};

/// Implements `FromRef` for the type of each field of a state, so that handlers can extract the
/// fields with `State`.
///
/// The types of the fields must differ, and must be `Clone`. `#[from_ref(skip)]` leaves a field
/// out, for instance a second one of the same type.
#[proc_macro_derive(FromRef, attributes(from_ref))]
pub fn derive_from_ref(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive(item, from_ref::expand)
}

/// Makes a struct a payload: an element that is read from stanzas and written to them.
///
/// Implements `ReadPayload` and `WritePayload`. Each field is an attribute, a child element, or the
/// text of the element:
///
/// | field | meaning |
/// |---|---|
/// | `#[xml(attribute)]` | the attribute with the name of the field |
/// | `#[xml(attribute = "name")]` | the attribute of this name |
/// | `#[xml(attribute(name = "name", default))]` | if it is absent, the default value, which is `None` for an `Option` |
/// | `#[xml(child)]` | a child element: another payload, or a type of `xso` or `xmpp-parsers` |
/// | `#[xml(child(default))]` | if it is absent, the default value |
/// | `#[xml(child(n = ..))]` | any number of children, in a `Vec` or another collection |
/// | `#[xml(text)]` | the text, without that of children |
///
/// Attributes and text are types with `FromXmlText` and `AsXmlText` of `xso`: strings, numbers,
/// `bool`, `Jid`, times of `xmpp-parsers` and others.
///
/// The struct has its namespace, which may be a constant, and its name:
/// `#[xml(namespace = "urn:example:shelf", name = "order")]`. Unknown attributes and children are
/// ignored, unless `on_unknown_attribute = Fail` or `on_unknown_child = Fail` is added.
///
/// The attributes are those of `xso`, of which this is a part that covers most payloads. Its
/// `FromXml` and `AsXml` can do more (enums, values within children, attributes with a namespace),
/// and are slower: they pass events through state machines. A type derives either `Payload` or
/// those.
#[proc_macro_derive(Payload, attributes(xml))]
pub fn derive_payload(item: proc_macro::TokenStream) -> proc_macro::TokenStream {
    derive(item, payload::expand)
}

fn derive(
    item: proc_macro::TokenStream,
    expand: fn(&DeriveInput) -> Result<TokenStream>,
) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(item as DeriveInput);
    expand(&input)
        .unwrap_or_else(Error::into_compile_error)
        .into()
}
