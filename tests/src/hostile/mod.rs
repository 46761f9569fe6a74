//! Generator of hostile stanzas with their expected outcomes.
//!
//! All of them are well-formed, because malformed XML ends the stream on real servers too. A seed
//! produces the same stanzas everywhere.

mod children;
mod stanza;

use std::fmt::Write as _;

use crate::received::{CLIENT, CONDITIONS};
use crate::rng::Rng;
use crate::tree::{Content, Tree, Trees};

const ACCEPT: &str = "jabber:component:accept";

/// Origin of a stanza. A client can send less, because its server validates stanzas first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A client, whose server adds the sender, reorders children and drops unknown content.
    Client,
    /// The server itself, on the component's stream.
    Component,
}

/// A hostile stanza.
#[derive(Debug, Clone)]
pub struct Hostile {
    /// Raw XML.
    pub xml: String,
    /// Expected outcome.
    pub outcome: Outcome,
}

/// Expected outcome of a stanza. Replies are given in the format of [`shape`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Accepted, and answered by a route or a default handler, or with the error for a missing
    /// route.
    Accepted(String),
    /// Answered with bad-request.
    BadRequest(String),
    /// Answered with another error because of a limit.
    Bounded(String),
    /// Not answered.
    Skipped,
}

impl Outcome {
    /// Returns the expected reply.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Self::Accepted(answer) | Self::BadRequest(answer) | Self::Bounded(answer) => {
                Some(answer)
            }
            Self::Skipped => None,
        }
    }
}

/// Number of stanzas by outcome.
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
    /// Counts an outcome.
    pub fn count(&mut self, outcome: &Outcome) {
        *match outcome {
            Outcome::Accepted(_) => &mut self.accepted,
            Outcome::BadRequest(_) => &mut self.bad_request,
            Outcome::Bounded(_) => &mut self.bounded,
            Outcome::Skipped => &mut self.skipped,
        } += 1;
    }

    /// Prints the counts, and checks that accepted, rejected and skipped stanzas are all common.
    ///
    /// # Panics
    /// If one of them is below 5 %.
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

/// Generates hostile stanzas for a component that echoes messages.
#[derive(Debug)]
pub struct Generator {
    rng: Rng,
    origin: Origin,
    domain: String,
    count: usize,
}

impl Generator {
    /// Creates a generator whose output depends on the seed alone.
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

/// Returns the relevant part of a reply: kind, type, id and sender; the condition of an error, the
/// children of a message.
///
/// Ids that the generator did not create count as missing, because IQs and messages never leave a
/// component without an id.
///
/// Behind a real server (`Origin::Client`) the order of children and the text between them are
/// ignored, and of a child in the stanza's own namespace only name and text are compared.
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

/// Returns the content that an echo must have.
fn content(stanza: &Tree, origin: Origin) -> String {
    let own = |tree: &Tree| origin == Origin::Client && tree.namespace == CLIENT;
    let mut parts: Vec<String> = Vec::new();
    for content in &stanza.content {
        match content {
            Content::Element(tree) if own(tree) => {
                parts.push(format!("<{}>{:?}", tree.name, tree.text()));
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

/// On a component's stream, `jabber:client` at the top of a stanza and in inheriting elements means
/// the stream's own namespace.
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

/// Parses a stanza in the context of its stream.
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
        .unwrap_or_else(|| panic!("not a single stanza: {xml}"))
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
