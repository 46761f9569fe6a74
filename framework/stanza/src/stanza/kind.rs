//! The three kinds of stanza and their types (RFC 6120 §8.2, RFC 6121 §4.7.1 and §5.2.2).

use std::fmt;

macro_rules! types {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Every type, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The value of the `type` attribute; of presence without one, the empty string.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// Parses the value of the attribute `type`.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

types! {
    /// Type of an IQ stanza (RFC 6120 §8.2.3).
    IqType {
        /// A request for information.
        Get = "get",
        /// A request that changes something.
        Set = "set",
        /// The answer to a request that succeeded.
        Result = "result",
        /// The answer to a request that failed.
        Error = "error",
    }
}

types! {
    /// Type of a message (RFC 6121 §5.2.2). An unknown one counts as [`MessageType::Normal`].
    MessageType {
        /// Outside any conversation; what a message without type is.
        Normal = "normal",
        /// One-to-one conversation.
        Chat = "chat",
        /// From or to a room.
        Groupchat = "groupchat",
        /// An alert or a notification to which no reply is expected.
        Headline = "headline",
        /// A message that came back.
        Error = "error",
    }
}

types! {
    /// Type of a presence stanza (RFC 6121 §4.7.1).
    PresenceType {
        /// No `type` attribute: the sender is available.
        Available = "",
        /// The sender is no longer available.
        Unavailable = "unavailable",
        /// The sender wants to see the recipient's presence.
        Subscribe = "subscribe",
        /// The sender lets the recipient see its presence.
        Subscribed = "subscribed",
        /// The sender no longer wants to see the recipient's presence.
        Unsubscribe = "unsubscribe",
        /// The sender no longer lets the recipient see its presence.
        Unsubscribed = "unsubscribed",
        /// A server asks for the current presence.
        Probe = "probe",
        /// A presence stanza that came back.
        Error = "error",
    }
}

/// What a stanza is: its kind and, within the kind, its type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Request and answer, at most one answer for each request.
    Iq(IqType),
    /// Push from one entity to another.
    Message(MessageType),
    /// Availability and subscription.
    Presence(PresenceType),
}

impl Kind {
    /// Name of the stanza's element: `iq`, `message` or `presence`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iq(_) => "iq",
            Self::Message(_) => "message",
            Self::Presence(_) => "presence",
        }
    }

    /// Value of the `type` attribute; empty for available presence, which has none.
    #[must_use]
    pub const fn type_str(self) -> &'static str {
        match self {
            Self::Iq(iq) => iq.as_str(),
            Self::Message(message) => message.as_str(),
            Self::Presence(presence) => presence.as_str(),
        }
    }

    /// An IQ get or set: the one thing that must be answered (RFC 6120 §8.2.3).
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(self, Self::Iq(IqType::Get | IqType::Set))
    }

    /// An IQ result or error.
    #[must_use]
    pub const fn is_response(self) -> bool {
        matches!(self, Self::Iq(IqType::Result | IqType::Error))
    }

    /// A stanza of type `error`, of any kind. It is never answered (RFC 6120 §8.3.1).
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(
            self,
            Self::Iq(IqType::Error)
                | Self::Message(MessageType::Error)
                | Self::Presence(PresenceType::Error)
        )
    }

    /// The same kind with type `error`.
    #[must_use]
    pub const fn to_error(self) -> Self {
        match self {
            Self::Iq(_) => Self::Iq(IqType::Error),
            Self::Message(_) => Self::Message(MessageType::Error),
            Self::Presence(_) => Self::Presence(PresenceType::Error),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.type_str() {
            "" => f.write_str(self.name()),
            kind => write!(f, "{} {kind}", self.name()),
        }
    }
}
