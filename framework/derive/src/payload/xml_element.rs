//! The element that a struct describes.

use proc_macro2::TokenStream;
use quote::quote;
use syn::meta::ParseNestedMeta;
use syn::{Data, DeriveInput, Error, Ident, LitStr, Path, Result};

use super::field::{Field, FieldKind};
use super::meta::{xml_attributes, xml_name};

/// A struct with `#[xml(namespace = …, name = …)]`.
pub(super) struct XmlElement {
    pub(super) ident: Ident,
    pub(super) namespace: TokenStream,
    pub(super) name: LitStr,
    pub(super) fail_on_unknown_attribute: bool,
    pub(super) fail_on_unknown_child: bool,
    pub(super) fields: Vec<Field>,
}

impl XmlElement {
    pub(super) fn parse(input: &DeriveInput) -> Result<Self> {
        let Data::Struct(data) = &input.data else {
            let why = "`Payload` can be derived for structs only; \
                       for an enum, derive `FromXml` and `AsXml` of `xso`";
            return Err(Error::new(input.ident.span(), why));
        };
        if !input.generics.params.is_empty() {
            let why = "`Payload` cannot be derived for a struct with generic parameters";
            return Err(Error::new_spanned(&input.generics, why));
        }
        let mut meta = Meta::default();
        for attribute in xml_attributes(&input.attrs) {
            attribute.parse_nested_meta(|nested| meta.parse(&nested))?;
        }
        let missing = |what| {
            let why = format!("{what} is missing: #[xml(namespace = \"urn:…\", name = \"…\")]");
            Error::new(input.ident.span(), why)
        };
        let fields = data.fields.iter().enumerate();
        let fields: Vec<_> = fields
            .map(|(index, field)| Field::parse(index, field))
            .collect::<Result<_>>()?;
        check_fields(&fields)?;
        Ok(Self {
            ident: input.ident.clone(),
            namespace: meta.namespace.ok_or_else(|| missing("the namespace"))?,
            name: meta.name.ok_or_else(|| missing("the name"))?,
            fail_on_unknown_attribute: meta.fail_on_unknown_attribute,
            fail_on_unknown_child: meta.fail_on_unknown_child,
            fields,
        })
    }
}

#[derive(Default)]
struct Meta {
    namespace: Option<TokenStream>,
    name: Option<LitStr>,
    fail_on_unknown_attribute: bool,
    fail_on_unknown_child: bool,
}

impl Meta {
    fn parse(&mut self, nested: &ParseNestedMeta<'_>) -> Result<()> {
        if nested.path.is_ident("namespace") {
            self.namespace = Some(text_or_path(nested)?);
        } else if nested.path.is_ident("name") {
            self.name = Some(xml_name(nested)?);
        } else if nested.path.is_ident("on_unknown_attribute") {
            self.fail_on_unknown_attribute = is_fail(nested)?;
        } else if nested.path.is_ident("on_unknown_child") {
            self.fail_on_unknown_child = is_fail(nested)?;
        } else {
            return Err(nested.error(
                "expected `namespace`, `name`, `on_unknown_attribute` or `on_unknown_child`; \
                 for others, derive `FromXml` and `AsXml` of `xso` instead of `Payload`",
            ));
        }
        Ok(())
    }
}

fn text_or_path(nested: &ParseNestedMeta<'_>) -> Result<TokenStream> {
    let value = nested.value()?;
    if value.peek(LitStr) {
        let text: LitStr = value.parse()?;
        return Ok(quote! { #text });
    }
    let path: Path = value.parse()?;
    Ok(quote! { #path })
}

fn is_fail(nested: &ParseNestedMeta<'_>) -> Result<bool> {
    let policy: Ident = nested.value()?.parse()?;
    match policy.to_string().as_str() {
        "Fail" => Ok(true),
        "Discard" => Ok(false),
        _ => Err(Error::new(policy.span(), "expected `Fail` or `Discard`")),
    }
}

fn check_fields(fields: &[Field]) -> Result<()> {
    for (index, field) in fields.iter().enumerate() {
        let earlier = &fields[..index];
        let why = match &field.kind {
            FieldKind::Text if earlier.iter().any(|it| matches!(it.kind, FieldKind::Text)) => {
                "another field has the text already"
            }
            FieldKind::Attribute { name, .. } if earlier.iter().any(|it| it.has_name(name)) => {
                "another field has this attribute already"
            }
            _ => continue,
        };
        return Err(Error::new_spanned(&field.member, why));
    }
    Ok(())
}
