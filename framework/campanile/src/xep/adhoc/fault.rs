//! Error replies for command requests (XEP-0050 §4.4).

use crate::error::{BoxError, Condition, ErrorType, StanzaError};
use crate::extract::Rejection;
use crate::instances::LeaseError;
use crate::payload::{CommandErrorCondition, CommandPayload};
use crate::xep::form::FormError;

/// Builds a stanza error with an application-specific condition of XEP-0050 and the defined
/// condition that belongs to it.
pub(super) fn fault(fault: CommandErrorCondition, text: impl Into<String>) -> StanzaError {
    let error = match fault {
        CommandErrorCondition::SessionExpired => StanzaError::new(Condition::NotAllowed),
        _ => StanzaError::new(Condition::BadRequest),
    };
    let error = error.with_text(text).with_lang("en");
    // Serializing an empty element cannot fail.
    error.clone().with_application(&fault).unwrap_or(error)
}

pub(super) fn unknown() -> StanzaError {
    fault(CommandErrorCondition::BadSessionId, "unknown session")
}

pub(super) fn busy() -> StanzaError {
    fault(
        CommandErrorCondition::BadAction,
        "the previous step is still being processed",
    )
}

pub(super) fn expired() -> StanzaError {
    fault(
        CommandErrorCondition::SessionExpired,
        "session expired: start the command again",
    )
}

/// The session limit is reached. Of type wait, since sessions expire.
pub(super) fn full() -> StanzaError {
    StanzaError::new(Condition::ResourceConstraint)
        .with_type(ErrorType::Wait)
        .with_text("too many open command sessions: try again later")
        .with_lang("en")
}

/// The session store failed. Of type wait, since the failure may be temporary.
pub(super) fn store_failed(error: &BoxError) -> StanzaError {
    tracing::warn!(%error, "session store failed; command rejected");
    StanzaError::new(Condition::ResourceConstraint)
        .with_type(ErrorType::Wait)
        .with_text("commands are temporarily unavailable: try again later")
        .with_lang("en")
}

/// The session could not be acquired from the store.
pub(super) fn not_acquired(error: LeaseError) -> StanzaError {
    match error {
        LeaseError::Busy => busy(),
        LeaseError::Ended => expired(),
        LeaseError::Unknown => unknown(),
        LeaseError::Store(error) => store_failed(&error),
    }
}

pub(super) fn too_large() -> StanzaError {
    StanzaError::new(Condition::PolicyViolation)
        .with_text("form data exceeds the size limit of a session")
        .with_lang("en")
}

/// Adds node and session id to an error. slixmpp ignores errors without them.
pub(super) fn with_session(error: BoxError, command: &CommandPayload) -> BoxError {
    match error.downcast::<StanzaError>() {
        // Serializing cannot fail: node and session id were read from valid XML.
        Ok(error) => error.clone().with_request(command).unwrap_or(*error).into(),
        Err(error) => error,
    }
}

/// Turns an error about the form into bad-payload. Other errors are left alone.
pub(super) fn of_form(error: BoxError) -> BoxError {
    match about_form(&error) {
        Some(text) => fault(CommandErrorCondition::BadPayload, text).into(),
        None => error,
    }
}

/// Returns the text of an error about the form; `None` for any other error.
pub(super) fn about_form(error: &BoxError) -> Option<String> {
    if let Some(error) = error.downcast_ref::<FormError>() {
        return Some(error.to_string());
    }
    let rejection = error
        .downcast_ref::<Rejection>()
        .filter(|rejection| !rejection.is_missing())?;
    rejection.stanza_error().text().map(str::to_owned)
}
