//! The mapping from any error of a handler or of middleware to the stanza error sent to the peer.

use std::error::Error;
use std::fmt;

use crate::error::{BoxError, Condition, StanzaError};
use crate::stanza::ParseError;

/// The stanza error to send for an error.
#[derive(Debug)]
pub(crate) struct Classified {
    pub(crate) error: StanzaError,
    /// The error is internal: it must be logged, because the peer learns nothing about it.
    pub(crate) internal: bool,
}

/// Maps an error to a stanza error.
///
/// [`into_stanza_error`] documents the rules.
pub(crate) fn classify(error: &BoxError) -> Classified {
    let mut link: Option<&(dyn Error + 'static)> = Some(&**error);
    while let Some(error) = link {
        if let Some(error) = known(error) {
            return Classified {
                error,
                internal: false,
            };
        }
        link = error.source();
    }
    Classified {
        error: StanzaError::new(Condition::InternalServerError),
        internal: true,
    }
}

/// Converts an error returned by a handler or by middleware into the stanza error that the peer
/// receives.
///
/// The first error in the `source` chain that is listed here decides. The text of any other error
/// is never sent to the peer, because it may contain secrets; the component logs it.
///
/// | error | condition | type |
/// |---|---|---|
/// | [`StanzaError`] | as given | as given |
/// | `Elapsed` of `tower::timeout` and `tokio::time` | remote-server-timeout | wait |
/// | `Overloaded` of `tower::load_shed` | resource-constraint | wait |
/// | [`ParseError`] | bad-request | modify |
/// | anything else | internal-server-error | cancel |
///
/// The component applies it to every failed handler. Call it in tests and in middleware that needs
/// to know the condition.
///
/// ```
/// use campanile::error::{BoxError, Condition, into_stanza_error};
///
/// let error: BoxError = "disk full".into();
/// let sent = into_stanza_error(&error);
/// assert_eq!(sent.condition(), Condition::InternalServerError);
/// assert_eq!(sent.text(), None);
/// ```
#[must_use]
pub fn into_stanza_error(error: &BoxError) -> StanzaError {
    classify(error).error
}

fn known(error: &(dyn Error + 'static)) -> Option<StanzaError> {
    if let Some(error) = error.downcast_ref::<StanzaError>() {
        return Some(error.clone());
    }
    if error.is::<tower::timeout::error::Elapsed>() || error.is::<tokio::time::error::Elapsed>() {
        return Some(StanzaError::new(Condition::RemoteServerTimeout));
    }
    if error.is::<tower::load_shed::error::Overloaded>() {
        return Some(StanzaError::new(Condition::ResourceConstraint));
    }
    if error.is::<ParseError>() {
        return Some(StanzaError::new(Condition::BadRequest));
    }
    None
}

/// Formats the error and its chain of sources on one line, for the log.
#[must_use]
pub fn chain(error: &BoxError) -> String {
    Chain(&**error).to_string()
}

/// Writes the error and its chain of sources on one line: `Debug` of the errors that `main`
/// usually returns, because the standard library prints that.
pub(crate) fn write_chain(
    error: &(dyn Error + 'static),
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    write!(f, "{}", Chain(error))
}

/// Displays an error and its chain of sources, separated by colons.
struct Chain<'a>(&'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut link = self.0.source();
        while let Some(error) = link {
            write!(f, ": {error}")?;
            link = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorType;
    use crate::stanza::{Kind, MessageType, Stanza, WriteError};

    #[derive(Debug)]
    struct Wrapped(BoxError);

    impl std::fmt::Display for Wrapped {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("wrapped")
        }
    }

    impl Error for Wrapped {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&*self.0)
        }
    }

    fn classified(error: impl Into<BoxError>) -> (Condition, ErrorType, bool) {
        let result = classify(&error.into());
        (
            result.error.condition(),
            result.error.error_type(),
            result.internal,
        )
    }

    #[test]
    fn each_listed_error_maps_to_its_condition() {
        let parse = Stanza::new(Kind::Message(MessageType::Chat))
            .child::<xmpp_parsers::ping::Ping>()
            .unwrap_err();
        assert_eq!(
            classified(parse),
            (Condition::BadRequest, ErrorType::Modify, false)
        );
        let elapsed = tower::timeout::error::Elapsed::new();
        assert_eq!(
            classified(elapsed),
            (Condition::RemoteServerTimeout, ErrorType::Wait, false)
        );
        let shed = tower::load_shed::error::Overloaded::new();
        assert_eq!(
            classified(shed),
            (Condition::ResourceConstraint, ErrorType::Wait, false)
        );
        let own = StanzaError::new(Condition::Conflict).with_type(ErrorType::Modify);
        assert_eq!(
            classified(own),
            (Condition::Conflict, ErrorType::Modify, false)
        );
        assert_eq!(
            classified("no idea"),
            (Condition::InternalServerError, ErrorType::Cancel, true)
        );
        assert_eq!(
            classified(WriteError::Character('\u{1}')),
            (Condition::InternalServerError, ErrorType::Cancel, true)
        );
    }

    #[test]
    fn first_known_error_in_the_chain_wins() {
        let inner = Wrapped(StanzaError::new(Condition::Gone).into());
        assert_eq!(classified(Wrapped(inner.into())).0, Condition::Gone);
        assert_eq!(chain(&Wrapped("deep".into()).into()), "wrapped: deep");
    }

    #[test]
    fn internal_error_text_is_not_sent() {
        let sent = classify(&"password is hunter2".into()).error;
        assert_eq!(sent.text(), None);
    }
}
