//! `#[derive(FromRef)]`.

use proc_macro2::TokenStream;
use quote::quote_spanned;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Field, Index, Member, Result};

/// Implements `FromRef` for the type of each field.
pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Struct(data) = &input.data else {
        return Err(Error::new(
            input.ident.span(),
            "`FromRef` can be derived for structs only",
        ));
    };
    if !input.generics.params.is_empty() {
        let why = "`FromRef` cannot be derived for a struct with generic parameters";
        return Err(Error::new(input.generics.span(), why));
    }
    let fields = data.fields.iter().enumerate();
    fields
        .map(|(index, field)| implementation(input, index, field))
        .collect()
}

/// Implements the trait for one field.
fn implementation(input: &DeriveInput, index: usize, field: &Field) -> Result<TokenStream> {
    if is_skipped(&field.attrs)? {
        return Ok(TokenStream::new());
    }
    let state = &input.ident;
    let part = &field.ty;
    let member = match &field.ident {
        Some(name) => Member::Named(name.clone()),
        None => Member::Unnamed(Index::from(index)),
    };
    // The span of the field's type is where the compiler reports two fields of one type, or a
    // type that is not `Clone`.
    Ok(quote_spanned! {part.span()=>
        #[automatically_derived]
        impl ::campanile::extract::FromRef<#state> for #part {
            fn from_ref(state: &#state) -> Self {
                ::core::clone::Clone::clone(&state.#member)
            }
        }
    })
}

/// Returns `true` for `#[from_ref(skip)]`.
fn is_skipped(attributes: &[Attribute]) -> Result<bool> {
    let mut skipped = false;
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("from_ref"))
    {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("skip") {
                return Err(meta.error("expected `skip`"));
            }
            skipped = true;
            Ok(())
        })?;
    }
    Ok(skipped)
}

#[cfg(test)]
mod tests {
    use quote::quote;

    use super::*;

    fn expanded(input: TokenStream) -> String {
        let expanded = syn::parse2(input).and_then(|input| expand(&input));
        expanded.map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn each_field_without_skip_is_implemented() {
        let tokens = expanded(quote! {
            struct App { pool: Pool, #[from_ref(skip)] other: Pool, limit: usize }
        });
        assert_eq!(tokens.matches("impl ::").count(), 2, "{tokens}");
        assert!(
            tokens.contains("state . pool") && tokens.contains("state . limit"),
            "{tokens}"
        );
    }

    #[test]
    fn unsupported_input_is_explained() {
        let of_enum = expanded(quote! { enum App { One } });
        assert_eq!(of_enum, "`FromRef` can be derived for structs only");
        let generic = expanded(quote! { struct App<T>(T); });
        assert!(generic.contains("generic parameters"), "{generic}");
        let misspelled = expanded(quote! { struct App(#[from_ref(skp)] u8); });
        assert_eq!(misspelled, "expected `skip`");
    }
}
