//! `#[derive(Payload)]`.

mod field;
mod meta;
mod read;
#[cfg(test)]
mod tests;
mod write;
mod xml_element;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Result};

use self::xml_element::XmlElement;

/// Implements `ReadPayload` and `WritePayload`.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let element = XmlElement::parse(input)?;
    let read = read::implementation(&element);
    let write = write::implementation(&element);
    Ok(quote! { #read #write })
}
