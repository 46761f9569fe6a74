//! Running ad-hoc commands of other entities (XEP-0050).

use jid::Jid;
use xmpp_parsers::data_forms::DataForm;

use crate::client::{Client, IqError};
use crate::payload::{CommandAction, CommandPayload, CommandStatus};

/// The response of a command, with the methods to continue it.
///
/// ```
/// # use campanile::{client::Client, error::BoxError, jid::Jid};
/// use campanile::form::Definition;
///
/// #[derive(serde::Serialize)]
/// struct Announcement {
///     subject: &'static str,
///     body: &'static str,
/// }
///
/// # async fn example(client: Client, server: Jid) -> Result<(), BoxError> {
/// let announce = client.command(server, "http://jabber.org/protocol/admin#announce").await?;
/// let text = Announcement { subject: "Tonight", body: "The server is restarted at nine" };
/// let done = announce.complete(Some(Definition::new().submit(&text)?)).await?;
/// assert!(done.is_completed());
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct CommandStep {
    client: Client,
    to: Jid,
    answer: CommandPayload,
}

impl Client {
    /// Starts a command.
    ///
    /// The available commands are listed by [`Client::disco_items`] with the node
    /// [`COMMANDS`](crate::payload::COMMANDS).
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn command(
        &self,
        to: impl Into<Jid>,
        node: impl Into<String>,
    ) -> Result<CommandStep, IqError> {
        let command = CommandPayload {
            action: Some(CommandAction::Execute),
            ..CommandPayload::new(node)
        };
        run(self.clone(), to.into(), command).await
    }
}

impl CommandStep {
    /// Returns `true` if the command has completed and cannot be continued.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.answer.status == Some(CommandStatus::Completed)
    }

    /// Returns the form to fill in, or the result.
    #[must_use]
    pub fn form(&self) -> Option<DataForm> {
        self.answer
            .payloads
            .iter()
            .find_map(|payload| DataForm::try_from(payload.clone()).ok())
    }

    /// Returns the whole response.
    ///
    /// It contains the notes to show to people and the actions that may follow. Without actions,
    /// the next step completes the command.
    #[must_use]
    pub fn answer(&self) -> &CommandPayload {
        &self.answer
    }

    /// Continues with the command's default action.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn execute(self, form: Option<DataForm>) -> Result<Self, IqError> {
        self.act(CommandAction::Execute, form).await
    }

    /// Submits this step and requests the next one.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn next(self, form: Option<DataForm>) -> Result<Self, IqError> {
        self.act(CommandAction::Next, form).await
    }

    /// Submits this step and completes the command.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn complete(self, form: Option<DataForm>) -> Result<Self, IqError> {
        self.act(CommandAction::Complete, form).await
    }

    /// Returns to the previous step.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn prev(self) -> Result<Self, IqError> {
        self.act(CommandAction::Prev, None).await
    }

    /// Cancels the command.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn cancel(self) -> Result<(), IqError> {
        self.act(CommandAction::Cancel, None).await.map(drop)
    }

    async fn act(self, action: CommandAction, form: Option<DataForm>) -> Result<Self, IqError> {
        let CommandPayload { node, session, .. } = self.answer;
        let payloads = form.into_iter().map(Into::into).collect();
        run(
            self.client,
            self.to,
            CommandPayload {
                session,
                action: Some(action),
                payloads,
                ..CommandPayload::new(node)
            },
        )
        .await
    }
}

async fn run(client: Client, to: Jid, command: CommandPayload) -> Result<CommandStep, IqError> {
    let answer = client.iq_set(to.clone(), &command).await?;
    Ok(CommandStep { client, to, answer })
}
