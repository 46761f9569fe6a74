//! Resolution of the names in a start tag (Namespaces in XML 1.0).

use smallvec::SmallVec;

use super::ReadError;
use super::scope::{KnownNamespace, ResolvedNamespace, Scope};
use super::tag::{Attribute, Role, Tag};
use crate::xml::{XML, XMLNS};

const UNDECLARED_PREFIX: ReadError = ReadError::NotWellFormed("undeclared prefix");
const DUPLICATE_ATTRIBUTE: ReadError = ReadError::NotWellFormed("duplicate attribute");

/// Opens the element of `tag` in `scope`, and checks that all prefixes are declared and that no
/// attribute occurs twice.
///
/// Returns `true` if the element must be rewritten, because it uses a declaration outside of the
/// stanza's children, or names the stream's namespace explicitly.
pub(super) fn open_element(scope: &mut Scope, tag: &Tag, bytes: &[u8]) -> Result<bool, ReadError> {
    scope.open(tag.name.all(bytes));
    let mut prefixed = false;
    for attribute in &tag.attributes {
        match attribute.role {
            Role::Plain => {}
            Role::Prefixed => prefixed = true,
            Role::Default => declare(scope, b"", attribute, bytes)?,
            Role::Prefix => declare(scope, attribute.name.local(bytes), attribute, bytes)?,
        }
    }
    check_duplicates(tag, bytes)?;
    let bound = scope
        .resolve(tag.name.prefix(bytes))
        .ok_or(UNDECLARED_PREFIX)?;
    let rewrite = element_needs_rewrite(bound, tag.name.has_prefix());
    Ok(if prefixed {
        attributes_need_rewrite(scope, tag, bytes)? || rewrite
    } else {
        rewrite
    })
}

/// Adds a declaration to `scope`. Namespaces in XML 1.0 §3 and §2.2 forbid some.
fn declare(
    scope: &mut Scope,
    prefix: &[u8],
    attribute: &Attribute,
    bytes: &[u8],
) -> Result<(), ReadError> {
    let namespace = attribute.value(bytes);
    let reserved = *namespace == *XML || *namespace == *XMLNS;
    let allowed = match prefix {
        b"xmlns" => false,
        b"xml" => *namespace == *XML,
        b"" => !reserved,
        // Only Namespaces in XML 1.1 allows undeclaring a prefix.
        _ => !reserved && !namespace.is_empty(),
    };
    if !allowed {
        return Err(ReadError::NotWellFormed("forbidden namespace declaration"));
    }
    if prefix != b"xml" {
        scope.bind(prefix, namespace.as_bytes());
    }
    Ok(())
}

/// Checks that no attribute name occurs twice in a tag, as written (XML 1.0 §3.1).
fn check_duplicates(tag: &Tag, bytes: &[u8]) -> Result<(), ReadError> {
    for (index, attribute) in tag.attributes.iter().enumerate() {
        let name = attribute.name.all(bytes);
        if tag.attributes[..index]
            .iter()
            .any(|other| other.name.all(bytes) == name)
        {
            return Err(DUPLICATE_ATTRIBUTE);
        }
    }
    Ok(())
}

fn element_needs_rewrite(bound: ResolvedNamespace<'_>, prefixed: bool) -> bool {
    match bound.space {
        // The usual case: inherited from the stream header, which becomes `jabber:client`.
        KnownNamespace::Component => prefixed || bound.depth != 1,
        KnownNamespace::Client if !prefixed => false,
        KnownNamespace::Xml => false,
        _ => is_outside(bound),
    }
}

/// Checks that no attribute occurs twice by way of two prefixes of one namespace (Namespaces in XML
/// 1.0 §6.3). Returns `true` if one of them uses a declaration outside of the children.
fn attributes_need_rewrite(scope: &Scope, tag: &Tag, bytes: &[u8]) -> Result<bool, ReadError> {
    let mut rewrite = false;
    let mut seen = SmallVec::<[(&[u8], &[u8]); 4]>::new();
    for attribute in tag
        .attributes
        .iter()
        .filter(|attribute| attribute.role == Role::Prefixed)
    {
        let bound = scope
            .resolve(attribute.name.prefix(bytes))
            .ok_or(UNDECLARED_PREFIX)?;
        let name = (attribute.name.local(bytes), bound.namespace);
        if seen.contains(&name) {
            return Err(DUPLICATE_ATTRIBUTE);
        }
        seen.push(name);
        rewrite |= bound.space != KnownNamespace::Xml && is_outside(bound);
    }
    Ok(rewrite)
}

/// Returns `true` if the stream or the stanza itself declares the namespace, because neither is
/// part of the children.
fn is_outside(bound: ResolvedNamespace<'_>) -> bool {
    bound.depth <= 2
}
