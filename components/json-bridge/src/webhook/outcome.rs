//! What the answer of a webhook means for a stanza.

use std::time::Duration;

use bytes::Bytes;
use campanile::error::{Condition, ErrorType, StanzaError};
use hyper::StatusCode;

/// How one attempt ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Taken, with the body of the answer where that is JSON.
    Taken(Option<Bytes>),
    /// Refused for good: the sender is told.
    Refused(StanzaError),
    /// The handler is gone for good (410): no more attempts for anybody.
    Gone,
    /// To be tried again, not before this time where the handler said one; else the sender is told
    /// this.
    Retry {
        after: Option<Duration>,
        why: String,
        error: StanzaError,
    },
}

impl Outcome {
    /// By the status, for a message; an IQ has one attempt and takes a retry as the error.
    pub(super) fn of(
        status: StatusCode,
        retry_after: Option<Duration>,
        json: Option<Bytes>,
    ) -> Self {
        match status.as_u16() {
            200..=299 => Self::Taken(json),
            410 => Self::Gone,
            408 | 425 | 429 => Self::retry(status, retry_after),
            400..=499 => Self::Refused(error(status)),
            // A redirect is not followed: whoever answers there has not been asked for by the
            // operator.
            _ => Self::retry(status, retry_after),
        }
    }

    fn retry(status: StatusCode, after: Option<Duration>) -> Self {
        Self::Retry {
            after,
            why: format!("the webhook answered {status}"),
            error: error(status),
        }
    }
}

/// No connection, or none in time.
pub(crate) fn unreachable(why: String) -> Outcome {
    Outcome::Retry {
        after: None,
        why,
        error: Condition::RecipientUnavailable.into(),
    }
}

/// The stanza error for a status: the registry that mod_rest follows.
fn error(status: StatusCode) -> StanzaError {
    use Condition as C;
    use ErrorType::{Modify, Wait};
    let (condition, kind) = match status.as_u16() {
        400 | 411 | 416 | 422 => (C::BadRequest, None),
        401 | 511 => (C::NotAuthorized, None),
        402 => return payment_required(),
        403 | 451 => (C::Forbidden, None),
        404 => (C::ItemNotFound, None),
        405 => (C::NotAllowed, None),
        406 => (C::NotAcceptable, None),
        407 => (C::RegistrationRequired, None),
        408 | 502 | 504 => (C::RemoteServerTimeout, None),
        409 | 412 => (C::Conflict, None),
        410 => (C::Gone, None),
        413 | 414 | 431 => (C::ResourceConstraint, Some(Modify)),
        415 | 501 => (C::FeatureNotImplemented, None),
        423 | 429 | 507 => (C::ResourceConstraint, None),
        425 => (C::UnexpectedRequest, None),
        500 => (C::InternalServerError, Some(Wait)),
        503 => (C::ServiceUnavailable, None),
        418..=499 => (C::UndefinedCondition, None),
        _ => (C::ServiceUnavailable, Some(Wait)),
    };
    let error = StanzaError::new(condition);
    kind.into_iter().fold(error, StanzaError::with_type)
}

/// RFC 6120 has dropped `payment-required`: not-authorized says the same of what to do.
fn payment_required() -> StanzaError {
    StanzaError::new(Condition::NotAuthorized).with_text("payment required")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_map_to_delivery_outcomes() {
        for status in (100..600).filter_map(|code| StatusCode::from_u16(code).ok()) {
            let outcome = Outcome::of(status, None, None);
            match status.as_u16() {
                200..=299 => assert!(matches!(outcome, Outcome::Taken(None)), "{status}"),
                410 => assert!(matches!(outcome, Outcome::Gone)),
                408 | 425 | 429 | 100..=199 | 300..=399 | 500.. => {
                    assert!(matches!(outcome, Outcome::Retry { .. }), "{status}");
                }
                _ => assert!(matches!(outcome, Outcome::Refused(_)), "{status}"),
            }
        }
        let told = |code| error(StatusCode::from_u16(code).unwrap());
        assert_eq!(
            (told(404).condition(), told(404).error_type()),
            (Condition::ItemNotFound, ErrorType::Cancel)
        );
        assert_eq!(
            (told(500).condition(), told(500).error_type()),
            (Condition::InternalServerError, ErrorType::Wait)
        );
        assert_eq!(
            (told(413).condition(), told(413).error_type()),
            (Condition::ResourceConstraint, ErrorType::Modify)
        );
    }
}
