//! Who may speak to a component at all.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::task::{Context, Poll};

use jid::{BareJid, Jid};
use tower_layer::Layer;
use tower_service::Service;

use super::{ResponseFuture, bare};
use crate::error::{BoxError, Condition};
use crate::inbound::Inbound;
use crate::reply::Reply;

/// Lets in, or keeps out, bare JIDs and domains.
///
/// What is said of a JID goes before what is said of its domain, and of the same one `deny` goes
/// before `allow`. Who is not named is let in as long as nobody is allowed by name. The others are
/// told forbidden: an action that only certain entities are allowed to perform (RFC 6120 §8.3.3.4).
///
/// ```
/// use campanile::layer::AccessLayer;
/// use campanile::router::Router;
///
/// # fn main() -> Result<(), campanile::layer::RuleError> {
/// let ours = AccessLayer::new().allow("example.org".parse()?).deny("mallory@example.org".parse()?);
/// let router: Router = Router::new().message(|| async { "hello" }).layer(ours);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessLayer {
    rules: Arc<Rules>,
}

/// Whom a rule is about: a bare JID, or everybody of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule(BareJid);

/// Verdicts by JID and by domain, which no localpart tells apart from a JID: both are bare JIDs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rules {
    verdicts: HashMap<Box<str>, Verdict>,
    /// Somebody is allowed by name, so nobody else is.
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Deny,
}

impl AccessLayer {
    /// Everybody is let in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nobody is let in who is not let in by name.
    #[must_use]
    pub fn closed(mut self) -> Self {
        Arc::make_mut(&mut self.rules).closed = true;
        self
    }

    /// Lets somebody in, and nobody who is not let in as well.
    #[must_use]
    pub fn allow(mut self, rule: Rule) -> Self {
        let rules = Arc::make_mut(&mut self.rules);
        rules.closed = true;
        rules
            .verdicts
            .entry(rule.0.into_inner().into_boxed_str())
            .or_insert(Verdict::Allow);
        self
    }

    /// Keeps somebody out.
    #[must_use]
    pub fn deny(mut self, rule: Rule) -> Self {
        let rules = Arc::make_mut(&mut self.rules);
        rules
            .verdicts
            .insert(rule.0.into_inner().into_boxed_str(), Verdict::Deny);
        self
    }

    /// Whether everybody is let in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.rules.closed && self.rules.verdicts.is_empty()
    }

    /// Whether somebody is let in.
    #[must_use]
    pub fn allows(&self, sender: &Jid) -> bool {
        self.rules.allows(sender)
    }
}

impl Rules {
    fn allows(&self, sender: &Jid) -> bool {
        let verdict = self
            .verdicts
            .get(bare(sender))
            .or_else(|| self.verdicts.get(sender.domain().as_str()));
        verdict.map_or(!self.closed, |verdict| *verdict == Verdict::Allow)
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        BareJid::new(text).map(Self).map_err(|why| RuleError {
            text: text.to_owned(),
            why: why.to_string(),
        })
    }
}

impl TryFrom<&str> for Rule {
    type Error = RuleError;

    fn try_from(text: &str) -> Result<Self, RuleError> {
        text.parse()
    }
}

impl From<BareJid> for Rule {
    fn from(jid: BareJid) -> Self {
        Self(jid)
    }
}

/// A text is neither a bare JID nor a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    text: String,
    why: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is neither a bare JID nor a domain: {}",
            self.text, self.why
        )
    }
}

impl std::error::Error for RuleError {}

impl<S> Layer<S> for AccessLayer {
    type Service = Access<S>;

    fn layer(&self, inner: S) -> Access<S> {
        Access {
            inner,
            rules: Arc::clone(&self.rules),
        }
    }
}

/// The service of [`AccessLayer`].
#[derive(Debug, Clone)]
pub struct Access<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S> Service<Inbound> for Access<S>
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
{
    type Response = Reply;
    type Error = BoxError;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        if self.rules.allows(inbound.sender()) {
            return ResponseFuture::inner(self.inner.call(inbound));
        }
        ResponseFuture::ready(Err(Condition::Forbidden.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::Router;
    use crate::test_util::answer;

    fn layer(allow: &[&str], deny: &[&str]) -> AccessLayer {
        let allowed = allow.iter().fold(AccessLayer::new(), |layer, rule| {
            layer.allow(rule.parse().unwrap())
        });
        deny.iter()
            .fold(allowed, |layer, rule| layer.deny(rule.parse().unwrap()))
    }

    fn lets_in(layer: &AccessLayer, sender: &str) -> bool {
        layer.allows(&sender.parse().unwrap())
    }

    #[test]
    fn every_rule_and_its_exceptions() {
        let rows: [(&[&str], &[&str], &str, bool); 11] = [
            (&[], &[], "anybody@example.org/desk", true),
            (&["example.org"], &[], "a@example.org/r", true),
            (&["example.org"], &[], "example.org", true),
            // A domain is matched exactly: a name that ends like it, and one below it, are others.
            (&["example.org"], &[], "a@evil-example.org", false),
            (&["example.org"], &[], "a@sub.example.org", false),
            (&["A@Example.org"], &[], "a@example.org/r", true),
            (&["a@example.org"], &[], "b@example.org", false),
            (
                &["example.org"],
                &["a@example.org"],
                "a@example.org/r",
                false,
            ),
            (&["a@evil.org"], &["evil.org"], "a@evil.org/r", true),
            (&["a@x.org"], &["a@x.org"], "a@x.org", false),
            (&[], &["evil.org"], "b@example.org", true),
        ];
        for (allow, deny, sender, wanted) in rows {
            assert_eq!(
                lets_in(&layer(allow, deny), sender),
                wanted,
                "{allow:?} {deny:?} {sender}"
            );
        }
    }

    #[test]
    fn who_is_kept_out_is_told_so() {
        let handler = || async { "hello" };
        let mut service = layer(&["example.net"], &[]).layer(Router::new().message(handler));
        let refused = "<message from='bot.localhost' to='alice@example.org/desk' id='1' \
            type='error'>\
            <error type='auth'><forbidden \
            xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
        assert_eq!(
            answer(&mut service, "<message id='1'><body>hi</body></message>"),
            refused
        );
        let taken = answer(
            &mut service,
            "<message id='1' from='a@example.net'><body>hi</body></message>",
        );
        assert!(taken.contains("<body>hello</body>"), "{taken}");
        assert_eq!(answer(&mut service, "<presence/>"), "");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "a@b/c", "@b"] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}
