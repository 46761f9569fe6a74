//! Access control by JID and domain.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jid::{BareJid, Jid};
use tower_layer::Layer;

use super::gate::{Gate, Gated};
use crate::address::{bare, canonical};
use crate::error::{BoxError, Condition};
use crate::inbound::Inbound;
use crate::reply::Reply;

/// Allows or denies stanzas by the sender's bare JID or domain.
///
/// A rule for a JID takes precedence over a rule for its domain. For the same JID or domain, `deny`
/// takes precedence over `allow`. Senders without a rule are allowed unless the layer has an
/// `allow` rule or is [`closed`](AccessLayer::closed). Denied senders get a `forbidden` error (RFC
/// 6120 §8.3.3.4).
///
/// ```
/// use campanile::layer::AccessLayer;
/// use campanile::router::Router;
///
/// # fn main() -> Result<(), campanile::layer::RuleError> {
/// let access = AccessLayer::new()
///     .allow("example.org".parse()?)
///     .deny("mallory@example.org".parse()?);
/// let router: Router = Router::new().message(|| async { "hello" }).layer(access);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccessLayer {
    rules: Arc<Rules>,
}

/// The subject of an access rule: a bare JID, or all JIDs of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule(BareJid);

/// Verdicts by bare JID. A domain is stored as a bare JID without a localpart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Rules {
    verdicts: HashMap<Box<str>, Verdict>,
    /// `true` if senders without a rule are denied.
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Allow,
    Deny,
}

impl AccessLayer {
    /// Creates a layer that allows every sender.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Denies every sender that has no `allow` rule.
    #[must_use]
    pub fn closed(mut self) -> Self {
        Arc::make_mut(&mut self.rules).closed = true;
        self
    }

    /// Allows the sender. From then on, senders without a rule are denied.
    #[must_use]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a rule is made for the layer"
    )]
    pub fn allow(mut self, rule: Rule) -> Self {
        let rules = Arc::make_mut(&mut self.rules);
        rules.closed = true;
        rules.verdicts.entry(rule.key()).or_insert(Verdict::Allow);
        self
    }

    /// Denies the sender.
    #[must_use]
    #[allow(
        clippy::needless_pass_by_value,
        reason = "a rule is made for the layer"
    )]
    pub fn deny(mut self, rule: Rule) -> Self {
        let rules = Arc::make_mut(&mut self.rules);
        rules.verdicts.insert(rule.key(), Verdict::Deny);
        self
    }

    /// Returns `true` if every sender is allowed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        !self.rules.closed && self.rules.verdicts.is_empty()
    }

    /// Returns `true` if this sender is allowed.
    #[must_use]
    pub fn allows(&self, sender: &Jid) -> bool {
        self.rules.allows(sender)
    }
}

impl Rules {
    fn allows(&self, sender: &Jid) -> bool {
        let verdict = self
            .verdicts
            .get(&*canonical(bare(sender)))
            .or_else(|| self.verdicts.get(&*canonical(sender.domain().as_str())));
        verdict.map_or(!self.closed, |verdict| *verdict == Verdict::Allow)
    }
}

impl Rule {
    fn key(&self) -> Box<str> {
        canonical(self.0.as_str()).into()
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
    type Service = Gated<S, Self>;

    fn layer(&self, inner: S) -> Self::Service {
        Gated::new(inner, self.clone())
    }
}

impl Gate for AccessLayer {
    fn check(&self, inbound: &Inbound) -> Option<Result<Reply, BoxError>> {
        let denied = !self.allows(inbound.sender());
        denied.then(|| Err(Condition::Forbidden.into()))
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
    fn rules_for_jids_take_precedence_over_rules_for_domains() {
        let rows: [(&[&str], &[&str], &str, bool); 11] = [
            (&[], &[], "alice@example.org/desk", true),
            (&["example.org"], &[], "a@example.org/r", true),
            (&["example.org"], &[], "example.org", true),
            // A domain matches exactly: neither a longer name that ends with it nor a subdomain of
            // it.
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
    fn denied_sender_gets_forbidden() {
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
    fn parsing_rejects_invalid_rules() {
        for text in ["", "a@b/c", "@b"] {
            assert!(text.parse::<Rule>().is_err(), "{text}");
        }
    }
}
