//! Parsing of command requests.

use xmpp_parsers::data_forms::DataForm;

use super::fault::fault;
use crate::error::{BoxError, Condition, StanzaError};
use crate::inbound::Inbound;
use crate::payload::{CommandAction, CommandErrorCondition, CommandPayload};
use crate::xep::form;

/// A parsed command request.
pub(super) struct CommandRequest {
    pub(super) session: Option<String>,
    pub(super) action: CommandAction,
    pub(super) form: Option<DataForm>,
}

impl CommandRequest {
    pub(super) fn of(inbound: &Inbound) -> Result<Self, BoxError> {
        let payload = inbound
            .stanza()
            .children()
            .first()
            .ok_or(Condition::BadRequest)?;
        let action = match payload.attribute("action") {
            None => CommandAction::Execute,
            Some(word) => word.parse().map_err(|_| {
                fault(
                    CommandErrorCondition::MalformedAction,
                    format!("unknown action {word:?}"),
                )
            })?,
        };
        let command: CommandPayload = payload.parse().map_err(|error| {
            StanzaError::new(Condition::BadRequest)
                .with_text(error.to_string())
                .with_lang("en")
        })?;
        let form = command
            .payloads
            .into_iter()
            .find(|payload| payload.is("x", form::NS))
            .map(|form| {
                DataForm::try_from(form).map_err(|error| {
                    fault(
                        CommandErrorCondition::BadPayload,
                        format!("invalid form: {error}"),
                    )
                })
            });
        Ok(Self {
            session: command.session,
            action,
            form: form.transpose()?,
        })
    }
}
