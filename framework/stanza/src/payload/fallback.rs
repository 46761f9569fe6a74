//! Fallback indication (XEP-0428): marks the parts of a message that are meant for clients without
//! support for another payload.

use xso::{AsXml, FromXml};

/// Marks the body, the subject or parts of them as a fallback for the payload of another
/// specification.
///
/// Without any part, the whole body and the whole subject are a fallback (XEP-0428 §2.1).
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = "urn:xmpp:fallback:0", name = "fallback")]
pub struct Fallback {
    /// The namespace of the payload that the fallback is for.
    #[xml(attribute(name = "for", default))]
    pub what: Option<String>,
    /// Fallback parts of the body.
    #[xml(child(n = ..))]
    pub body: Vec<FallbackBody>,
    /// Fallback parts of the subject.
    #[xml(child(n = ..))]
    pub subject: Vec<FallbackSubject>,
}

/// A part of the body, or the whole body if neither end is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = "urn:xmpp:fallback:0", name = "body")]
pub struct FallbackBody {
    /// The index of the first character, in code points from 0 (XEP-0426). `None` is the start.
    #[xml(attribute(default))]
    pub start: Option<usize>,
    /// The index after the last character. `None` is the end of the text.
    #[xml(attribute(default))]
    pub end: Option<usize>,
}

/// A part of the subject, or the whole subject if neither end is given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = "urn:xmpp:fallback:0", name = "subject")]
pub struct FallbackSubject {
    /// The index of the first character, in code points from 0 (XEP-0426). `None` is the start.
    #[xml(attribute(default))]
    pub start: Option<usize>,
    /// The index after the last character. `None` is the end of the text.
    #[xml(attribute(default))]
    pub end: Option<usize>,
}

impl Fallback {
    /// Marks the whole body as a fallback for a payload in `namespace`.
    #[must_use]
    pub fn for_namespace(namespace: impl Into<String>) -> Self {
        Self {
            what: Some(namespace.into()),
            body: vec![FallbackBody::default()],
            subject: Vec::new(),
        }
    }

    /// Returns `body` without its fallback parts.
    ///
    /// Use it in a client or bot that understands the payload in question. Only valid for a
    /// `Fallback` from the same message.
    ///
    /// ```
    /// use campanile_stanza::payload::{Fallback, FallbackBody};
    ///
    /// let quote = FallbackBody { start: Some(0), end: Some(8) };
    /// let fallback = Fallback { body: vec![quote], ..Fallback::default() };
    /// assert_eq!(fallback.strip("> hello\nyes"), "yes");
    /// ```
    #[must_use]
    pub fn strip(&self, body: &str) -> String {
        // XEP-0428 §2.1: without child elements, the whole body is a fallback.
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
