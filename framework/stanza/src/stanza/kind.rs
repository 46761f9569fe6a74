//! The three kinds of stanzas and their types (RFC 6120 §8.2, RFC 6121 §4.7.1 and §5.2.2).

use std::fmt;

macro_rules! types {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// All types, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Returns the value of the `type` attribute, empty for presence without one.
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
    /// The type of an IQ stanza (RFC 6120 §8.2.3).
    IqType {
        /// A request for information.
        Get = "get",
        /// A request that changes something.
        Set = "set",
        /// The response to a request that succeeded.
        Result = "result",
        /// The response to a request that failed.
        Error = "error",
    }
}

types! {
    /// The type of a message (RFC 6121 §5.2.2).
    ///
    /// A message with an unknown type is treated as [`MessageType::Normal`].
    MessageType {
        /// A single message outside of a conversation. The default for messages without a type.
        Normal = "normal",
        /// A message of a one-to-one conversation.
        Chat = "chat",
        /// A message from or to a multi-user chat room.
        Groupchat = "groupchat",
        /// An alert or a notification to which no reply is expected.
        Headline = "headline",
        /// A message that could not be delivered or processed.
        Error = "error",
    }
}

types! {
    /// The type of a presence stanza (RFC 6121 §4.7.1).
    PresenceType {
        /// No `type` attribute: the sender is available.
        Available = "",
        /// The sender is no longer available.
        Unavailable = "unavailable",
        /// The sender asks to receive the recipient's presence.
        Subscribe = "subscribe",
        /// The sender allows the recipient to receive its presence.
        Subscribed = "subscribed",
        /// The sender no longer wants to receive the recipient's presence.
        Unsubscribe = "unsubscribe",
        /// The sender denies the request, or revokes an earlier permission.
        Unsubscribed = "unsubscribed",
        /// A server asks for the recipient's current presence.
        Probe = "probe",
        /// A presence stanza that could not be delivered or processed.
        Error = "error",
    }
}

/// The kind of a stanza, and its type within the kind.
///
/// `Display` prints both, such as `iq get` or `message chat`, and `presence` for available
/// presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A request or a response. Each request gets exactly one response.
    Iq(IqType),
    /// A message pushed from one entity to another.
    Message(MessageType),
    /// Availability and subscription.
    Presence(PresenceType),
}

impl Kind {
    /// Returns the name of the stanza's element: `iq`, `message` or `presence`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Iq(_) => "iq",
            Self::Message(_) => "message",
            Self::Presence(_) => "presence",
        }
    }

    /// Returns the value of the `type` attribute, empty for available presence, which has none.
    #[must_use]
    pub const fn type_str(self) -> &'static str {
        match self {
            Self::Iq(iq) => iq.as_str(),
            Self::Message(message) => message.as_str(),
            Self::Presence(presence) => presence.as_str(),
        }
    }

    /// Returns `true` for an IQ of type `get` or `set`, which requires a response (RFC 6120
    /// §8.2.3).
    #[must_use]
    pub const fn is_request(self) -> bool {
        matches!(self, Self::Iq(IqType::Get | IqType::Set))
    }

    /// Returns `true` for an IQ of type `result` or `error`.
    #[must_use]
    pub const fn is_response(self) -> bool {
        matches!(self, Self::Iq(IqType::Result | IqType::Error))
    }

    /// Returns `true` for type `error` of any kind. Errors are never answered (RFC 6120 §8.3.1).
    #[must_use]
    pub const fn is_error(self) -> bool {
        matches!(
            self,
            Self::Iq(IqType::Error)
                | Self::Message(MessageType::Error)
                | Self::Presence(PresenceType::Error)
        )
    }

    /// Returns the same kind with type `error`.
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
