//! What a requester is told when a command cannot go on (XEP-0050 §4.4).

use crate::error::{BoxError, Condition, ErrorType, StanzaError};
use crate::extract::Rejection;
use crate::payload::{CommandErrorCondition, CommandPayload};
use crate::xep::form::FormError;

/// One of the conditions of the specification, each below the general one that belongs to it.
pub(super) fn fault(fault: CommandErrorCondition, text: impl Into<String>) -> StanzaError {
    let error = match fault {
        CommandErrorCondition::SessionExpired => StanzaError::new(Condition::NotAllowed),
        _ => StanzaError::new(Condition::BadRequest),
    };
    let error = error.with_text(text);
    // An element without content can always be written.
    error.clone().with_application(&fault).unwrap_or(error)
}

pub(super) fn unknown() -> StanzaError {
    fault(
        CommandErrorCondition::BadSessionId,
        "no such session of yours",
    )
}

pub(super) fn busy() -> StanzaError {
    fault(
        CommandErrorCondition::BadAction,
        "the step before is still being taken",
    )
}

pub(super) fn expired() -> StanzaError {
    fault(
        CommandErrorCondition::SessionExpired,
        "the session is over: begin anew",
    )
}

/// There are too many sessions. Some will end.
pub(super) fn full() -> StanzaError {
    StanzaError::new(Condition::ResourceConstraint)
        .with_type(ErrorType::Wait)
        .with_text("too many commands are under way")
}

/// The store of the sessions fails. It may be there again in a while.
pub(super) fn out_of_reach(error: &BoxError) -> StanzaError {
    tracing::warn!("a command cannot go on, because its session is out of reach: {error}");
    StanzaError::new(Condition::ResourceConstraint)
        .with_type(ErrorType::Wait)
        .with_text("commands cannot be used at the moment")
}

pub(super) fn too_much() -> StanzaError {
    StanzaError::new(Condition::PolicyViolation).with_text("that is more than one session may hold")
}

/// An error of a session that names it: slixmpp tells nobody of an error that does not.
pub(super) fn with_session(error: BoxError, command: &CommandPayload) -> BoxError {
    match error.downcast::<StanzaError>() {
        // An element of a node and an id can be written, for both have been read.
        Ok(error) => error.clone().with_request(command).unwrap_or(*error).into(),
        Err(error) => error,
    }
}

/// What a function says about the form goes to who filled it in; every other error goes its own
/// way.
pub(super) fn of_form(error: BoxError) -> BoxError {
    match about_form(&error) {
        Some(text) => fault(CommandErrorCondition::BadPayload, text).into(),
        None => error,
    }
}

/// What an error says about what was filled in; `None` when it is about something else.
pub(super) fn about_form(error: &BoxError) -> Option<String> {
    if let Some(error) = error.downcast_ref::<FormError>() {
        return Some(error.to_string());
    }
    let rejection = error
        .downcast_ref::<Rejection>()
        .filter(|rejection| !rejection.is_missing())?;
    rejection.stanza_error().text().map(str::to_owned)
}
