//! Payloads of ad-hoc commands (XEP-0050).

use minidom::Element;
use xso::{AsXml, FromXml};

use super::text_enum::text_enum;

/// The namespace of ad-hoc commands, which is also the disco node that lists them (XEP-0050 §2.2).
pub const COMMANDS: &str = "http://jabber.org/protocol/commands";

/// The `<command/>` element: a request to run or continue a command, and its response (XEP-0050
/// §4.1).
#[derive(Debug, Clone, PartialEq, FromXml, AsXml)]
#[xml(namespace = COMMANDS, name = "command")]
pub struct CommandPayload {
    /// The node of the command.
    #[xml(attribute)]
    pub node: String,
    /// The session id, which the first response assigns.
    #[xml(attribute(name = "sessionid", default))]
    pub session: Option<String>,
    /// In a request: the action. `None` means [`CommandAction::Execute`].
    #[xml(attribute(default))]
    pub action: Option<CommandAction>,
    /// In a response: the status of the session.
    #[xml(attribute(default))]
    pub status: Option<CommandStatus>,
    /// In a response: the allowed next actions.
    #[xml(child(default))]
    pub actions: Option<CommandActions>,
    /// Notes for the user.
    #[xml(child(n = ..))]
    pub notes: Vec<Note>,
    /// Data forms and other payloads.
    #[xml(element(n = ..))]
    pub payloads: Vec<Element>,
}

impl CommandPayload {
    /// Creates a command element with the given node and nothing else.
    #[must_use]
    pub fn new(node: impl Into<String>) -> Self {
        Self {
            node: node.into(),
            session: None,
            action: None,
            status: None,
            actions: None,
            notes: Vec::new(),
            payloads: Vec::new(),
        }
    }
}

text_enum! {
    /// The action that a requester asks for (XEP-0050 §3.4).
    CommandAction {
        /// Start the command, or continue with the default action of the step.
        Execute = "execute",
        /// Cancel the command.
        Cancel = "cancel",
        /// Go back to the previous step.
        Prev = "prev",
        /// Submit this step and go to the next one.
        Next = "next",
        /// Submit this step and complete the command.
        Complete = "complete",
    }
}

text_enum! {
    /// The status of a command session (XEP-0050 §4.1).
    CommandStatus {
        /// The command has finished, with or without success.
        Completed = "completed",
        /// The command was canceled.
        Canceled = "canceled",
        /// The command waits for the requester.
        Executing = "executing",
    }
}

/// The allowed next actions, in addition to [`CommandAction::Cancel`] (XEP-0050 §3.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = COMMANDS, name = "actions")]
pub struct CommandActions {
    /// The default action, which [`CommandAction::Execute`] performs at this step.
    #[xml(attribute(default))]
    pub execute: Option<CommandAction>,
    /// [`CommandAction::Prev`] is allowed.
    #[xml(flag)]
    pub prev: bool,
    /// [`CommandAction::Next`] is allowed.
    #[xml(flag)]
    pub next: bool,
    /// [`CommandAction::Complete`] is allowed.
    #[xml(flag)]
    pub complete: bool,
}

text_enum! {
    /// The severity of a [`Note`] (XEP-0050 §4.3).
    NoteType {
        /// Information.
        Info = "info",
        /// A warning.
        Warn = "warn",
        /// An error: the command failed.
        Error = "error",
    }
}

/// A human-readable note in the response of a command (XEP-0050 §4.3).
#[derive(Debug, Clone, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = COMMANDS, name = "note")]
pub struct Note {
    /// The severity. `None` means [`NoteType::Info`].
    #[xml(attribute(name = "type", default))]
    pub kind: Option<NoteType>,
    /// The text.
    #[xml(text)]
    pub text: String,
}

impl Note {
    /// Creates an informational note.
    #[must_use]
    pub fn info(text: impl Into<String>) -> Self {
        Self {
            kind: Some(NoteType::Info),
            text: text.into(),
        }
    }

    /// Creates a warning.
    #[must_use]
    pub fn warn(text: impl Into<String>) -> Self {
        Self {
            kind: Some(NoteType::Warn),
            text: text.into(),
        }
    }

    /// Creates an error note.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            kind: Some(NoteType::Error),
            text: text.into(),
        }
    }
}

/// The application-specific error conditions of ad-hoc commands (XEP-0050 §4.4).
///
/// Add one to a [`StanzaError`](crate::error::StanzaError) with
/// [`with_application`](crate::error::StanzaError::with_application).
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = COMMANDS, exhaustive)]
pub enum CommandErrorCondition {
    /// The requested action does not exist.
    #[xml(name = "malformed-action")]
    MalformedAction,
    /// The requested action is not allowed at this step.
    #[xml(name = "bad-action")]
    BadAction,
    /// The requested language is not supported.
    #[xml(name = "bad-locale")]
    BadLocale,
    /// The payload is invalid, such as a form with missing fields.
    #[xml(name = "bad-payload")]
    BadPayload,
    /// The requester has no session with this id.
    #[xml(name = "bad-sessionid")]
    BadSessionId,
    /// The session has expired.
    #[xml(name = "session-expired")]
    SessionExpired,
}
