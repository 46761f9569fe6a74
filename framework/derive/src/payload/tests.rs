//! The explanations for structs that are not payloads.

use quote::quote;

use super::*;

fn expanded(input: TokenStream) -> String {
    let expanded = syn::parse2(input).and_then(|input| expand(&input));
    expanded.map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
}

/// Expands a struct with the given field.
fn with_field(field: &TokenStream) -> String {
    expanded(quote! {
        #[xml(namespace = NS, name = "order")]
        struct Order { #field }
    })
}

#[test]
fn both_traits_are_implemented() {
    let tokens = with_field(&quote! { #[xml(attribute)] count: u32 });
    assert!(tokens.contains("ReadPayload for Order"), "{tokens}");
    assert!(tokens.contains("WritePayload for Order"), "{tokens}");
}

#[test]
fn unsupported_structs_are_explained() {
    let rows = [
        (quote! { enum A {} }, "for structs only"),
        (quote! { struct A<T>(T); }, "generic parameters"),
        (quote! { struct A; }, "the namespace is missing"),
        (
            quote! { #[xml(namespace = NS)] struct A; },
            "the name is missing",
        ),
        (quote! { #[xml(name = "a:b")] struct A; }, "with a prefix"),
        (
            quote! { #[xml(name = "1")] struct A; },
            "starts with a letter",
        ),
        (
            quote! { #[xml(name = "")] struct A; },
            "starts with a letter",
        ),
        (
            quote! { #[xml(transparent)] struct A; },
            "instead of `Payload`",
        ),
        (
            quote! { #[xml(on_unknown_child = Ignore)] struct A; },
            "expected `Fail`",
        ),
    ];
    for (input, explanation) in rows {
        let shown = input.to_string();
        let error = expanded(input);
        assert!(error.contains(explanation), "{shown}: {error}");
    }
}

#[test]
fn unsupported_fields_are_explained() {
    let rows = [
        (quote! { a: u8 }, "this field needs"),
        (
            quote! { #[xml(flag)] a: bool },
            "expected `attribute`, `child` or `text`",
        ),
        (
            quote! { #[xml(attribute, text)] a: u8 },
            "one part of the element",
        ),
        (
            quote! { #[xml(attribute(codec = Hex))] a: u8 },
            "expected `name` or `default`",
        ),
        (
            quote! { #[xml(attribute(default = f))] a: u8 },
            "takes no value",
        ),
        (
            quote! { #[xml(attribute = "xml:lang")] a: u8 },
            "with a prefix",
        ),
        (quote! { #[xml(text(codec = Hex))] a: u8 }, "codecs"),
        (quote! { #[xml(child(n = 2))] a: A }, "expected `1` or `..`"),
        (
            quote! { #[xml(child(n = .., default))] a: A },
            "needs no default",
        ),
        (
            quote! { #[xml(text)] a: u8, #[xml(text)] b: u8 },
            "the text already",
        ),
        (
            quote! { #[xml(attribute)] a: u8, #[xml(attribute = "a")] b: u8 },
            "this attribute already",
        ),
    ];
    for (field, explanation) in rows {
        let shown = field.to_string();
        let error = with_field(&field);
        assert!(error.contains(explanation), "{shown}: {error}");
    }
}

#[test]
fn raw_identifiers_name_attributes_without_prefix() {
    let tokens = with_field(&quote! { #[xml(attribute)] r#type: String });
    assert!(tokens.contains(r#""type""#), "{tokens}");
}
