//! Parsing that the attributes of structs and of fields share.

use syn::meta::ParseNestedMeta;
use syn::{Error, LitStr, Result, Token};

/// Returns the attributes that the macro reads.
pub(super) fn xml_attributes(
    attributes: &[syn::Attribute],
) -> impl Iterator<Item = &syn::Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("xml"))
}

/// Parses the name of an element or an attribute without prefix.
pub(super) fn xml_name(nested: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let name: LitStr = nested.value()?.parse()?;
    check_name(&name.value()).map_err(|why| Error::new(name.span(), why))?;
    Ok(name)
}

/// Checks that servers accept a name. Not all letters that XML 1.0 allows: the rest is checked when
/// the element is written.
pub(super) fn check_name(name: &str) -> std::result::Result<(), String> {
    let is_start = |c: char| c.is_alphabetic() || c == '_';
    let is_part = |c: char| is_start(c) || c.is_numeric() || c == '-' || c == '.';
    if name.starts_with(is_start) && name.chars().all(is_part) {
        return Ok(());
    }
    let why = if name.contains(':') {
        "names with a prefix are not supported by `Payload`; derive `FromXml` and `AsXml` of `xso`"
    } else {
        "a name starts with a letter, and consists of letters, digits, `-`, `_` and `.`"
    };
    Err(format!("`{name}`: {why}"))
}

/// Parses `default`, and returns an error if it has a value.
pub(super) fn flag(nested: &ParseNestedMeta<'_>) -> Result<bool> {
    if nested.input.peek(Token![=]) {
        return Err(nested.error("`default` takes no value"));
    }
    Ok(true)
}
