//! Fallback indication (XEP-0428): parts of a message that are only for clients that do not know
//! better.

use xso::{AsXml, FromXml};

/// Says that the body, the subject, or parts of them only stand in for a payload of some other
/// specification.
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = "urn:xmpp:fallback:0", name = "fallback")]
pub struct Fallback {
    /// The namespace of that payload.
    #[xml(attribute(name = "for", default))]
    pub what: Option<String>,
    /// Parts of the body.
    #[xml(child(n = ..))]
    pub body: Vec<FallbackBody>,
    /// Parts of the subject.
    #[xml(child(n = ..))]
    pub subject: Vec<FallbackSubject>,
}

/// A part of the body; all of it, when neither end is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = "urn:xmpp:fallback:0", name = "body")]
pub struct FallbackBody {
    /// The first character, counted in code points from 0 (XEP-0426).
    #[xml(attribute(default))]
    pub start: Option<usize>,
    /// The character behind the last.
    #[xml(attribute(default))]
    pub end: Option<usize>,
}

/// A part of the subject; all of it, when neither end is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = "urn:xmpp:fallback:0", name = "subject")]
pub struct FallbackSubject {
    /// The first character, counted in code points from 0 (XEP-0426).
    #[xml(attribute(default))]
    pub start: Option<usize>,
    /// The character behind the last.
    #[xml(attribute(default))]
    pub end: Option<usize>,
}

impl Fallback {
    /// All of the body stands in for a payload of this namespace.
    #[must_use]
    pub fn for_namespace(namespace: impl Into<String>) -> Self {
        Self {
            what: Some(namespace.into()),
            body: vec![FallbackBody::default()],
            subject: Vec::new(),
        }
    }

    /// The body without the parts that only stand in for something: what there is to read for who
    /// knows that.
    #[must_use]
    pub fn strip(&self, body: &str) -> String {
        // XEP-0428 §2.1: without any child everything is a fallback.
        if self.body.is_empty() && self.subject.is_empty() {
            return String::new();
        }
        let inside = |at: &usize| {
            let within = |part: &FallbackBody| {
                (part.start.unwrap_or(0)..part.end.unwrap_or(usize::MAX)).contains(at)
            };
            self.body.iter().any(within)
        };
        body.chars()
            .enumerate()
            .filter(|(at, _)| !inside(at))
            .map(|(_, c)| c)
            .collect()
    }
}
