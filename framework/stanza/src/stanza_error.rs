//! Stanza errors: what a peer is told when its stanza was not taken (RFC 6120 §8.3).

use std::fmt;

use jid::Jid;
use xso::AsXml;

use crate::stanza::{Child, Children, ChildrenBuilder, Stanza, WriteError};
use crate::xml::emit::{EmitError, Emitter};
use crate::xml::{CLIENT, XML};

/// Namespace of the defined conditions (RFC 6120 §8.3.2).
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

macro_rules! conditions {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $kind:ident;)+) => {
        /// A defined condition (RFC 6120 §8.3.3).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Condition {
            $($(#[$doc])* $variant,)+
        }

        impl Condition {
            /// Every defined condition.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Name of the condition's element.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The type that RFC 6120 §8.3.3 associates with the condition.
            #[must_use]
            pub const fn default_type(self) -> ErrorType {
                match self { $(Self::$variant => ErrorType::$kind,)+ }
            }

            fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

conditions! {
    /// The XML or the request makes no sense.
    BadRequest = "bad-request", Modify;
    /// Something of that name exists already, or the state does not allow it.
    Conflict = "conflict", Cancel;
    /// The recipient understands the namespace but not this feature of it.
    FeatureNotImplemented = "feature-not-implemented", Cancel;
    /// The sender may not do this.
    Forbidden = "forbidden", Auth;
    /// The recipient can no longer be reached at this address.
    Gone = "gone", Cancel;
    /// A fault of ours.
    InternalServerError = "internal-server-error", Cancel;
    /// There is no such thing.
    ItemNotFound = "item-not-found", Cancel;
    /// An address is no JID.
    JidMalformed = "jid-malformed", Modify;
    /// The content breaks a rule of the recipient.
    NotAcceptable = "not-acceptable", Modify;
    /// Nobody may do this.
    NotAllowed = "not-allowed", Cancel;
    /// The sender must first prove who it is.
    NotAuthorized = "not-authorized", Auth;
    /// A local policy forbids it, such as a limit on rate or size.
    PolicyViolation = "policy-violation", Modify;
    /// The recipient is temporarily not there.
    RecipientUnavailable = "recipient-unavailable", Wait;
    /// Another address must be used for now.
    Redirect = "redirect", Modify;
    /// The sender must register first.
    RegistrationRequired = "registration-required", Auth;
    /// A remote server does not exist.
    RemoteServerNotFound = "remote-server-not-found", Cancel;
    /// A remote server or handler did not answer in time.
    RemoteServerTimeout = "remote-server-timeout", Wait;
    /// There is no room for the request now.
    ResourceConstraint = "resource-constraint", Wait;
    /// The recipient does not offer this.
    ServiceUnavailable = "service-unavailable", Cancel;
    /// The sender must subscribe first.
    SubscriptionRequired = "subscription-required", Auth;
    /// None of the others; says something only with an application-specific condition.
    UndefinedCondition = "undefined-condition", Cancel;
    /// The request came at the wrong moment or in the wrong order.
    UnexpectedRequest = "unexpected-request", Wait;
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the sender can do about an error (RFC 6120 §8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// Retry after providing credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// Proceed; this was only a warning.
    Continue,
    /// Retry after changing what was sent.
    Modify,
    /// Retry after waiting.
    Wait,
}

impl ErrorType {
    /// Value of the attribute `type`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Cancel => "cancel",
            Self::Continue => "continue",
            Self::Modify => "modify",
            Self::Wait => "wait",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let all = [
            Self::Auth,
            Self::Cancel,
            Self::Continue,
            Self::Modify,
            Self::Wait,
        ];
        all.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A stanza error: an answer, and an error of Rust that a handler may return with `?`.
///
/// ```
/// use campanile_stanza::error::{Condition, ErrorType, StanzaError};
///
/// let error = StanzaError::new(Condition::ItemNotFound).with_text("no such order");
/// assert_eq!(error.error_type(), ErrorType::Cancel);
/// assert_eq!(error.to_string(), "item-not-found: no such order");
/// ```
#[derive(Debug, Clone)]
pub struct StanzaError {
    condition: Condition,
    kind: ErrorType,
    text: Option<String>,
    by: Option<Jid>,
    application: Option<Box<Children>>,
    request: Option<Box<Children>>,
}

impl StanzaError {
    /// An error with this condition and its usual type.
    #[must_use]
    pub const fn new(condition: Condition) -> Self {
        Self {
            condition,
            kind: condition.default_type(),
            text: None,
            by: None,
            application: None,
            request: None,
        }
    }

    /// Sets another type.
    #[must_use]
    pub const fn with_type(mut self, kind: ErrorType) -> Self {
        self.kind = kind;
        self
    }

    /// Sets a text for people. Characters that XML cannot carry are left out.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.retain(crate::xml::chars::is_char);
        self.text = Some(text);
        self
    }

    /// Names the entity that found the error, where that is not the sender of the answer.
    #[must_use]
    pub fn with_by(mut self, by: impl Into<Jid>) -> Self {
        self.by = Some(by.into());
        self
    }

    /// Adds an application-specific condition (RFC 6120 §8.3.4).
    ///
    /// # Errors
    /// When the value cannot be written as XML.
    pub fn with_application<P: AsXml>(mut self, condition: &P) -> Result<Self, WriteError> {
        self.application = Some(Box::new(Children::of(condition)?));
        Ok(self)
    }

    /// Repeats beside the error what was asked (RFC 6120 §8.3.1), or as much of it as a requester
    /// finds its place by.
    ///
    /// # Errors
    /// When the value cannot be written as XML.
    pub fn with_request<P: AsXml>(mut self, request: &P) -> Result<Self, WriteError> {
        self.request = Some(Box::new(Children::of(request)?));
        Ok(self)
    }

    /// The defined condition.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        self.condition
    }

    /// What the sender can do about it.
    #[must_use]
    pub const fn error_type(&self) -> ErrorType {
        self.kind
    }

    /// The text for people.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The entity that found the error.
    #[must_use]
    pub const fn by(&self) -> Option<&Jid> {
        self.by.as_ref()
    }

    /// The application-specific condition.
    #[must_use]
    pub fn application(&self) -> Option<Child<'_>> {
        self.application
            .as_ref()
            .and_then(|application| application.first())
    }

    /// Reads the error out of a stanza of type `error`.
    ///
    /// A stanza without a readable `<error/>` gives `undefined-condition`, so that an answer is
    /// never lost.
    #[must_use]
    pub fn from_stanza(stanza: &Stanza) -> Self {
        let mut error = Self::new(Condition::UndefinedCondition);
        if let Some(child) = stanza.children().find(CLIENT, "error") {
            error.read(&child);
        }
        error
    }

    /// The `<error/>` element, as the only child but for what is repeated.
    #[must_use]
    pub fn to_children(&self) -> Children {
        let mut children = ChildrenBuilder::default();
        if let Some(request) = &self.request {
            children.push_children(request);
        }
        let written = children.push_with(|emitter| self.emit(emitter));
        debug_assert!(
            written.is_ok(),
            "conditions, JIDs and filtered text can always be written"
        );
        children.finish()
    }

    fn emit(&self, emitter: &mut Emitter<'_>) -> Result<(), EmitError> {
        emitter.start(CLIENT, "error")?;
        emitter.attribute("", "type", self.kind.as_str())?;
        if let Some(by) = &self.by {
            emitter.attribute("", "by", by.as_str())?;
        }
        emitter.start(STANZAS, self.condition.as_str())?;
        emitter.end();
        if let Some(text) = &self.text {
            emitter.start(STANZAS, "text")?;
            emitter.attribute(XML, "lang", "en")?;
            emitter.text(text)?;
            emitter.end();
        }
        if let Some(application) = &self.application {
            emitter.raw(application.as_bytes());
        }
        emitter.end();
        Ok(())
    }

    fn read(&mut self, error: &Child<'_>) {
        let Ok(element) = error.element() else { return };
        if let Some(kind) = element.attr("type").and_then(ErrorType::parse) {
            self.kind = kind;
        }
        self.by = element.attr("by").and_then(|by| Jid::new(by).ok());
        for child in element.children() {
            if child.ns() != STANZAS {
                self.application = Children::of(child).ok().map(Box::new);
            } else if child.name() == "text" {
                self.text = Some(child.text());
            } else if let Some(condition) = Condition::parse(child.name()) {
                self.condition = condition;
            }
        }
    }
}

impl From<Condition> for StanzaError {
    fn from(condition: Condition) -> Self {
        Self::new(condition)
    }
}

/// So that `?` takes a condition, too.
impl From<Condition> for Box<dyn std::error::Error + Send + Sync> {
    fn from(condition: Condition) -> Self {
        Box::new(StanzaError::new(condition))
    }
}

impl fmt::Display for StanzaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.condition.as_str())?;
        self.text
            .as_ref()
            .map_or(Ok(()), |text| write!(f, ": {text}"))
    }
}

impl std::error::Error for StanzaError {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::{IqType, Kind};

    fn returned(error: &StanzaError) -> StanzaError {
        StanzaError::from_stanza(
            &Stanza::new(Kind::Iq(IqType::Error)).with_children(error.to_children()),
        )
    }

    #[test]
    fn every_condition_is_written_and_read() {
        for &condition in Condition::ALL {
            let error = returned(&StanzaError::new(condition));
            assert_eq!(
                (error.condition(), error.error_type()),
                (condition, condition.default_type())
            );
        }
    }

    #[test]
    fn all_parts_are_written_and_read() {
        let error = StanzaError::new(Condition::Conflict)
            .with_type(ErrorType::Wait)
            .with_text("a <b>\u{1}")
            .with_by(Jid::new("room@x").unwrap())
            .with_application(&xmpp_parsers::ping::Ping)
            .unwrap();
        let wanted = "<error type='wait' by='room@x'><conflict \
            xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
            <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas' xml:lang='en'>a \
            &lt;b&gt;</text><ping xmlns='urn:xmpp:ping'/></error>";
        assert_eq!(
            String::from_utf8_lossy(error.to_children().as_bytes()),
            wanted
        );
        let error = returned(&error);
        assert_eq!(
            (error.text(), error.by().map(Jid::as_str)),
            (Some("a <b>"), Some("room@x"))
        );
        assert!(error.application().unwrap().is("urn:xmpp:ping", "ping"));
    }

    #[test]
    fn what_was_asked_is_repeated_before_the_error() {
        let error = StanzaError::new(Condition::Gone)
            .with_request(&xmpp_parsers::ping::Ping)
            .unwrap();
        let wanted = "<ping xmlns='urn:xmpp:ping'/><error type='cancel'>\
            <gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
        assert_eq!(
            String::from_utf8_lossy(error.to_children().as_bytes()),
            wanted
        );
        assert_eq!(returned(&error).condition(), Condition::Gone);
    }

    #[test]
    fn an_error_without_condition_is_undefined() {
        let error = StanzaError::from_stanza(&Stanza::new(Kind::Iq(IqType::Error)));
        assert_eq!(error.condition(), Condition::UndefinedCondition);
    }
}
