//! Ad-hoc commands (XEP-0050) on the wire.

use minidom::Element;
use xso::{AsXml, FromXml};

use super::text_enum::text_enum;

/// Namespace of ad-hoc commands; also the node that lists them (XEP-0050 §2.2).
pub const COMMANDS: &str = "http://jabber.org/protocol/commands";

/// A request to run a command or to go on with it, and what is answered (XEP-0050 §4.1).
#[derive(Debug, Clone, PartialEq, FromXml, AsXml)]
#[xml(namespace = COMMANDS, name = "command")]
pub struct CommandPayload {
    /// Which command.
    #[xml(attribute)]
    pub node: String,
    /// The session, from the first answer on.
    #[xml(attribute(name = "sessionid", default))]
    pub session: Option<String>,
    /// Of a request: what to do; [`CommandAction::Execute`] unless said.
    #[xml(attribute(default))]
    pub action: Option<CommandAction>,
    /// Of an answer: how far it is.
    #[xml(attribute(default))]
    pub status: Option<CommandStatus>,
    /// Of an answer: which actions may follow.
    #[xml(child(default))]
    pub actions: Option<CommandActions>,
    /// Texts for people.
    #[xml(child(n = ..))]
    pub notes: Vec<Note>,
    /// Forms and whatever else belongs to it.
    #[xml(element(n = ..))]
    pub payloads: Vec<Element>,
}

impl CommandPayload {
    /// The command of this node, and nothing more.
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
    /// What a requester wants done with a command (XEP-0050 §3.4).
    CommandAction {
        /// To begin, or to go on as the command itself suggests.
        Execute = "execute",
        /// To end it without effect.
        Cancel = "cancel",
        /// To see the step before again.
        Prev = "prev",
        /// To take this step and see the next.
        Next = "next",
        /// To take this step and do what the command is for.
        Complete = "complete",
    }
}

text_enum! {
    /// How far a command is (XEP-0050 §4.1).
    CommandStatus {
        /// Done, with or without success.
        Completed = "completed",
        /// Given up.
        Canceled = "canceled",
        /// Waiting for the requester.
        Executing = "executing",
    }
}

/// Which actions may follow, besides to cancel (XEP-0050 §3.4).
#[derive(Debug, Clone, Default, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = COMMANDS, name = "actions")]
pub struct CommandActions {
    /// What to execute means at this step.
    #[xml(attribute(default))]
    pub execute: Option<CommandAction>,
    /// There is a step before.
    #[xml(flag)]
    pub prev: bool,
    /// There is a step behind.
    #[xml(flag)]
    pub next: bool,
    /// It may be completed now.
    #[xml(flag)]
    pub complete: bool,
}

text_enum! {
    /// How serious a note is (XEP-0050 §4.3).
    NoteType {
        /// Nothing but information.
        Info = "info",
        /// Something is odd.
        Warn = "warn",
        /// The command failed.
        Error = "error",
    }
}

/// A text for people beside what a command answers (XEP-0050 §4.3).
#[derive(Debug, Clone, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = COMMANDS, name = "note")]
pub struct Note {
    /// How serious it is; [`NoteType::Info`] unless said.
    #[xml(attribute(name = "type", default))]
    pub kind: Option<NoteType>,
    /// The text.
    #[xml(text)]
    pub text: String,
}

impl Note {
    /// Information.
    #[must_use]
    pub fn info(text: impl Into<String>) -> Self {
        Self {
            kind: Some(NoteType::Info),
            text: text.into(),
        }
    }

    /// A warning.
    #[must_use]
    pub fn warn(text: impl Into<String>) -> Self {
        Self {
            kind: Some(NoteType::Warn),
            text: text.into(),
        }
    }

    /// Why the command failed.
    #[must_use]
    pub fn error(text: impl Into<String>) -> Self {
        Self {
            kind: Some(NoteType::Error),
            text: text.into(),
        }
    }
}

/// What exactly is wrong with a request: an application-specific condition (XEP-0050 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromXml, AsXml)]
#[xml(namespace = COMMANDS, exhaustive)]
pub enum CommandErrorCondition {
    /// The action does not exist.
    #[xml(name = "malformed-action")]
    MalformedAction,
    /// The action is not allowed at this step.
    #[xml(name = "bad-action")]
    BadAction,
    /// The language is not spoken.
    #[xml(name = "bad-locale")]
    BadLocale,
    /// The form is not filled in as it must be.
    #[xml(name = "bad-payload")]
    BadPayload,
    /// There is no such session of this requester.
    #[xml(name = "bad-sessionid")]
    BadSessionId,
    /// The session is over.
    #[xml(name = "session-expired")]
    SessionExpired,
}
