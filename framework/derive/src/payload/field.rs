//! One field of a struct, and the part of the element that it stands for.

use quote::format_ident;
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::{
    Error, GenericArgument, Ident, Index, LitInt, LitStr, Member, PathArguments, Result, Token,
    Type, token,
};

use super::meta::{check_name, flag, xml_attributes, xml_name};

pub(super) struct Field {
    pub(super) member: Member,
    /// The variable that holds the value while the element is read.
    pub(super) variable: Ident,
    pub(super) ty: Type,
    pub(super) kind: FieldKind,
}

pub(super) enum FieldKind {
    Attribute { name: String, default: bool },
    Child { default: bool },
    Children,
    Text,
}

const EXPECTED: &str = "expected `attribute`, `child` or `text`; \
     for others, derive `FromXml` and `AsXml` of `xso` instead of `Payload`";

impl Field {
    pub(super) fn parse(index: usize, field: &syn::Field) -> Result<Self> {
        let member = match &field.ident {
            Some(name) => Member::Named(name.clone()),
            None => Member::Unnamed(Index::from(index)),
        };
        let mut kind = None;
        for attribute in xml_attributes(&field.attrs) {
            attribute.parse_nested_meta(|nested| {
                let parsed = FieldKind::parse(&nested, field.ident.as_ref())?;
                match kind.replace(parsed) {
                    None => Ok(()),
                    Some(_) => Err(nested.error("a field is one part of the element")),
                }
            })?;
        }
        let Some(kind) = kind else {
            let why = "this field needs #[xml(attribute)], #[xml(child)] or #[xml(text)]";
            return Err(Error::new_spanned(field, why));
        };
        Ok(Self {
            member,
            variable: format_ident!("field_{index}"),
            ty: field.ty.clone(),
            kind,
        })
    }

    /// Returns `true` if the field is the attribute of this name.
    pub(super) fn has_name(&self, wanted: &str) -> bool {
        matches!(&self.kind, FieldKind::Attribute { name, .. } if name == wanted)
    }

    /// Returns the type within an optional child, as `T` of `Option<T>`.
    pub(super) fn optional_child(&self) -> Option<&Type> {
        match self.kind {
            FieldKind::Child { default: true } => within_option(&self.ty),
            _ => None,
        }
    }
}

impl FieldKind {
    fn parse(nested: &ParseNestedMeta<'_>, field: Option<&Ident>) -> Result<Self> {
        if nested.path.is_ident("attribute") {
            return attribute(nested, field);
        }
        if nested.path.is_ident("child") {
            return child(nested);
        }
        if !nested.path.is_ident("text") {
            return Err(nested.error(EXPECTED));
        }
        if nested.input.peek(token::Paren) || nested.input.peek(Token![=]) {
            return Err(nested.error("codecs of text need `FromXml` and `AsXml` of `xso`"));
        }
        Ok(Self::Text)
    }
}

fn attribute(nested: &ParseNestedMeta<'_>, field: Option<&Ident>) -> Result<FieldKind> {
    let mut name: Option<LitStr> = None;
    let mut default = false;
    if nested.input.peek(Token![=]) {
        name = Some(xml_name(nested)?);
    } else if nested.input.peek(token::Paren) {
        nested.parse_nested_meta(|option| {
            if option.path.is_ident("name") {
                name = Some(xml_name(&option)?);
            } else if option.path.is_ident("default") {
                default = flag(&option)?;
            } else {
                return Err(option.error("expected `name` or `default`"));
            }
            Ok(())
        })?;
    }
    let name = match (name, field) {
        (Some(name), _) => name.value(),
        (None, Some(field)) => {
            let name = field.unraw().to_string();
            check_name(&name).map_err(|why| Error::new(field.span(), why))?;
            name
        }
        (None, None) => return Err(nested.error("expected a name: #[xml(attribute = \"…\")]")),
    };
    Ok(FieldKind::Attribute { name, default })
}

fn child(nested: &ParseNestedMeta<'_>) -> Result<FieldKind> {
    let mut default = false;
    let mut many = false;
    if nested.input.peek(token::Paren) {
        nested.parse_nested_meta(|option| {
            if option.path.is_ident("default") {
                default = flag(&option)?;
            } else if option.path.is_ident("n") {
                many = is_many(&option)?;
            } else {
                return Err(option.error("expected `default` or `n`"));
            }
            Ok(())
        })?;
    }
    match (many, default) {
        (true, true) => Err(nested.error("a collection needs no default: it is empty")),
        (true, false) => Ok(FieldKind::Children),
        (false, default) => Ok(FieldKind::Child { default }),
    }
}

fn is_many(option: &ParseNestedMeta<'_>) -> Result<bool> {
    let value = option.value()?;
    if value.peek(Token![..]) {
        value.parse::<Token![..]>()?;
        return Ok(true);
    }
    let one: LitInt = value.parse()?;
    match one.base10_digits() {
        "1" => Ok(false),
        _ => Err(Error::new(one.span(), "expected `1` or `..`")),
    }
}

fn within_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(inner) if last.ident == "Option" => Some(inner),
        _ => None,
    }
}
