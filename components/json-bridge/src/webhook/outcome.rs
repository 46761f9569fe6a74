//! The outcome of a webhook request, and the mapping of HTTP statuses to stanza errors.

use std::time::Duration;

use bytes::Bytes;
use campanile::error::{Condition, ErrorType, StanzaError};
use hyper::StatusCode;

/// The response body of a webhook that accepted a stanza.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// No JSON.
    Empty,
    Json(Bytes),
    /// JSON under this content type, which does not say so. It is not used, because a page may
    /// contain what others have written.
    Mislabeled(String),
}

impl Answer {
    /// Returns the JSON, or an error that tells how to label it.
    pub(crate) fn json(self) -> Result<Option<Bytes>, String> {
        match self {
            Self::Empty => Ok(None),
            Self::Json(json) => Ok(Some(json)),
            Self::Mislabeled(kind) => Err(format!(
                "the response is JSON, but its content type is {kind:?}; send `Content-Type: \
                application/json`"
            )),
        }
    }
}

/// The outcome of one attempt.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The webhook accepted the stanza, with this response.
    Taken(Answer),
    /// The webhook rejected the stanza permanently. The sender gets this error.
    Refused(StanzaError),
    /// The webhook returned 410 Gone and is disabled.
    Gone,
    /// The attempt failed and is retried, not before `after` if the webhook sent `Retry-After`. The
    /// sender gets `error` once retrying has ended.
    Retry {
        after: Option<Duration>,
        why: String,
        error: StanzaError,
    },
}

impl Outcome {
    /// Maps a status to the outcome for a message. An IQ has one attempt, so it treats a retry as
    /// an error.
    pub(super) fn of(status: StatusCode, retry_after: Option<Duration>, answer: Answer) -> Self {
        match status.as_u16() {
            200..=299 => Self::Taken(answer),
            410 => Self::Gone,
            408 | 425 | 429 => Self::retry(status, retry_after),
            400..=499 => Self::Refused(error(status)),
            // Redirects are not followed, because the operator has not approved their target.
            _ => Self::retry(status, retry_after),
        }
    }

    fn retry(status: StatusCode, after: Option<Duration>) -> Self {
        Self::Retry {
            after,
            why: format!("webhook returned {status}"),
            error: error(status),
        }
    }
}

/// Returns the outcome for a webhook that cannot be reached or does not respond in time.
pub(crate) fn unreachable(why: String) -> Outcome {
    Outcome::Retry {
        after: None,
        why,
        error: Condition::RecipientUnavailable.into(),
    }
}

/// Maps a status to a stanza error, as mod_rest does.
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

/// Returns `not-authorized` in place of `payment-required`, which RFC 6120 has removed. Both ask
/// the sender to authenticate or to obtain access.
fn payment_required() -> StanzaError {
    StanzaError::new(Condition::NotAuthorized)
        .with_text("payment required")
        .with_lang("en")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_map_to_delivery_outcomes() {
        for status in (100..600).filter_map(|code| StatusCode::from_u16(code).ok()) {
            let outcome = Outcome::of(status, None, Answer::Empty);
            match status.as_u16() {
                200..=299 => assert!(matches!(outcome, Outcome::Taken(Answer::Empty)), "{status}"),
                410 => assert!(matches!(outcome, Outcome::Gone)),
                408 | 425 | 429 | 100..=199 | 300..=399 | 500.. => {
                    assert!(matches!(outcome, Outcome::Retry { .. }), "{status}");
                }
                _ => assert!(matches!(outcome, Outcome::Refused(_)), "{status}"),
            }
        }
        let mapped = |code| error(StatusCode::from_u16(code).unwrap());
        assert_eq!(
            (mapped(404).condition(), mapped(404).error_type()),
            (Condition::ItemNotFound, ErrorType::Cancel)
        );
        assert_eq!(
            (mapped(500).condition(), mapped(500).error_type()),
            (Condition::InternalServerError, ErrorType::Wait)
        );
        assert_eq!(
            (mapped(413).condition(), mapped(413).error_type()),
            (Condition::ResourceConstraint, ErrorType::Modify)
        );
    }
}
