//! The meaning of the answer to a ping of oneself (XEP-0410).

use crate::client::IqError;
use crate::error::Condition;

/// The result of a ping of the own occupant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// The component is in the room.
    Inside,
    /// It is not.
    Outside,
    /// The room cannot be reached at the moment.
    Unknown,
}

/// Reads the answer (XEP-0410 §3).
pub(super) fn read(answer: &Result<(), IqError>) -> Presence {
    let error = match answer {
        Ok(()) => return Presence::Inside,
        Err(IqError::Refused(error)) => error,
        // A result of any kind is one of the occupant.
        Err(IqError::Answer(_)) => return Presence::Inside,
        // No answer, or none that this room has given.
        Err(_) => return Presence::Unknown,
    };
    match error.condition() {
        // The room has passed the ping on, and the own client cannot answer it.
        Condition::ServiceUnavailable | Condition::FeatureNotImplemented => Presence::Inside,
        // The nick is being changed at this moment.
        Condition::ItemNotFound => Presence::Inside,
        Condition::RemoteServerNotFound | Condition::RemoteServerTimeout => Presence::Unknown,
        // `not-acceptable` is the answer if the component is not in the room, and any other error
        // probably means the same.
        _ => Presence::Outside,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::StanzaError;

    #[test]
    fn every_answer_of_the_table_is_read() {
        let cases = [
            (Condition::ServiceUnavailable, Presence::Inside),
            (Condition::FeatureNotImplemented, Presence::Inside),
            (Condition::ItemNotFound, Presence::Inside),
            (Condition::RemoteServerNotFound, Presence::Unknown),
            (Condition::RemoteServerTimeout, Presence::Unknown),
            (Condition::NotAcceptable, Presence::Outside),
            (Condition::NotAllowed, Presence::Outside),
            (Condition::BadRequest, Presence::Outside),
            (Condition::Forbidden, Presence::Outside),
            (Condition::UndefinedCondition, Presence::Outside),
        ];
        for (condition, presence) in cases {
            let answer = Err(IqError::Refused(StanzaError::new(condition)));
            assert_eq!(read(&answer), presence, "{condition}");
        }
        assert_eq!(read(&Ok(())), Presence::Inside);
        for error in [IqError::Timeout, IqError::Disconnected, IqError::TooMany] {
            assert_eq!(read(&Err(error)), Presence::Unknown);
        }
    }
}
