//! The slow path: rewrites children into the form that all stanzas have in memory.
//!
//! It is needed for children that use prefixes declared outside of them, name the stream's
//! namespace explicitly, or contain CDATA or carriage returns.

use super::scope::{KnownNamespace, ResolvedNamespace, Scope};
use crate::stanza::{Children, ChildrenBuilder};
use crate::xml::emit::{EmitError, Emitter};
use crate::xml::tokens::{StartTag, Token, Tokens, attributes, split_name};
use crate::xml::{CLIENT, escape};

/// Rewrites `children`. `outer` contains the declarations in scope around them.
///
/// Returns `None` if the names exceed `limit` bytes, because a short prefix can refer to a long
/// namespace ten thousand times. Text is not counted: escaping makes it at most five times longer.
pub(super) fn rewrite(children: &str, outer: &Scope, limit: usize) -> Option<Children> {
    let mut rewriter = Rewriter {
        tokens: Tokens::new(children),
        outer,
        inner: Scope::default(),
        left: limit,
    };
    let mut builder = ChildrenBuilder::default();
    while let Some(piece) = rewriter.tokens.next() {
        let written = match piece {
            Token::Start(start) => builder.push_with(|emitter| rewriter.element(emitter, start)),
            Token::Text(raw) => builder.push_character_data(&escape::unescape_text(raw)),
            Token::Cdata(raw) => builder.push_character_data(&line_ends(raw)),
            Token::End => Ok(()),
        };
        written.ok()?;
    }
    Some(builder.finish())
}

struct Rewriter<'a> {
    tokens: Tokens<'a>,
    outer: &'a Scope,
    inner: Scope,
    /// The number of bytes of names that may still be written.
    left: usize,
}

impl<'a> Rewriter<'a> {
    fn element(&mut self, emitter: &mut Emitter<'_>, start: StartTag<'a>) -> Result<(), EmitError> {
        emitter.trust_names();
        self.start(emitter, start)?;
        while self.inner.depth() > 0 {
            match self.tokens.next() {
                Some(Token::Start(start)) => self.start(emitter, start)?,
                Some(Token::End) => {
                    self.inner.close();
                    emitter.end();
                }
                Some(Token::Text(raw)) => emitter.text(&escape::unescape_text(raw))?,
                Some(Token::Cdata(raw)) => emitter.text(&line_ends(raw))?,
                None => break,
            }
        }
        Ok(())
    }

    fn start(&mut self, emitter: &mut Emitter<'_>, start: StartTag<'a>) -> Result<(), EmitError> {
        self.inner.open(start.name.as_bytes());
        for (name, value) in attributes(start.attributes) {
            match split_name(name) {
                ("", "xmlns") => self
                    .inner
                    .bind(b"", escape::unescape_attribute(value).as_bytes()),
                ("xmlns", prefix) => self.inner.bind(
                    prefix.as_bytes(),
                    escape::unescape_attribute(value).as_bytes(),
                ),
                _ => {}
            }
        }
        let (prefix, local) = split_name(start.name);
        let namespace = match self.resolve(prefix) {
            Some(ResolvedNamespace {
                space: KnownNamespace::Component,
                ..
            }) => CLIENT.to_owned(),
            bound => owned(bound),
        };
        self.count(namespace.len() + start.name.len() + start.attributes.len())?;
        emitter.start(&namespace, local)?;
        for (name, value) in attributes(start.attributes).filter(|(name, _)| !is_declaration(name))
        {
            let (prefix, local) = split_name(name);
            let namespace = if prefix.is_empty() {
                String::new()
            } else {
                owned(self.resolve(prefix))
            };
            self.count(namespace.len())?;
            emitter.attribute(&namespace, local, &escape::unescape_attribute(value))?;
        }
        if start.empty {
            self.inner.close();
            emitter.end();
        }
        Ok(())
    }

    fn resolve(&self, prefix: &str) -> Option<ResolvedNamespace<'_>> {
        let inner = self
            .inner
            .resolve(prefix.as_bytes())
            .filter(|bound| bound.depth > 0);
        inner.or_else(|| self.outer.resolve(prefix.as_bytes()))
    }

    fn count(&mut self, bytes: usize) -> Result<(), EmitError> {
        self.left = self.left.checked_sub(bytes).ok_or(EmitError::TooLarge)?;
        Ok(())
    }
}

fn owned(bound: Option<ResolvedNamespace<'_>>) -> String {
    String::from_utf8_lossy(bound.map_or(b"", |bound| bound.namespace)).into_owned()
}

fn is_declaration(name: &str) -> bool {
    name == "xmlns" || name.starts_with("xmlns:")
}

/// Normalizes line ends in CDATA, as XML 1.0 §2.11 requires before sections are recognized.
fn line_ends(raw: &str) -> String {
    raw.replace("\r\n", "\n").replace('\r', "\n")
}
