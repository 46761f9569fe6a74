//! The implementation of `WritePayload`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;

use super::field::{Field, FieldKind};
use super::xml_element::XmlElement;

pub(super) fn implementation(element: &XmlElement) -> TokenStream {
    let XmlElement {
        ident,
        namespace,
        name,
        fields,
        ..
    } = element;
    // Attributes belong to the start tag, which the first content ends.
    let attributes = fields.iter().filter_map(attribute);
    let content = fields.iter().filter_map(content);
    quote! {
        #[automatically_derived]
        impl ::campanile::payload::WritePayload for #ident {
            fn write(
                &self,
                emitter: &mut ::campanile::payload::derive::Emitter<'_>,
            ) -> ::core::result::Result<(), ::campanile::payload::derive::EmitError> {
                emitter.start(#namespace, #name)?;
                #(#attributes)*
                #(#content)*
                emitter.end();
                ::core::result::Result::Ok(())
            }
        }
    }
}

fn attribute(field: &Field) -> Option<TokenStream> {
    let FieldKind::Attribute { name, .. } = &field.kind else {
        return None;
    };
    let member = &field.member;
    Some(quote_spanned! {field.ty.span()=>
        ::campanile::payload::derive::write_attribute(emitter, #name, &self.#member)?;
    })
}

fn content(field: &Field) -> Option<TokenStream> {
    let member = &field.member;
    let span = field.ty.span();
    match field.kind {
        FieldKind::Attribute { .. } => None,
        FieldKind::Text => Some(quote_spanned! {span=>
            ::campanile::payload::derive::write_text(emitter, &self.#member)?;
        }),
        FieldKind::Children => Some(quote_spanned! {span=>
            ::campanile::payload::derive::write_children(emitter, &self.#member)?;
        }),
        FieldKind::Child { .. } if field.optional_child().is_some() => Some(quote_spanned! {span=>
            ::campanile::payload::derive::write_children(emitter, &self.#member)?;
        }),
        FieldKind::Child { .. } => Some(quote_spanned! {span=>
            ::campanile::payload::WritePayload::write(&self.#member, emitter)?;
        }),
    }
}
