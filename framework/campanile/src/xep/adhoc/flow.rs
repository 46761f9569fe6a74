//! Handling of command requests (XEP-0050 §2.4, §3.4).

use xmpp_parsers::data_forms::{DataForm, DataFormType, Field};

use super::active_session::{SessionUpdate, StepResult};
use super::fault::{fault, of_form, with_session};
use super::output::CommandOutput;
use super::progress::{Progress, Shown};
use super::session::Sessions;
use super::step::Step;
use super::{Command, request::CommandRequest};
use crate::client::Client;
use crate::error::{BoxError, Condition};
use crate::inbound::Inbound;
use crate::instances::SessionKey;
use crate::payload::{
    CommandAction, CommandActions, CommandErrorCondition, CommandPayload as Wire, CommandStatus,
};
use crate::reply::Reply;
use crate::xep::form::{self, Definition, Gathered};

/// A command with its sessions.
pub(super) struct Flow<S> {
    pub(super) command: Command<S>,
    pub(super) sessions: Sessions,
}

/// The result of a step: the next form, or the output of the command.
pub(super) enum Next {
    Show(Shown),
    Done(CommandOutput),
}

impl<S: Send + Sync + 'static> Flow<S> {
    /// Handles one request.
    pub(super) async fn handle(&self, inbound: Inbound, state: S) -> Result<Reply, BoxError> {
        let request = CommandRequest::of(&inbound)?;
        let reply = self.dispatch(&request, inbound, state).await;
        reply.map_err(|error| match &request.session {
            Some(session) => with_session(error, &self.wire(session)),
            None => error,
        })
    }

    async fn dispatch(
        &self,
        request: &CommandRequest,
        inbound: Inbound,
        state: S,
    ) -> Result<Reply, BoxError> {
        if !self.command.access.allows(inbound.sender()) {
            return Err(Condition::Forbidden.into());
        }
        let key = SessionKey {
            owner: inbound.sender().clone(),
            recipient: inbound.recipient().clone(),
            node: self.command.node.clone(),
        };
        let Some(id) = &request.session else {
            return self.begin(request, key, &inbound, &state).await;
        };
        let session = self.acquire(id, &key, &inbound, &state).await?;
        let result = match request.action {
            CommandAction::Cancel => Ok(StepResult {
                update: SessionUpdate::End,
                reply: self.status_reply(id, CommandStatus::Canceled),
            }),
            CommandAction::Prev => self.previous(id, session.progress()),
            action => {
                self.submit(
                    id,
                    action,
                    request.form.as_ref(),
                    session.progress(),
                    &inbound,
                    &state,
                )
                .await
            }
        };
        session.settle(result).await
    }

    async fn begin(
        &self,
        request: &CommandRequest,
        key: SessionKey,
        inbound: &Inbound,
        state: &S,
    ) -> Result<Reply, BoxError> {
        if request.action != CommandAction::Execute {
            return Err(fault(
                CommandErrorCondition::BadSessionId,
                "no session to continue: start the command with the action execute",
            )
            .into());
        }
        let id = inbound.client().fresh_id();
        match self.next(0, Vec::new(), inbound, state).await? {
            Next::Done(outcome) => self.done(&id, outcome),
            Next::Show(shown) => {
                let reply = self.show(&id, &shown, true)?;
                self.store_session(id, key, Progress { shown: vec![shown] }, inbound.client())
                    .await?;
                Ok(reply)
            }
        }
    }

    /// Creates a local session for one that was started by another process on the same JID.
    ///
    /// This works for a command with a single fixed form only, because continuing it needs no state
    /// of the other process.
    pub(super) fn adopt(
        &self,
        id: &str,
        key: &SessionKey,
        client: &Client,
    ) -> Result<(), BoxError> {
        let [Step::Fixed(definition)] = &self.command.steps[..] else {
            return Ok(());
        };
        if client.shared().instances.belongs_to_peer(id) && !self.sessions.knows(id) {
            let shown = Shown {
                at: 0,
                definition: (**definition).clone(),
                values: Vec::new(),
            };
            let started =
                self.sessions
                    .begin(id.to_owned(), key.clone(), Progress { shown: vec![shown] });
            started.inspect_err(|_| client.shared().counters.sessions_refused.inc())?;
        }
        Ok(())
    }

    /// Checks the submitted form of the current step, and moves on.
    async fn submit(
        &self,
        id: &str,
        action: CommandAction,
        form: Option<&DataForm>,
        progress: &Progress,
        inbound: &Inbound,
        state: &S,
    ) -> Result<StepResult, BoxError> {
        let mut shown = progress.shown.clone();
        let Some(step) = shown.last_mut() else {
            return Err(Condition::InternalServerError.into());
        };
        let allowed = self.actions(step.at);
        let allowed = match action {
            CommandAction::Next => allowed.next,
            CommandAction::Complete => allowed.complete,
            _ => true,
        };
        if !allowed {
            return Err(fault(
                CommandErrorCondition::BadAction,
                format!("action {action} is not allowed at this step"),
            )
            .into());
        }
        step.values = values(&step.definition, form)?;
        let from = step.at + 1;
        let mut progress = Progress { shown };
        let next = match action {
            CommandAction::Complete => {
                self.complete_rest(from, &mut progress, inbound, state)
                    .await
            }
            _ => self.next(from, progress.gathered(), inbound, state).await,
        };
        match next.map_err(of_form)? {
            Next::Done(outcome) => Ok(StepResult {
                update: SessionUpdate::End,
                reply: self.done(id, outcome),
            }),
            Next::Show(next) => {
                let reply = self.show(id, &next, false)?;
                progress.shown.push(next);
                Ok(StepResult {
                    update: SessionUpdate::Continue(progress),
                    reply: Ok(reply),
                })
            }
        }
    }

    /// Shows the previous step again, with the values that were entered.
    fn previous(&self, id: &str, progress: &Progress) -> Result<StepResult, BoxError> {
        let mut shown = progress.shown.clone();
        shown.pop();
        let Some(step) = shown.last() else {
            return Err(fault(
                CommandErrorCondition::BadAction,
                "there is no previous step",
            )
            .into());
        };
        let reply = self.show(id, step, shown.len() == 1)?;
        Ok(StepResult {
            update: SessionUpdate::Continue(Progress { shown }),
            reply: Ok(reply),
        })
    }

    /// Returns the first step from index `from` that has a form. If there is none, runs the
    /// command.
    pub(super) async fn next(
        &self,
        from: usize,
        values: Vec<Field>,
        inbound: &Inbound,
        state: &S,
    ) -> Result<Next, BoxError> {
        let inbound = gathered(inbound, values);
        for (at, step) in self.command.steps.iter().enumerate().skip(from) {
            if let Some(definition) = step.form(&inbound, state).await? {
                return Ok(Next::Show(Shown {
                    at,
                    definition,
                    values: Vec::new(),
                }));
            }
        }
        (self.command.run)(&inbound, state).await.map(Next::Done)
    }

    /// Completes the steps from index `from` with their preset values, up to the first step that
    /// needs input. XEP-0050 §3.4: the command is completed if possible.
    async fn complete_rest(
        &self,
        mut from: usize,
        progress: &mut Progress,
        inbound: &Inbound,
        state: &S,
    ) -> Result<Next, BoxError> {
        loop {
            let mut shown = match self.next(from, progress.gathered(), inbound, state).await? {
                Next::Show(shown) => shown,
                done @ Next::Done(_) => return Ok(done),
            };
            let preset = shown.definition.with_values(&[]);
            let Ok(values) = values(&shown.definition, Some(&preset)) else {
                return Ok(Next::Show(shown));
            };
            from = shown.at + 1;
            shown.values = values;
            progress.shown.push(shown);
        }
    }

    /// Returns the actions that are allowed at a step, except for `prev`.
    fn actions(&self, at: usize) -> CommandActions {
        let last = at + 1 >= self.command.steps.len();
        let execute = if last {
            CommandAction::Complete
        } else {
            CommandAction::Next
        };
        let complete = last || self.command.completable.contains(&at);
        CommandActions {
            execute: Some(execute),
            prev: false,
            next: !last,
            complete,
        }
    }

    fn show(&self, id: &str, shown: &Shown, first: bool) -> Result<Reply, BoxError> {
        let actions = CommandActions {
            prev: !first,
            ..self.actions(shown.at)
        };
        let form = shown.definition.with_values(&shown.values);
        let reply = Wire {
            actions: Some(actions),
            payloads: vec![form::element(&form)?],
            ..self.wire(id)
        };
        Ok(Reply::payload(&Wire {
            status: Some(CommandStatus::Executing),
            ..reply
        })?)
    }

    fn done(&self, id: &str, outcome: CommandOutput) -> Result<Reply, BoxError> {
        let (notes, payloads) = outcome.into_wire()?;
        let reply = Wire {
            notes,
            payloads,
            status: Some(CommandStatus::Completed),
            ..self.wire(id)
        };
        Ok(Reply::payload(&reply)?)
    }

    fn status_reply(&self, id: &str, status: CommandStatus) -> Result<Reply, BoxError> {
        Ok(Reply::payload(&Wire {
            status: Some(status),
            ..self.wire(id)
        })?)
    }

    fn wire(&self, id: &str) -> Wire {
        Wire {
            session: Some(id.to_owned()),
            ..Wire::new(self.command.node.as_str())
        }
    }
}

/// Attaches the values of earlier steps to the request, for [`Form`](crate::form::Form).
pub(super) fn gathered(inbound: &Inbound, values: Vec<Field>) -> Inbound {
    let mut inbound = inbound.clone();
    inbound.extensions_mut().insert(Gathered(values));
    inbound
}

/// Checks a submitted form against its definition, and returns its values.
fn values(definition: &Definition, form: Option<&DataForm>) -> Result<Vec<Field>, BoxError> {
    let nothing = || DataForm {
        type_: DataFormType::Submit,
        title: None,
        instructions: None,
        fields: Vec::new(),
    };
    // XEP-0050 §3.5.1: a form of type cancel counts as submitted; the action decides what happens.
    let form = form.map_or_else(nothing, |form| DataForm {
        type_: DataFormType::Submit,
        ..form.clone()
    });
    definition
        .check(&form)
        .map_err(|error| of_form(error.into()))?;
    Ok(definition.complete(&form.fields))
}
