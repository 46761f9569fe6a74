//! Stanzas that nobody should send and anybody can, each with what is to become of it.
//!
//! All are well-formed: what is not ends a stream, on real servers too. The same seed gives the
//! same stanzas everywhere.

mod children;
mod stanza;

use std::fmt::Write as _;

use crate::received::{CLIENT, CONDITIONS};
use crate::rng::Rng;
use crate::tree::{Content, Tree, Trees};

const ACCEPT: &str = "jabber:component:accept";

/// Who writes: what a client may send is less, since its server looks at it first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client, whose server adds the sender, reorders children and drops what it does not know.
    Client,
    /// The server itself, on the component's own stream.
    Component,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Hostile {
    /// To be written as it is.
    pub xml: String,
    /// What is to become of it.
    pub outcome: Outcome,
}

/// What becomes of a stanza. Answers are in the words of [`shape`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Taken, and answered by a handler, a duty, or for want of a route.
    Accepted(String),
    /// Answered with bad-request.
    BadRequest(String),
    /// Answered with another error, because of a bound.
    Bounded(String),
    /// Not answered at all.
    Skipped,
}

impl Outcome {
    /// The answer that is due.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Self::Accepted(answer) | Self::BadRequest(answer) | Self::Bounded(answer) => {
                Some(answer)
            }
            Self::Skipped => None,
        }
    }
}

/// How many of each fate there were.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutcomeCounts {
    /// See [`Outcome::Accepted`].
    pub accepted: usize,
    /// See [`Outcome::BadRequest`].
    pub bad_request: usize,
    /// See [`Outcome::Bounded`].
    pub bounded: usize,
    /// See [`Outcome::Skipped`].
    pub skipped: usize,
}

impl OutcomeCounts {
    /// Counts one more.
    pub fn count(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Accepted(_) => &mut self.accepted,
            Outcome::BadRequest(_) => &mut self.bad_request,
            Outcome::Bounded(_) => &mut self.bounded,
            Outcome::Skipped => &mut self.skipped,
        } += 1;
    }

    /// Says how many there were of each; none of the three that matter may be rare.
    ///
    /// # Panics
    /// When one of them is below 5 %.
    pub fn report(&self, from: &str) {
        let Self {
            accepted,
            bad_request,
            bounded,
            skipped,
        } = *self;
        let all = accepted + bad_request + bounded + skipped;
        eprintln!(
            "hostile stanzas from {from}: {all}: {accepted} accepted, {bad_request} answered \
            bad-request, {skipped} skipped, \
             {bounded} beyond a bound"
        );
        for (what, count) in [
            ("accepted", accepted),
            ("bad-request", bad_request),
            ("skipped", skipped),
        ] {
            assert!(count * 20 >= all, "only {count} of {all} are {what}");
        }
    }
}

/// Makes hostile stanzas for the components of a domain that echoes messages.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    origin: Origin,
    domain: String,
    count: usize,
}

impl Generator {
    /// All that follows depends on the seed alone.
    pub fn new(seed: u64, origin: Origin, domain: &str) -> Self {
        Self {
            rng: Rng(seed),
            origin,
            domain: domain.to_owned(),
            count: 0,
        }
    }
}

impl Iterator for Generator {
    type Item = Hostile;

    fn next(&mut self) -> Option<Hostile> {
        self.count += 1;
        Some(self.stanza())
    }
}

/// What matters of an answer: kind, type, id, sender; of an error its condition, of a message its
/// children.
///
/// An id that is none of ours counts as none: IQs and messages never leave a component without one.
///
/// Behind a real server (`Origin::Client`) the order of children and text between them do not matter,
/// and of a child in the stanza's own namespace only its name and text.
pub fn shape(stanza: &Tree, origin: Origin) -> String {
    let kind = match (stanza.name.as_str(), stanza.attribute("type")) {
        ("message", "") => "normal",
        (_, kind) => kind,
    };
    let id = Some(stanza.attribute("id"))
        .filter(|id| id.starts_with('h'))
        .unwrap_or_default();
    let mut out = format!(
        "{} {kind} {id:?} from {}",
        stanza.name,
        stanza.attribute("from")
    );
    if kind == "error" {
        let error = stanza.elements().find(|child| child.name == "error");
        let conditions = error.into_iter().flat_map(Tree::elements);
        for condition in
            conditions.filter(|child| child.namespace == CONDITIONS && child.name != "text")
        {
            // Writing to a string does not fail.
            let _ = write!(out, " {}", condition.name);
        }
    } else if stanza.name == "message" {
        out.push(' ');
        out.push_str(&content(stanza, origin));
    }
    out
}

/// What an echo of this must hold.
fn content(stanza: &Tree, origin: Origin) -> String {
    let own = |tree: &Tree| origin == Origin::Client && tree.namespace == CLIENT;
    let mut parts: Vec<String> = Vec::new();
    for content in &stanza.content {
        match content {
            Content::Element(tree) if own(tree) => {
                parts.push(format!("<{}>{:?}", tree.name, tree.text()))
            }
            Content::Element(tree) => parts.push(inherited(tree).canonical()),
            Content::Text(text) if origin == Origin::Component => parts.push(format!("{text:?}")),
            Content::Text(_) => {}
        }
    }
    if origin == Origin::Client {
        parts.sort();
    }
    parts.concat()
}

/// On a component's stream `jabber:client` at the top of a stanza and what inherits it means the
/// stream's own namespace.
fn inherited(tree: &Tree) -> Tree {
    if tree.namespace != CLIENT && tree.namespace != ACCEPT {
        return tree.clone();
    }
    let content = tree.content.iter().map(|content| match content {
        Content::Element(tree) => Content::Element(inherited(tree)),
        Content::Text(text) => Content::Text(text.clone()),
    });
    Tree {
        namespace: ACCEPT.to_owned(),
        content: content.collect(),
        ..tree.clone()
    }
}

/// Reads a stanza as it stands on the wire.
fn parse(xml: &str, origin: Origin) -> Tree {
    let namespace = if origin == Origin::Client {
        CLIENT
    } else {
        ACCEPT
    };
    let header = format!(
        "<stream:stream xmlns='{namespace}' xmlns:stream='http://etherx.jabber.org/streams'>"
    );
    let mut trees = Trees::default();
    let mut tops = trees.feed((header + xml).as_bytes());
    tops.pop()
        .unwrap_or_else(|| panic!("not one stanza: {xml}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_outcome_is_rare() {
        for origin in [Origin::Client, Origin::Component] {
            let mut counts = OutcomeCounts::default();
            for stanza in Generator::new(1, origin, "echo.localhost").take(2000) {
                counts.count(&stanza.outcome);
            }
            counts.report(&format!("{origin:?}"));
        }
    }
}
