//! Patterns for the addresses in the component's domain.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use jid::{DomainPart, NodePart, ResourcePart};

use super::placeholder_name::PlaceholderName;

/// A pattern for the recipients of a route, within the component's domain.
///
/// Its text form resembles an address. Every part except the first is optional:
///
/// | text | recipients | placeholder |
/// |---|---|---|
/// | `bot` | this localpart | |
/// | `order-*`, `order-{id}` | localparts with this prefix | the part after the prefix |
/// | `*`, `{user}` | any localpart | the localpart |
/// | `@` | the bare domain, without a localpart | |
/// | `{user}@bot.example.org` | only this domain, if a router serves several | |
/// | `bot/desk` | only this resource | |
/// | `bot/*`, `bot/{device}` | any resource, but not the bare address | the resource |
///
/// A pattern without a resource matches the address with and without a resource. Handlers read the
/// placeholders with the [`Localpart`](crate::extract::Localpart) extractor. The names of
/// placeholders have no effect on whether two patterns are equal.
///
/// Two localpart patterns either exclude each other, or one is more specific than the other. So
/// there is always one best match: by localpart first, then by resource, then by domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RecipientPattern {
    pub(super) local: LocalpartPattern,
    pub(super) scope: Scope,
    pub(super) names: [PlaceholderName; 2],
}

/// The condition on the localpart.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) enum LocalpartPattern {
    #[default]
    Any,
    Domain,
    Local(Box<str>),
    Prefix(Box<str>),
}

/// The conditions on resource and domain, usually none. They are ordered from most to least
/// specific.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Scope {
    pub(super) resource: Resource,
    pub(super) domain: Domain,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) enum Resource {
    Exact(Box<str>),
    Present,
    #[default]
    Any,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) enum Domain {
    Exact(Box<str>),
    #[default]
    Any,
}

impl RecipientPattern {
    /// Matches every address: the bare domain and all localparts.
    #[must_use]
    pub fn any() -> Self {
        Self::default()
    }

    /// Matches the bare domain, without a localpart.
    #[must_use]
    pub fn domain() -> Self {
        LocalpartPattern::Domain.into()
    }

    /// Matches one localpart.
    ///
    /// # Errors
    /// Returns an error if the text is not a valid localpart (RFC 7622).
    pub fn localpart(localpart: &str) -> Result<Self, PatternError> {
        Ok(LocalpartPattern::Local(prepared_local(localpart)?).into())
    }

    /// Matches all localparts with this prefix.
    ///
    /// # Errors
    /// Returns an error if no valid localpart starts with this text.
    pub fn prefix(beginning: &str) -> Result<Self, PatternError> {
        if beginning.is_empty() {
            return Ok(LocalpartPattern::Prefix("".into()).into());
        }
        Ok(LocalpartPattern::Prefix(prepared_local(beginning)?).into())
    }

    /// Returns `true` if the pattern matches this localpart, or the bare domain if `None`. The
    /// conditions on resource and domain are ignored.
    #[must_use]
    pub fn matches(&self, localpart: Option<&str>) -> bool {
        match (&self.local, localpart) {
            (LocalpartPattern::Any, _) | (LocalpartPattern::Domain, None) => true,
            (LocalpartPattern::Local(wanted), Some(localpart)) => **wanted == *localpart,
            (LocalpartPattern::Prefix(beginning), Some(localpart)) => {
                localpart.starts_with(&**beginning)
            }
            _ => false,
        }
    }

    /// Returns the names of the placeholders, in order.
    pub(super) fn placeholders(&self) -> Vec<Arc<str>> {
        let [local, resource] = &self.names;
        let local = local
            .get()
            .filter(|_| matches!(self.local, LocalpartPattern::Prefix(_)));
        local.into_iter().chain(resource.get()).cloned().collect()
    }

    /// Returns `true` if the other pattern matches every address that this one matches.
    pub(super) fn is_within(&self, outer: &Self) -> bool {
        self.local.is_within(&outer.local)
            && self.scope.resource.is_within(&outer.scope.resource)
            && (outer.scope.domain == Domain::Any || self.scope.domain == outer.scope.domain)
    }

    /// Returns the intersection of both patterns, or `None` if it is empty or neither contains the
    /// other.
    pub(super) fn within(&self, outer: &Self) -> Option<Self> {
        let (local, name) = match (&self.local, &outer.local) {
            (LocalpartPattern::Any, _) => (&outer.local, &outer.names[0]),
            (inner, outer) if inner.is_within(outer) => (inner, &self.names[0]),
            _ => return None,
        };
        let (resource, device) = match (&self.scope.resource, &outer.scope.resource) {
            (Resource::Any, wider) => (wider, &outer.names[1]),
            (inner, outer) if inner.is_within(outer) => (inner, &self.names[1]),
            _ => return None,
        };
        let domain = match (&self.scope.domain, &outer.scope.domain) {
            (Domain::Any, domain) | (domain, Domain::Any) => domain,
            (inner, outer) if inner == outer => inner,
            _ => return None,
        };
        Some(Self {
            local: local.clone(),
            scope: Scope {
                resource: resource.clone(),
                domain: domain.clone(),
            },
            names: [name.clone(), device.clone()],
        })
    }
}

impl LocalpartPattern {
    fn is_within(&self, outer: &Self) -> bool {
        match (self, outer) {
            (_, Self::Any) => true,
            (Self::Local(inner) | Self::Prefix(inner), Self::Prefix(outer)) => {
                inner.starts_with(&**outer)
            }
            (inner, outer) => inner == outer,
        }
    }
}

impl Scope {
    /// Returns `true` if there is no condition.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Resource {
    fn is_within(&self, outer: &Self) -> bool {
        match (self, outer) {
            (_, Self::Any) | (Self::Exact(_), Self::Present) => true,
            (inner, outer) => inner == outer,
        }
    }
}

impl From<LocalpartPattern> for RecipientPattern {
    fn from(local: LocalpartPattern) -> Self {
        Self {
            local,
            ..Self::default()
        }
    }
}

impl FromStr for RecipientPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let (address, resource) = match text.split_once('/') {
            Some((address, resource)) => (address, Some(resource)),
            None => (text, None),
        };
        let (local, domain) = match address.split_once('@') {
            Some((local, domain)) => (local, Some(domain)),
            None => (address, None),
        };
        let mut pattern = match (local, domain) {
            ("", Some(_)) => Self::domain(),
            _ => local_of(local)?,
        };
        if let Some(resource) = resource {
            (pattern.scope.resource, pattern.names[1]) = resource_of(resource)?;
        }
        if let Some(domain) = domain.filter(|domain| !domain.is_empty()) {
            let prepared =
                DomainPart::new(domain).map_err(|why| PatternError::new(domain, "domain", why))?;
            pattern.scope.domain = Domain::Exact(prepared.as_str().into());
        }
        Ok(pattern)
    }
}

fn local_of(text: &str) -> Result<RecipientPattern, PatternError> {
    if let Some(beginning) = text.strip_suffix('*') {
        return RecipientPattern::prefix(beginning);
    }
    match placeholder(text) {
        Some((beginning, name)) => {
            let mut pattern = RecipientPattern::prefix(beginning)?;
            pattern.names[0] = PlaceholderName::new(name);
            Ok(pattern)
        }
        None if text.contains(['{', '}']) => Err(PatternError::new(
            text,
            "localpart",
            "a placeholder such as {name} must come last",
        )),
        None => RecipientPattern::localpart(text),
    }
}

fn resource_of(text: &str) -> Result<(Resource, PlaceholderName), PatternError> {
    match placeholder(text) {
        Some(("", name)) => Ok((Resource::Present, PlaceholderName::new(name))),
        _ if text == "*" => Ok((Resource::Present, PlaceholderName::default())),
        _ => {
            let prepared =
                ResourcePart::new(text).map_err(|why| PatternError::new(text, "resource", why))?;
            Ok((
                Resource::Exact(prepared.as_str().into()),
                PlaceholderName::default(),
            ))
        }
    }
}

/// Splits the text into the prefix and the name of the placeholder at its end.
fn placeholder(text: &str) -> Option<(&str, &str)> {
    let (beginning, name) = text.strip_suffix('}')?.split_once('{')?;
    (!name.is_empty()).then_some((beginning, name))
}

impl TryFrom<&str> for RecipientPattern {
    type Error = PatternError;

    fn try_from(text: &str) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl fmt::Display for RecipientPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [name, device] = self.names.each_ref().map(PlaceholderName::to_string);
        let (before_domain, before_resource) = match &self.local {
            LocalpartPattern::Any => (" in ", " with resource "),
            LocalpartPattern::Domain => (" ", " with resource "),
            LocalpartPattern::Local(_) | LocalpartPattern::Prefix(_) => ("", "/"),
        };
        match &self.local {
            LocalpartPattern::Any => f.write_str("any recipient")?,
            LocalpartPattern::Domain => f.write_str("the bare domain")?,
            LocalpartPattern::Local(localpart) => write!(f, "{localpart}@")?,
            LocalpartPattern::Prefix(beginning) => write!(f, "{beginning}{name}@")?,
        }
        if let Domain::Exact(domain) = &self.scope.domain {
            write!(f, "{before_domain}{domain}")?;
        }
        match &self.scope.resource {
            Resource::Exact(resource) => write!(f, "{before_resource}{resource}"),
            Resource::Present => write!(f, "{before_resource}{device}"),
            Resource::Any => Ok(()),
        }
    }
}

/// A text is not a valid recipient pattern or chat command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    text: String,
    part: &'static str,
    why: String,
}

impl PatternError {
    pub(super) fn new(text: &str, part: &'static str, why: impl fmt::Display) -> Self {
        Self {
            text: text.to_owned(),
            part,
            why: why.to_string(),
        }
    }
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "invalid {} {:?}: {}", self.part, self.text, self.why)
    }
}

impl std::error::Error for PatternError {}

/// The addresses of stanzas are prepared (RFC 7622 §3.3), so patterns are stored in prepared form.
fn prepared_local(text: &str) -> Result<Box<str>, PatternError> {
    match NodePart::new(text) {
        Ok(part) => Ok(part.as_str().into()),
        Err(why) => Err(PatternError::new(text, "localpart", why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> RecipientPattern {
        text.parse().unwrap()
    }

    #[test]
    fn pattern_matches_prepared_localparts() {
        let rows = [
            ("Bot", Some("bot"), true),
            ("bot", Some("bots"), false),
            ("order-*", Some("order-7"), true),
            ("order-{id}", Some("order-7"), true),
            ("order-*", Some("orders"), false),
            ("*", Some("alice"), true),
            ("{user}", Some("alice"), true),
            ("*", None, false),
            ("@", None, true),
            ("@", Some("bot"), false),
        ];
        for (text, localpart, matches) in rows {
            assert_eq!(
                pattern(text).matches(localpart),
                matches,
                "{text} {localpart:?}"
            );
        }
        assert!(
            RecipientPattern::any().matches(None) && RecipientPattern::any().matches(Some("bot"))
        );
    }

    #[test]
    fn pattern_displays_its_conditions() {
        let rows = [
            ("Bot", "bot@"),
            ("order-*", "order-*@"),
            ("order-{id}", "order-{id}@"),
            ("@", "the bare domain"),
            (
                "@bot.example.org/x",
                "the bare domain bot.example.org with resource x",
            ),
            ("{user}@Bot.Example.org", "{user}@bot.example.org"),
            ("bot/Desk", "bot@/Desk"),
            (
                "bot@bot.example.org/{device}",
                "bot@bot.example.org/{device}",
            ),
            ("*/*", "*@/*"),
        ];
        for (text, shown) in rows {
            assert_eq!(pattern(text).to_string(), shown, "{text}");
        }
    }

    #[test]
    fn placeholder_name_does_not_affect_equality() {
        assert_eq!(pattern("order-{id}"), pattern("order-*"));
        assert_eq!(pattern("{user}/{device}"), pattern("*/*"));
        assert_ne!(pattern("{user}/{device}"), pattern("*"));
    }

    #[test]
    fn within_intersects_nested_patterns() {
        let any = RecipientPattern::any();
        let rows = [
            ("bot", "*", Some("bot")),
            ("bo*", "*", Some("bo*")),
            ("*", "bot", None),
            ("@", "*", None),
            ("bot/desk", "bot", Some("bot/desk")),
            ("bot", "*/desk", Some("bot/desk")),
            ("bot/desk", "{user}/{device}", Some("bot/desk")),
            ("bot/*", "bot/desk", None),
            ("bot@a", "*@a", Some("bot@a")),
            ("bot@a", "*@b", None),
            ("bot", "*@b/*", Some("bot@b/*")),
        ];
        for (inner, outer, both) in rows {
            let within = pattern(inner).within(&pattern(outer));
            assert_eq!(within, both.map(pattern), "{inner} within {outer}");
            assert_eq!(
                pattern(inner).is_within(&pattern(outer)),
                within == Some(pattern(inner)),
                "{inner} in {outer}"
            );
        }
        for text in ["bot", "@", "*/desk"] {
            assert_eq!(any.within(&pattern(text)), Some(pattern(text)));
        }
        assert_eq!(pattern("bot").within(&any), Some(pattern("bot")));
        let named = any
            .within(&pattern("order-{id}/{device}"))
            .map(|both| both.to_string());
        assert_eq!(named.as_deref(), Some("order-{id}@/{device}"));
    }

    #[test]
    fn parsing_rejects_invalid_patterns() {
        let rows = [
            ("", "invalid localpart \"\": "),
            ("a b", "invalid localpart \"a b\": "),
            ("{a}b", "invalid localpart \"{a}b\": "),
            ("a@b c", "invalid domain \"b c\": "),
            ("a/", "invalid resource \"\": "),
        ];
        for (text, why) in rows {
            let error = text.parse::<RecipientPattern>().unwrap_err();
            assert!(error.to_string().starts_with(why), "{error}");
        }
    }
}
