//! Any error of any layer, turned into the stanza error that the peer is told. One table, total.

use std::error::Error;

use crate::error::{BoxError, Condition, StanzaError};
use crate::stanza::ParseError;

/// What the peer is told, and whether the error itself must be logged because it is a fault of
/// ours.
#[derive(Debug)]
pub(crate) struct Classified {
    pub(crate) error: StanzaError,
    pub(crate) internal: bool,
}

/// The first error of the chain that says what to answer wins; the text of any other never reaches
/// the peer.
///
/// | error | condition | type |
/// |---|---|---|
/// | [`StanzaError`] | as given | as given |
/// | `tower::timeout::error::Elapsed`, `tokio::time::error::Elapsed` | remote-server-timeout | wait |
/// | `tower::load_shed::error::Overloaded` | resource-constraint | wait |
/// | [`ParseError`] | bad-request | modify |
/// | anything else | internal-server-error | cancel |
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

/// The same, for those outside who want to see what a peer would be told.
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

/// Returns the error and its sources on one line, separated by `: `, for a log.
#[must_use]
pub fn chain(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut link = error.source();
    while let Some(error) = link {
        text.push_str(": ");
        text.push_str(&error.to_string());
        link = error.source();
    }
    text
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

    fn told(error: impl Into<BoxError>) -> (Condition, ErrorType, bool) {
        let classified = classify(&error.into());
        (
            classified.error.condition(),
            classified.error.error_type(),
            classified.internal,
        )
    }

    #[test]
    fn every_row_of_the_table() {
        let parse = Stanza::new(Kind::Message(MessageType::Chat))
            .child::<xmpp_parsers::ping::Ping>()
            .unwrap_err();
        assert_eq!(
            told(parse),
            (Condition::BadRequest, ErrorType::Modify, false)
        );
        let elapsed = tower::timeout::error::Elapsed::new();
        assert_eq!(
            told(elapsed),
            (Condition::RemoteServerTimeout, ErrorType::Wait, false)
        );
        let shed = tower::load_shed::error::Overloaded::new();
        assert_eq!(
            told(shed),
            (Condition::ResourceConstraint, ErrorType::Wait, false)
        );
        let own = StanzaError::new(Condition::Conflict).with_type(ErrorType::Modify);
        assert_eq!(told(own), (Condition::Conflict, ErrorType::Modify, false));
        assert_eq!(
            told("no idea"),
            (Condition::InternalServerError, ErrorType::Cancel, true)
        );
        assert_eq!(
            told(WriteError::Character('\u{1}')),
            (Condition::InternalServerError, ErrorType::Cancel, true)
        );
    }

    #[test]
    fn the_first_of_the_chain_wins() {
        let inner = Wrapped(StanzaError::new(Condition::Gone).into());
        assert_eq!(told(Wrapped(inner.into())).0, Condition::Gone);
        assert_eq!(chain(&Wrapped("deep".into()).into()), "wrapped: deep");
    }

    #[test]
    fn the_text_of_a_fault_stays_here() {
        let told = classify(&"password is hunter2".into()).error;
        assert_eq!(told.text(), None);
    }
}
