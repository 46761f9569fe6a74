//! Which addresses in the component's domain a route is for.

use std::fmt;
use std::str::FromStr;

use jid::NodePart;

/// Which addresses in the component's domain a route is for. The resource plays no part.
///
/// As text: a localpart (`bot`), the beginning of one with a star (`order-*`), or `*` for any localpart. The domain
/// itself is [`RecipientPattern::domain`]. Two patterns either exclude each other or one is the narrower, so there is
/// always one best match.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct RecipientPattern(pub(super) Shape);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) enum Shape {
    #[default]
    Any,
    Domain,
    Local(Box<str>),
    Prefix(Box<str>),
}

impl RecipientPattern {
    /// Every address: the domain and all localparts.
    #[must_use]
    pub const fn any() -> Self {
        Self(Shape::Any)
    }

    /// The domain itself, without a localpart.
    #[must_use]
    pub const fn domain() -> Self {
        Self(Shape::Domain)
    }

    /// One localpart.
    ///
    /// # Errors
    /// When it cannot be a localpart.
    pub fn localpart(localpart: &str) -> Result<Self, PatternError> {
        prepared(localpart).map(|localpart| Self(Shape::Local(localpart)))
    }

    /// All localparts that begin like this.
    ///
    /// # Errors
    /// When no localpart can begin like this.
    pub fn prefix(beginning: &str) -> Result<Self, PatternError> {
        if beginning.is_empty() {
            return Ok(Self(Shape::Prefix("".into())));
        }
        prepared(beginning).map(|beginning| Self(Shape::Prefix(beginning)))
    }

    /// Whether the pattern matches this localpart, or the domain when there is none.
    #[must_use]
    pub fn matches(&self, localpart: Option<&str>) -> bool {
        match (&self.0, localpart) {
            (Shape::Any, _) | (Shape::Domain, None) => true,
            (Shape::Local(wanted), Some(localpart)) => **wanted == *localpart,
            (Shape::Prefix(beginning), Some(localpart)) => localpart.starts_with(&**beginning),
            _ => false,
        }
    }

    /// What both match: the narrower of the two, if it lies within the other.
    pub(super) fn within(&self, outer: &Self) -> Option<Self> {
        let inside = match (&self.0, &outer.0) {
            (Shape::Any, _) => return Some(outer.clone()),
            (_, Shape::Any) => true,
            (Shape::Local(inner) | Shape::Prefix(inner), Shape::Prefix(outer)) => inner.starts_with(&**outer),
            (inner, outer) => inner == outer,
        };
        inside.then(|| self.clone())
    }
}

impl FromStr for RecipientPattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        text.strip_suffix('*').map_or_else(|| Self::localpart(text), Self::prefix)
    }
}

impl TryFrom<&str> for RecipientPattern {
    type Error = PatternError;

    fn try_from(text: &str) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl fmt::Display for RecipientPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Shape::Any => f.write_str("any recipient"),
            Shape::Domain => f.write_str("the domain itself"),
            Shape::Local(localpart) => write!(f, "{localpart}@"),
            Shape::Prefix(beginning) => write!(f, "{beginning}*@"),
        }
    }
}

/// A text is neither a localpart nor the beginning of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternError {
    text: String,
    why: String,
}

impl fmt::Display for PatternError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no localpart: {}", self.text, self.why)
    }
}

impl std::error::Error for PatternError {}

/// Stanzas come with prepared addresses (RFC 7622 §3.3), so patterns are compared in that form.
fn prepared(text: &str) -> Result<Box<str>, PatternError> {
    match NodePart::new(text) {
        Ok(part) => Ok(part.as_str().into()),
        Err(why) => Err(PatternError { text: text.to_owned(), why: why.to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> RecipientPattern {
        text.parse().unwrap()
    }

    #[test]
    fn patterns_match_prepared_localparts() {
        let rows = [
            ("Bot", Some("bot"), true),
            ("bot", Some("bots"), false),
            ("order-*", Some("order-7"), true),
            ("order-*", Some("orders"), false),
            ("*", Some("anybody"), true),
            ("*", None, false),
        ];
        for (text, localpart, matches) in rows {
            assert_eq!(pattern(text).matches(localpart), matches, "{text} {localpart:?}");
        }
        assert!(RecipientPattern::domain().matches(None) && !RecipientPattern::domain().matches(Some("bot")));
        assert!(RecipientPattern::any().matches(None) && RecipientPattern::any().matches(Some("bot")));
    }

    #[test]
    fn of_two_patterns_one_is_the_narrower_or_they_exclude_each_other() {
        let (bot, all, any) = (pattern("bot"), pattern("*"), RecipientPattern::any());
        assert_eq!(any.within(&bot).as_ref(), Some(&bot));
        assert_eq!(bot.within(&any).as_ref(), Some(&bot));
        assert_eq!(bot.within(&all).as_ref(), Some(&bot));
        assert_eq!(pattern("bo*").within(&all), Some(pattern("bo*")));
        assert_eq!(all.within(&bot), None);
        assert_eq!(RecipientPattern::domain().within(&all), None);
    }

    #[test]
    fn what_is_no_localpart_is_refused() {
        for text in ["", "a@b", "a b", "a/b"] {
            let error = text.parse::<RecipientPattern>().unwrap_err();
            assert!(error.to_string().starts_with(&format!("{text:?} is no localpart")), "{error}");
        }
    }
}
