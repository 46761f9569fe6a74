//! The stack of open elements and the namespaces in scope.

use std::ops::Range;

use super::COMPONENT;
use crate::xml::{CLIENT, XML};

/// The maximum number of bindings in scope: see [`Scope::is_over_limit`].
const MAX_BINDINGS: usize = 256;

/// The stack of open elements.
///
/// Names and namespaces are stored in one buffer that shrinks with the stack.
#[derive(Debug)]
pub(super) struct Scope {
    text: Vec<u8>,
    elements: Vec<Element>,
    bindings: Vec<Binding>,
}

#[derive(Debug)]
struct Element {
    name: Range<usize>,
    /// The number of bindings before the element.
    bindings: usize,
    /// The index of the binding that is the default namespace.
    default: usize,
}

#[derive(Debug)]
struct Binding {
    prefix: Range<usize>,
    namespace: Range<usize>,
    depth: usize,
    space: KnownNamespace,
}

/// Namespaces that the reader treats specially.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KnownNamespace {
    /// The content namespace of a component's stream.
    Component,
    /// `jabber:client`, which replaces the content namespace in memory.
    Client,
    /// The namespace of the prefix `xml`.
    Xml,
    Other,
}

/// A resolved namespace, and the depth of the element that declares it (0 if none does).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ResolvedNamespace<'s> {
    pub(super) namespace: &'s [u8],
    pub(super) depth: usize,
    pub(super) space: KnownNamespace,
}

impl Default for Scope {
    fn default() -> Self {
        let mut scope = Self {
            text: Vec::new(),
            elements: Vec::new(),
            bindings: Vec::new(),
        };
        // Namespaces in XML 1.0 §6.2 and §3: initially there is no default namespace, and `xml` is
        // the one prefix that needs no declaration.
        scope.bind(b"", b"");
        scope.bind(b"xml", XML.as_bytes());
        scope
    }
}

impl Scope {
    /// Returns the number of open elements.
    pub(super) fn depth(&self) -> usize {
        self.elements.len()
    }

    /// Returns `true` if more bindings are in scope than allowed, so that the stanza is rejected.
    pub(super) fn is_over_limit(&self) -> bool {
        self.bindings.len() > MAX_BINDINGS
    }

    /// Opens an element. Its declarations follow with [`Scope::bind`].
    pub(super) fn open(&mut self, name: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(name);
        let default = self.elements.last().map_or(0, |parent| parent.default);
        self.elements.push(Element {
            name: start..self.text.len(),
            bindings: self.bindings.len(),
            default,
        });
    }

    /// Declares a prefix for the element opened last. An empty prefix is the default namespace.
    pub(super) fn bind(&mut self, prefix: &[u8], namespace: &[u8]) {
        let start = self.text.len();
        self.text.extend_from_slice(prefix);
        let middle = self.text.len();
        self.text.extend_from_slice(namespace);
        let space = match namespace {
            _ if namespace == COMPONENT.as_bytes() => KnownNamespace::Component,
            _ if namespace == CLIENT.as_bytes() => KnownNamespace::Client,
            _ if namespace == XML.as_bytes() => KnownNamespace::Xml,
            _ => KnownNamespace::Other,
        };
        if let (true, Some(element)) = (prefix.is_empty(), self.elements.last_mut()) {
            element.default = self.bindings.len();
        }
        let prefix = start..middle;
        let namespace = middle..self.text.len();
        self.bindings.push(Binding {
            prefix,
            namespace,
            depth: self.elements.len(),
            space,
        });
    }

    /// Returns the name of the element opened last, as written.
    pub(super) fn name(&self) -> &[u8] {
        self.elements
            .last()
            .map_or(b"", |element| &self.text[element.name.clone()])
    }

    /// Closes the element opened last.
    pub(super) fn close(&mut self) {
        if let Some(element) = self.elements.pop() {
            self.bindings.truncate(element.bindings);
            self.text.truncate(element.name.start);
        }
    }

    /// Resolves `prefix`. Returns `None` if it is not declared.
    pub(super) fn resolve(&self, prefix: &[u8]) -> Option<ResolvedNamespace<'_>> {
        let binding = if prefix.is_empty() {
            &self.bindings[self.elements.last().map_or(0, |element| element.default)]
        } else {
            self.bindings
                .iter()
                .rev()
                .find(|binding| &self.text[binding.prefix.clone()] == prefix)?
        };
        let Binding {
            ref namespace,
            depth,
            space,
            ..
        } = *binding;
        Some(ResolvedNamespace {
            namespace: &self.text[namespace.clone()],
            depth,
            space,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bindings_end_with_their_element() {
        let bound = |namespace: &'static str, depth| Some((namespace.as_bytes(), depth));
        let found = |scope: &Scope, prefix: &str| {
            scope
                .resolve(prefix.as_bytes())
                .map(|bound| (bound.namespace.to_vec(), bound.depth))
        };
        let same = |found: Option<(Vec<u8>, usize)>, wanted: Option<(&[u8], usize)>| {
            assert_eq!(
                found
                    .as_ref()
                    .map(|(namespace, depth)| (&namespace[..], *depth)),
                wanted
            );
        };
        let mut scope = Scope::default();
        same(found(&scope, ""), bound("", 0));
        scope.open(b"a");
        scope.bind(b"", b"urn:a");
        scope.open(b"b");
        scope.bind(b"", b"urn:b");
        scope.bind(b"p", b"urn:p");
        scope.open(b"c");
        same(found(&scope, ""), bound("urn:b", 2));
        same(found(&scope, "p"), bound("urn:p", 2));
        same(found(&scope, "xml"), bound(XML, 0));
        scope.close();
        assert_eq!(scope.name(), b"b");
        scope.close();
        same(found(&scope, ""), bound("urn:a", 1));
        same(found(&scope, "p"), None);
        scope.close();
        same(found(&scope, ""), bound("", 0));
        assert_eq!((scope.depth(), scope.name()), (0, &b""[..]));
    }

    #[test]
    fn closing_elements_frees_their_bindings() {
        let mut scope = Scope::default();
        let text = scope.text.len();
        let bindings = scope.bindings.len();
        for _ in 0..3 {
            scope.open(b"a");
            scope.bind(b"p", b"urn:p");
            scope.close();
            assert_eq!((scope.text.len(), scope.bindings.len()), (text, bindings));
        }
    }
}
