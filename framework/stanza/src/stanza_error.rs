//! Stanza errors: the error replies of XMPP (RFC 6120 §8.3), as a Rust error type.
//!
//! A [`StanzaError`] has a defined [`Condition`], an [`ErrorType`] that tells the sender how to
//! react, and optionally a text, the entity that raised it and an application-specific condition.
//! A handler returns one, alone or anywhere in the `source` chain of another error, to reply with
//! it. [`into_stanza_error`] maps all other errors.

use std::fmt;

use jid::Jid;
use rxml::Namespace;
use xso::AsXml;

use crate::stanza::{Child, Children, ChildrenBuilder, Stanza, WriteError};
use crate::xml::emit::{EmitError, Emitter};
use crate::xml::{CLIENT, XML};

/// The namespace of the defined conditions (RFC 6120 §8.3.2).
const STANZAS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

macro_rules! conditions {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $kind:ident;)+) => {
        /// A defined condition of a stanza error (RFC 6120 §8.3.3).
        ///
        /// Converts into a [`StanzaError`] and into a boxed error, so that a handler can write
        /// `Err(Condition::Forbidden.into())` or use `?`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Condition {
            $($(#[$doc])* $variant,)+
        }

        impl Condition {
            /// All defined conditions, in alphabetical order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the name of the condition's element, such as `item-not-found`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Returns the error type that RFC 6120 §8.3.3 associates with the condition.
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
    /// The request is malformed or cannot be processed as sent.
    BadRequest = "bad-request", Modify;
    /// The resource exists already, or its state does not allow the request.
    Conflict = "conflict", Cancel;
    /// The recipient supports the namespace, but not this feature of it.
    FeatureNotImplemented = "feature-not-implemented", Cancel;
    /// The sender lacks permission.
    Forbidden = "forbidden", Auth;
    /// The recipient is permanently gone from this address.
    Gone = "gone", Cancel;
    /// The recipient failed because of an internal error.
    InternalServerError = "internal-server-error", Cancel;
    /// The requested address or item does not exist.
    ItemNotFound = "item-not-found", Cancel;
    /// An address is not a valid JID.
    JidMalformed = "jid-malformed", Modify;
    /// The request does not meet the recipient's criteria, such as its rules for content.
    NotAcceptable = "not-acceptable", Modify;
    /// The recipient does not allow any entity to perform the action.
    NotAllowed = "not-allowed", Cancel;
    /// The sender must authenticate first.
    NotAuthorized = "not-authorized", Auth;
    /// The request violates a local policy, such as a limit on rate or size.
    PolicyViolation = "policy-violation", Modify;
    /// The recipient is temporarily unavailable.
    RecipientUnavailable = "recipient-unavailable", Wait;
    /// The sender must use another address for now.
    Redirect = "redirect", Modify;
    /// The sender must register first.
    RegistrationRequired = "registration-required", Auth;
    /// A remote server does not exist or cannot be resolved.
    RemoteServerNotFound = "remote-server-not-found", Cancel;
    /// A remote server, or a handler, did not respond in time.
    RemoteServerTimeout = "remote-server-timeout", Wait;
    /// The recipient lacks the resources for the request at the moment.
    ResourceConstraint = "resource-constraint", Wait;
    /// The recipient does not provide the service.
    ServiceUnavailable = "service-unavailable", Cancel;
    /// The sender must subscribe first.
    SubscriptionRequired = "subscription-required", Auth;
    /// None of the other conditions; use it with an application-specific condition only.
    UndefinedCondition = "undefined-condition", Cancel;
    /// The request was not expected at this time, such as out of order.
    UnexpectedRequest = "unexpected-request", Wait;
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The type of a stanza error: how the sender can react to it (RFC 6120 §8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// Retry after providing credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// Proceed; the condition is only a warning.
    Continue,
    /// Retry after changing what was sent.
    Modify,
    /// Retry after waiting.
    Wait,
}

impl ErrorType {
    /// Returns the value of the `type` attribute.
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

/// A stanza error: an error reply on the stream, and a Rust error that handlers return with `?`.
///
/// `Display` prints the condition and, if there is one, the text.
///
/// ```
/// use campanile_stanza::error::{Condition, ErrorType, StanzaError};
///
/// let error = StanzaError::new(Condition::ItemNotFound)
///     .with_text("no such order")
///     .with_lang("en");
/// assert_eq!(error.error_type(), ErrorType::Cancel);
/// assert_eq!(error.to_string(), "item-not-found: no such order");
/// ```
#[derive(Debug, Clone)]
pub struct StanzaError {
    condition: Condition,
    kind: ErrorType,
    text: Option<String>,
    /// The language of the text; `None` if it is not known.
    lang: Option<Box<str>>,
    by: Option<Jid>,
    application: Option<Box<Children>>,
    request: Option<Box<Children>>,
}

impl StanzaError {
    /// Creates an error with the given condition and its [default type](Condition::default_type).
    #[must_use]
    pub const fn new(condition: Condition) -> Self {
        Self {
            condition,
            kind: condition.default_type(),
            text: None,
            lang: None,
            by: None,
            application: None,
            request: None,
        }
    }

    /// Sets a type other than the condition's default.
    #[must_use]
    pub const fn with_type(mut self, kind: ErrorType) -> Self {
        self.kind = kind;
        self
    }

    /// Sets the human-readable text.
    ///
    /// Characters that XML 1.0 does not allow are removed. State the language as well
    /// ([`with_lang`](Self::with_lang)), as clients may offer a translation: without it, the text
    /// has that of the stanza, and many servers stamp their own on stanzas without one.
    #[must_use]
    pub fn with_text(mut self, text: impl Into<String>) -> Self {
        let mut text = text.into();
        text.retain(crate::xml::chars::is_char);
        self.text = Some(text);
        self
    }

    /// Sets the language of the text, such as `de` or `pt-BR`. Characters that XML 1.0 does not
    /// allow are removed.
    #[must_use]
    pub fn with_lang(mut self, lang: &str) -> Self {
        let allowed = lang.chars().filter(|c| crate::xml::chars::is_char(*c));
        self.lang = Some(allowed.collect::<String>().into());
        self
    }

    /// Sets the address of the entity that raised the error, if it is not the sender of the
    /// reply: the `by` attribute.
    #[must_use]
    pub fn with_by(mut self, by: impl Into<Jid>) -> Self {
        self.by = Some(by.into());
        self
    }

    /// Adds an application-specific condition (RFC 6120 §8.3.4).
    ///
    /// # Errors
    /// Returns a [`WriteError`] if the value cannot be serialized as XML.
    pub fn with_application<P: AsXml>(mut self, condition: &P) -> Result<Self, WriteError> {
        self.application = Some(Box::new(Children::of(condition)?));
        Ok(self)
    }

    /// Includes the payload of the request, next to the `<error/>` element (RFC 6120 §8.3.1).
    ///
    /// Use it where clients match an error to its request by the payload rather than by the id.
    /// A part of the payload is enough.
    ///
    /// # Errors
    /// Returns a [`WriteError`] if the value cannot be serialized as XML.
    pub fn with_request<P: AsXml>(mut self, request: &P) -> Result<Self, WriteError> {
        self.request = Some(Box::new(Children::of(request)?));
        Ok(self)
    }

    /// Returns the defined condition.
    #[must_use]
    pub const fn condition(&self) -> Condition {
        self.condition
    }

    /// Returns the error type: how the sender can react.
    #[must_use]
    pub const fn error_type(&self) -> ErrorType {
        self.kind
    }

    /// Returns the human-readable text.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Returns the language of the text, if it is known.
    #[must_use]
    pub fn lang(&self) -> Option<&str> {
        self.lang.as_deref()
    }

    /// Returns the address of the entity that raised the error.
    #[must_use]
    pub const fn by(&self) -> Option<&Jid> {
        self.by.as_ref()
    }

    /// Returns the application-specific condition.
    #[must_use]
    pub fn application(&self) -> Option<Child<'_>> {
        self.application
            .as_ref()
            .and_then(|application| application.first())
    }

    /// Reads the error from a stanza of type `error`.
    ///
    /// A stanza without a valid `<error/>` child yields `undefined-condition`, so that a response
    /// is never lost.
    #[must_use]
    pub fn from_stanza(stanza: &Stanza) -> Self {
        let mut error = Self::new(Condition::UndefinedCondition);
        if let Some(child) = stanza.children().find(CLIENT, "error") {
            error.read(&child, stanza.lang());
        }
        error
    }

    /// Serializes the `<error/>` element, after the request's payload if there is one.
    #[must_use]
    pub fn to_children(&self) -> Children {
        let mut children = ChildrenBuilder::default();
        if let Some(request) = &self.request {
            children.push_children(request);
        }
        let written = children.push_with(|emitter| self.emit(emitter));
        debug_assert!(
            written.is_ok(),
            "conditions, JIDs and filtered text are always valid XML"
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
            // RFC 6120 §8.3.2 recommends a language, but a wrong one is worse than none.
            if let Some(lang) = &self.lang {
                emitter.attribute(XML, "lang", lang)?;
            }
            emitter.text(text)?;
            emitter.end();
        }
        if let Some(application) = &self.application {
            emitter.raw(application.as_bytes());
        }
        emitter.end();
        Ok(())
    }

    fn read(&mut self, error: &Child<'_>, inherited: Option<&str>) {
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
                let lang = child.attr_ns(&Namespace::XML, "lang").or(inherited);
                self.lang = lang.map(Into::into);
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

/// Lets `?` convert a condition.
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
    fn every_condition_round_trips() {
        for &condition in Condition::ALL {
            let error = returned(&StanzaError::new(condition));
            assert_eq!(
                (error.condition(), error.error_type()),
                (condition, condition.default_type())
            );
        }
    }

    #[test]
    fn all_parts_round_trip() {
        let error = StanzaError::new(Condition::Conflict)
            .with_type(ErrorType::Wait)
            .with_text("a <b>\u{1}")
            .with_lang("en")
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
    fn request_payload_precedes_the_error() {
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
    fn error_without_condition_is_undefined_condition() {
        let error = StanzaError::from_stanza(&Stanza::new(Kind::Iq(IqType::Error)));
        assert_eq!(error.condition(), Condition::UndefinedCondition);
    }

    #[test]
    fn language_of_the_text_is_kept() {
        let error = |lang: &str| {
            format!(
                "<message type='error'{lang}><error type='cancel'><gone \
                xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text \
                xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'LANG>weg</text></error></message>"
            )
        };
        let rows = [
            (error("").replace("LANG", " xml:lang='de'"), Some("de")),
            (error(" xml:lang='de'").replace("LANG", ""), Some("de")),
            (
                error(" xml:lang='de'").replace("LANG", " xml:lang='en'"),
                Some("en"),
            ),
            (error("").replace("LANG", ""), None),
        ];
        for (xml, lang) in rows {
            let read = StanzaError::from_stanza(&Stanza::parse(&xml).unwrap());
            assert_eq!(read.lang(), lang, "{xml}");
            let written = read.to_children();
            let stamp = lang.map_or_else(String::new, |lang| format!(" xml:lang='{lang}'"));
            let wanted = format!("<text xmlns='{STANZAS}'{stamp}>weg<");
            let written = std::str::from_utf8(written.as_bytes()).unwrap();
            assert!(written.contains(&wanted), "{written}");
        }
    }
}
