//! The implementation of `ReadPayload`.

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
    let variables = fields.iter().map(variable);
    let attributes = attributes(element);
    let text = text(element);
    let children = children(element);
    let values = fields.iter().map(|field| value(element, field));
    quote! {
        #[automatically_derived]
        impl ::campanile::payload::ReadPayload for #ident {
            fn matcher() -> ::campanile::payload::derive::XmlNameMatcher<'static> {
                ::campanile::payload::derive::XmlNameMatcher::Specific(#namespace, #name)
            }

            fn read(
                mut element: ::campanile::payload::derive::ElementReader<'_, '_>,
            ) -> ::core::result::Result<Self, ::campanile::stanza::ParseError> {
                #(#variables)*
                #attributes
                while let ::core::option::Option::Some(content) = element.next_content() {
                    match content {
                        ::campanile::payload::derive::Content::Text(text) => { #text }
                        ::campanile::payload::derive::Content::Element(child) => { #children }
                    }
                }
                ::core::result::Result::Ok(Self { #(#values)* })
            }
        }
    }
}

/// Declares the variable of a field.
fn variable(field: &Field) -> TokenStream {
    let variable = &field.variable;
    let ty = field.optional_child().unwrap_or(&field.ty);
    match field.kind {
        FieldKind::Attribute { .. } | FieldKind::Child { .. } => quote! {
            let mut #variable: ::core::option::Option<#ty> = ::core::option::Option::None;
        },
        FieldKind::Children => quote_spanned! {ty.span()=>
            let mut #variable: #ty = ::core::default::Default::default();
        },
        FieldKind::Text => quote! {
            let mut #variable = ::std::borrow::Cow::Borrowed("");
        },
    }
}

fn attributes(element: &XmlElement) -> TokenStream {
    let element_name = &element.name;
    let known: Vec<_> = element
        .fields
        .iter()
        .filter_map(|field| {
            let FieldKind::Attribute { name, .. } = &field.kind else {
                return None;
            };
            let variable = &field.variable;
            Some(quote_spanned! {field.ty.span()=>
                #name => {
                    #variable = ::core::option::Option::Some(
                        ::campanile::payload::derive::read_attribute(#element_name, attribute)?,
                    );
                }
            })
        })
        .collect();
    if known.is_empty() && !element.fail_on_unknown_attribute {
        return TokenStream::new();
    }
    let unknown = if element.fail_on_unknown_attribute {
        quote! {
            return ::core::result::Result::Err(
                ::campanile::payload::derive::unknown_attribute(#element_name, attribute),
            )
        }
    } else {
        quote! { {} }
    };
    quote! {
        for attribute in element.attributes() {
            match attribute.name() {
                #(#known)*
                _ => #unknown,
            }
        }
    }
}

fn text(element: &XmlElement) -> TokenStream {
    let name = &element.name;
    let field = element
        .fields
        .iter()
        .find(|field| matches!(field.kind, FieldKind::Text));
    match field {
        Some(Field { variable, .. }) => quote! {
            ::campanile::payload::derive::append(&mut #variable, text);
        },
        None => quote! {
            ::campanile::payload::derive::reject_text(#name, &text)?;
        },
    }
}

/// Passes the child on from field to field, until one takes it.
fn children(element: &XmlElement) -> TokenStream {
    let name = &element.name;
    let takers = element.fields.iter().filter_map(|field| {
        let variable = &field.variable;
        let read = match field.kind {
            FieldKind::Child { .. } => quote_spanned! {field.ty.span()=>
                ::campanile::payload::derive::read_child(#name, &mut #variable, child)
            },
            FieldKind::Children => quote_spanned! {field.ty.span()=>
                ::campanile::payload::derive::read_item(&mut #variable, child)
            },
            FieldKind::Attribute { .. } | FieldKind::Text => return None,
        };
        Some(quote! {
            let ::core::option::Option::Some(child) = #read? else { continue };
        })
    });
    let unknown = if element.fail_on_unknown_child {
        quote! {
            return ::core::result::Result::Err(
                ::campanile::payload::derive::unknown_child(#name, &child),
            );
        }
    } else {
        quote! { let _ = child; }
    };
    quote! { #(#takers)* #unknown }
}

/// Gives a field its value.
fn value(element: &XmlElement, field: &Field) -> TokenStream {
    let name = &element.name;
    let Field {
        member,
        variable,
        ty,
        kind,
    } = field;
    let missing = match kind {
        FieldKind::Children => return quote! { #member: #variable, },
        FieldKind::Text => {
            return quote_spanned! {ty.span()=>
                #member: ::campanile::payload::derive::read_text(#name, #variable)?,
            };
        }
        FieldKind::Child { .. } if field.optional_child().is_some() => {
            return quote! { #member: #variable, };
        }
        FieldKind::Attribute { default: true, .. } | FieldKind::Child { default: true } => {
            return quote_spanned! {ty.span()=>
                #member: ::core::option::Option::unwrap_or_default(#variable),
            };
        }
        FieldKind::Attribute {
            name: attribute, ..
        } => quote! {
            ::campanile::payload::derive::missing_attribute(#name, #attribute)
        },
        FieldKind::Child { .. } => quote! {
            ::campanile::payload::derive::missing_child::<#ty>(#name)
        },
    };
    quote! {
        #member: match #variable {
            ::core::option::Option::Some(value) => value,
            ::core::option::Option::None => return ::core::result::Result::Err(#missing),
        },
    }
}
