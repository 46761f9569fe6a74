//! What the names in a start tag stand for (Namespaces in XML 1.0).

use smallvec::SmallVec;

use super::ReadError;
use super::scope::{KnownNamespace, ResolvedNamespace, Scope};
use super::tag::{Attribute, Role, Tag};
use crate::xml::{XML, XMLNS};

const UNDECLARED_PREFIX: ReadError = ReadError::NotWellFormed("an undeclared prefix");
const DUPLICATE_ATTRIBUTE: ReadError = ReadError::NotWellFormed("an attribute stands twice");

/// Opens the element of `tag` in `scope`. Every prefix must be declared, no attribute may stand
/// twice.
///
/// Tells whether the element leans on something that is not in memory around it, or is in the
/// stream's namespace by more than inheritance, so that it must be written anew.
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

/// Namespaces in XML 1.0 §3 and §2.2: what must not be declared.
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
        // Only Namespaces 1.1 lets a declaration be taken back.
        _ => !reserved && !namespace.is_empty(),
    };
    if !allowed {
        return Err(ReadError::NotWellFormed(
            "a namespace declaration that is forbidden",
        ));
    }
    if prefix != b"xml" {
        scope.bind(prefix, namespace.as_bytes());
    }
    Ok(())
}

/// XML 1.0 §3.1: no attribute name may appear more than once in a tag.
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
        // The common case: inherited from the header of the stream, as it is in memory.
        KnownNamespace::Component => prefixed || bound.depth != 1,
        KnownNamespace::Client if !prefixed => false,
        KnownNamespace::Xml => false,
        _ => is_outside(bound),
    }
}

/// Namespaces in XML 1.0 §6.3: nor may two prefixes of one namespace name the same attribute.
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

/// Declared by the stream or by the stanza itself, neither of which goes along with the children.
fn is_outside(bound: ResolvedNamespace<'_>) -> bool {
    bound.depth <= 2
}
