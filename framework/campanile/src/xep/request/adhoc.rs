//! Running the commands of others (XEP-0050).

use jid::Jid;
use xmpp_parsers::data_forms::DataForm;

use crate::client::{Client, IqError};
use crate::payload::{CommandAction, CommandActions, CommandPayload, CommandStatus, Note};

/// What a command has answered, and how to go on.
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
    /// Runs a command. Which ones there are is said by [`Client::disco_items_of`] the node
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
    /// The command has done what it is for, and there is nothing to go on with.
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.answer.status == Some(CommandStatus::Completed)
    }

    /// The form to fill in, or the result.
    #[must_use]
    pub fn form(&self) -> Option<DataForm> {
        self.answer
            .payloads
            .iter()
            .find_map(|payload| DataForm::try_from(payload.clone()).ok())
    }

    /// Texts for people.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.answer.notes
    }

    /// Which actions may follow; `None` means that the command is completed by the next one.
    #[must_use]
    pub fn actions(&self) -> Option<&CommandActions> {
        self.answer.actions.as_ref()
    }

    /// The whole answer.
    #[must_use]
    pub fn answer(&self) -> &CommandPayload {
        &self.answer
    }

    /// Goes on as the command itself suggests.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn execute(self, form: Option<DataForm>) -> Result<Self, IqError> {
        self.act(CommandAction::Execute, form).await
    }

    /// Takes this step, and asks for the next one.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn next(self, form: Option<DataForm>) -> Result<Self, IqError> {
        self.act(CommandAction::Next, form).await
    }

    /// Takes this step as the last one.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn complete(self, form: Option<DataForm>) -> Result<Self, IqError> {
        self.act(CommandAction::Complete, form).await
    }

    /// Goes back to the step before.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn prev(self) -> Result<Self, IqError> {
        self.act(CommandAction::Prev, None).await
    }

    /// Gives the command up.
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
