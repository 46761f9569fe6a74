//! One command at work: what becomes of each request (XEP-0050 §2.4, §3.4).

use xmpp_parsers::data_forms::{DataForm, DataFormType, Field};

use super::fault::{fault, of_form, with_session};
use super::lease::{After, Turn};
use super::output::CommandOutput;
use super::session::{Progress, Sessions, Shown};
use super::step::Step;
use super::store::SessionKey;
use super::{Command, request::Request};
use crate::client::{Client, instance_of};
use crate::error::{BoxError, Condition};
use crate::inbound::Inbound;
use crate::payload::{
    CommandAction, CommandActions, CommandErrorCondition, CommandPayload as Wire, CommandStatus,
};
use crate::reply::Reply;
use crate::xep::form::{self, Definition, Gathered};

/// A command, and where its sessions are.
pub(super) struct Flow<S> {
    pub(super) command: Command<S>,
    pub(super) sessions: Sessions,
}

/// What comes after a step.
pub(super) enum Next {
    Show(Shown),
    Done(CommandOutput),
}

impl<S: Send + Sync + 'static> Flow<S> {
    /// Answers one request.
    pub(super) async fn handle(&self, inbound: Inbound, state: S) -> Result<Reply, BoxError> {
        let request = Request::of(&inbound)?;
        let answered = self.answered(&request, inbound, state).await;
        answered.map_err(|error| match &request.session {
            Some(session) => with_session(error, &self.wire(session)),
            None => error,
        })
    }

    async fn answered(
        &self,
        request: &Request,
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
        let held = self.hold(id, &key, &inbound, &state).await?;
        let turn = match request.action {
            CommandAction::Cancel => Ok(Turn {
                after: After::Over,
                answer: self.answer(id, CommandStatus::Canceled),
            }),
            CommandAction::Prev => self.back(id, held.progress()),
            action => {
                self.on(
                    id,
                    action,
                    request.form.as_ref(),
                    held.progress(),
                    &inbound,
                    &state,
                )
                .await
            }
        };
        held.settle(turn).await
    }

    async fn begin(
        &self,
        request: &Request,
        key: SessionKey,
        inbound: &Inbound,
        state: &S,
    ) -> Result<Reply, BoxError> {
        if request.action != CommandAction::Execute {
            return Err(fault(
                CommandErrorCondition::BadSessionId,
                "there is no session to go on with",
            )
            .into());
        }
        let id = inbound.client().fresh_id();
        match self.next(0, Vec::new(), inbound, state).await? {
            Next::Done(outcome) => self.done(&id, outcome),
            Next::Show(shown) => {
                let answer = self.show(&id, &shown, true)?;
                self.keep(id, key, Progress { shown: vec![shown] }, inbound.client())
                    .await?;
                Ok(answer)
            }
        }
    }

    /// Where several processes are mounted on one JID, what was begun by one of them may go on at
    /// any. A command with one form, always the same, needs nothing that another process knows: it
    /// is as if it had been begun here.
    pub(super) fn adopt(
        &self,
        id: &str,
        key: &SessionKey,
        client: &Client,
    ) -> Result<(), BoxError> {
        let is_foreign = client.has_peers()
            && instance_of(id).is_some_and(|instance| instance != client.instance());
        let [Step::Fixed(definition)] = &self.command.steps[..] else {
            return Ok(());
        };
        if is_foreign && !self.sessions.knows(id) {
            let shown = Shown {
                at: 0,
                definition: (**definition).clone(),
                values: Vec::new(),
            };
            let begun =
                self.sessions
                    .begin(id.to_owned(), key.clone(), Progress { shown: vec![shown] });
            begun.inspect_err(|_| client.shared().counters.sessions_refused.inc())?;
        }
        Ok(())
    }

    /// Takes the step that is shown, and goes on.
    async fn on(
        &self,
        id: &str,
        action: CommandAction,
        form: Option<&DataForm>,
        progress: &Progress,
        inbound: &Inbound,
        state: &S,
    ) -> Result<Turn, BoxError> {
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
                format!("this step cannot be taken by {action}"),
            )
            .into());
        }
        step.values = values(&step.definition, form)?;
        let from = step.at + 1;
        let mut progress = Progress { shown };
        let next = match action {
            CommandAction::Complete => self.rest(from, &mut progress, inbound, state).await,
            _ => self.next(from, progress.gathered(), inbound, state).await,
        };
        match next.map_err(of_form)? {
            Next::Done(outcome) => Ok(Turn {
                after: After::Over,
                answer: self.done(id, outcome),
            }),
            Next::Show(next) => {
                let answer = self.show(id, &next, false)?;
                progress.shown.push(next);
                Ok(Turn {
                    after: After::On(progress),
                    answer: Ok(answer),
                })
            }
        }
    }

    /// Shows the step before again, as it was filled in.
    fn back(&self, id: &str, progress: &Progress) -> Result<Turn, BoxError> {
        let mut shown = progress.shown.clone();
        shown.pop();
        let Some(step) = shown.last() else {
            return Err(fault(
                CommandErrorCondition::BadAction,
                "there is no step before this one",
            )
            .into());
        };
        let answer = self.show(id, step, shown.len() == 1)?;
        Ok(Turn {
            after: After::On(Progress { shown }),
            answer: Ok(answer),
        })
    }

    /// The first step from here that has something to ask; without any, the command is run.
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

    /// Takes the steps from here as they are preset, up to the first that is not. XEP-0050 §3.4:
    /// completed if possible.
    async fn rest(
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

    /// What may follow the step, but for a step before it.
    fn actions(&self, at: usize) -> CommandActions {
        let last = at + 1 >= self.command.steps.len();
        let execute = if last {
            CommandAction::Complete
        } else {
            CommandAction::Next
        };
        let complete = last || self.command.enough.contains(&at);
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
        let answer = Wire {
            actions: Some(actions),
            payloads: vec![form::element(&form)?],
            ..self.wire(id)
        };
        Ok(Reply::payload(&Wire {
            status: Some(CommandStatus::Executing),
            ..answer
        })?)
    }

    fn done(&self, id: &str, outcome: CommandOutput) -> Result<Reply, BoxError> {
        let (notes, payloads) = outcome.into_wire()?;
        let answer = Wire {
            notes,
            payloads,
            status: Some(CommandStatus::Completed),
            ..self.wire(id)
        };
        Ok(Reply::payload(&answer)?)
    }

    fn answer(&self, id: &str, status: CommandStatus) -> Result<Reply, BoxError> {
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

/// The request, with what was filled in before.
pub(super) fn gathered(inbound: &Inbound, values: Vec<Field>) -> Inbound {
    let mut inbound = inbound.clone();
    inbound.extensions_mut().insert(Gathered(values));
    inbound
}

/// What was filled in, held against what was asked.
fn values(definition: &Definition, form: Option<&DataForm>) -> Result<Vec<Field>, BoxError> {
    let nothing = || DataForm {
        type_: DataFormType::Submit,
        title: None,
        instructions: None,
        fields: Vec::new(),
    };
    // XEP-0050 §3.5.1: a form of type cancel counts as submitted, for the action says what is
    // wanted.
    let form = form.map_or_else(nothing, |form| DataForm {
        type_: DataFormType::Submit,
        ..form.clone()
    });
    definition
        .check(&form)
        .map_err(|error| of_form(error.into()))?;
    Ok(definition.complete(&form.fields))
}
