//! A top-level element while it is being received.

use bytes::{Buf, BytesMut};

use super::header::{RejectedStanza, StanzaDefect, StanzaHeader};
use super::jid_cache::JidCache;
use super::scope::{KnownNamespace, Scope};
use super::tag::{Attribute, Role, Tag};
use super::{Event, StreamElement};
use crate::stanza::{ChildSpan, ChildSpans, Children, NamespaceSource};

/// A top-level element whose start tag has been read, and possibly some of its children.
#[derive(Debug)]
pub(super) struct PartialElement {
    what: Content,
    /// The offset at which the children start.
    inner: usize,
    marks: ChildSpans,
    /// The children must be rewritten: see [`super::rewrite`].
    pub(super) rewrite: bool,
    /// The element is rejected, so its bytes are not kept.
    pub(super) rejected: Option<StanzaDefect>,
    /// Its own tag exceeded the limits, so some prefix declarations are unknown.
    pub(super) scope_incomplete: bool,
}

#[derive(Debug)]
enum Content {
    Stanza(StanzaHeader),
    Other {
        namespace: String,
        name: String,
        attributes: Vec<(String, String)>,
    },
}

impl PartialElement {
    /// Starts an element with the tag at the start of `bytes`, which `scope` already contains.
    pub(super) fn open(
        scope: &Scope,
        tag: &Tag,
        bytes: &[u8],
        inner: usize,
        jids: &mut JidCache,
    ) -> Self {
        let bound = scope.resolve(tag.name.prefix(bytes));
        let name = tag.name.local(bytes);
        let is_stanza_namespace = bound.is_some_and(|bound| {
            matches!(
                bound.space,
                KnownNamespace::Component | KnownNamespace::Client
            )
        });
        let what = match name {
            b"iq" | b"message" | b"presence" if is_stanza_namespace => {
                Content::Stanza(StanzaHeader::read(tag, bytes, jids))
            }
            _ => Content::Other {
                namespace: String::from_utf8_lossy(bound.map_or(b"", |bound| bound.namespace))
                    .into_owned(),
                name: String::from_utf8_lossy(name).into_owned(),
                attributes: tag
                    .attributes
                    .iter()
                    .filter(|it| it.role == Role::Plain)
                    .map(|it| it.owned(bytes))
                    .collect(),
            },
        };
        let rejected = tag.over_limit.then_some(StanzaDefect::TooDeep);
        Self {
            what,
            inner,
            marks: ChildSpans::new(),
            rewrite: false,
            rejected,
            scope_incomplete: tag.over_limit,
        }
    }

    /// Adds a child that starts at `start`, relative to the stanza.
    pub(super) fn open_child(&mut self, scope: &Scope, tag: &Tag, bytes: &[u8], start: usize) {
        let prefix = tag.name.prefix(bytes);
        let offset = start - self.inner;
        let declares = |attribute: &&Attribute| match attribute.role {
            Role::Default => prefix.is_empty(),
            Role::Prefix => !prefix.is_empty() && attribute.name.local(bytes) == prefix,
            Role::Plain | Role::Prefixed => false,
        };
        let namespace = match scope.resolve(prefix).map(|bound| bound.space) {
            Some(KnownNamespace::Client) => NamespaceSource::Inherited,
            Some(KnownNamespace::Xml) => NamespaceSource::Xml,
            _ => tag.attributes.iter().find(declares).map_or(
                NamespaceSource::Inherited,
                |attribute| {
                    NamespaceSource::At(
                        offset32(offset + attribute.value.start),
                        offset32(offset + attribute.value.end),
                    )
                },
            ),
        };
        let name = tag.name.local_range();
        let name = (offset32(name.start), offset32(name.end));
        self.marks.push(ChildSpan {
            start: offset32(offset),
            end: offset32(offset),
            name,
            namespace,
        });
    }

    /// Sets the end of the child opened last, relative to the stanza.
    pub(super) fn close_child(&mut self, end: usize) {
        if let Some(mark) = self.marks.last_mut() {
            mark.end = offset32(end - self.inner);
        }
    }

    /// Returns the range of the children if they end at `end`.
    pub(super) fn inner(&self, end: usize) -> std::ops::Range<usize> {
        self.inner..end
    }

    /// Completes the element. Its children end at `inner_end`, or have been rewritten.
    ///
    /// Returns `None` for a rejected element that is not a stanza, because there is no sender to
    /// answer.
    pub(super) fn finish(
        self,
        whole: BytesMut,
        inner_end: usize,
        rewritten: Option<Children>,
    ) -> Option<Event> {
        if let Some(defect) = self.rejected {
            let Content::Stanza(header) = self.what else {
                return None;
            };
            return Some(Event::Rejected(RejectedStanza { header, defect }));
        }
        let children = rewritten.unwrap_or_else(|| {
            let mut bytes = whole.freeze();
            bytes.truncate(inner_end);
            bytes.advance(self.inner);
            Children::from_parts(bytes, self.marks)
        });
        Some(match self.what {
            Content::Stanza(header) => header.into_event(children),
            Content::Other {
                namespace,
                name,
                attributes,
            } => Event::Element(StreamElement {
                namespace,
                name,
                children,
                attributes,
            }),
        })
    }
}

/// Converts an offset. It fits, because stanzas are limited to less than 4 GiB.
fn offset32(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
