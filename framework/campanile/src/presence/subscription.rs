//! The subscription between two bare JIDs, and what each stanza does to it (RFC 6121 Appendix A).

use std::fmt;

use crate::stanza::PresenceType;

/// The subscription between an address of ours and a peer.
///
/// Each of its halves has three states, so there are the nine of RFC 6121 Appendix A.1; the halves
/// do not touch each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// Whether we see the peer's presence.
    pub to: Half,
    /// Whether the peer sees ours.
    pub from: Half,
}

/// One direction of a subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Half {
    /// There is none.
    #[default]
    No,
    /// It was asked for, and is not decided.
    Pending,
    /// There is one.
    Yes,
}

impl Half {
    /// What a store may write for it: 0, 1 and 2, in the order above.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::No => 0,
            Self::Pending => 1,
            Self::Yes => 2,
        }
    }

    /// What was written by this [`number`](Self::number); no other means anything.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        [Self::No, Self::Pending, Self::Yes]
            .into_iter()
            .find(|half| half.number() == number)
    }
}

/// A stanza that changes a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Its sender wants to see the recipient's presence.
    Subscribe,
    /// Its sender lets the recipient see its own.
    Subscribed,
    /// Its sender no longer wants to see the recipient's.
    Unsubscribe,
    /// Its sender no longer lets the recipient see its own.
    Unsubscribed,
}

/// What a stanza does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The subscription from now on.
    pub next: Subscription,
    /// Of one of ours: it must go out. Of the peer's: it is news, and not said before.
    pub passes: bool,
}

impl Change {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::Subscribe,
        Self::Subscribed,
        Self::Unsubscribe,
        Self::Unsubscribed,
    ];

    /// The type of presence that says it.
    #[must_use]
    pub const fn presence_type(self) -> PresenceType {
        match self {
            Self::Subscribe => PresenceType::Subscribe,
            Self::Subscribed => PresenceType::Subscribed,
            Self::Unsubscribe => PresenceType::Unsubscribe,
            Self::Unsubscribed => PresenceType::Unsubscribed,
        }
    }

    /// What a type of presence says about subscriptions, if anything.
    #[must_use]
    pub fn of(presence: PresenceType) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|change| change.presence_type() == presence)
    }
}

impl Subscription {
    /// Neither sees the other, and nobody has asked.
    pub const NONE: Self = Self {
        to: Half::No,
        from: Half::No,
    };

    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// One of our stanzas (RFC 6121 §A.2).
    #[must_use]
    pub fn outbound(self, change: Change) -> Step {
        let Self { to, from } = self;
        match change {
            // §A.2.1: whoever has lost it may be asked again at any time.
            Change::Subscribe => Step {
                next: Self {
                    to: asked(to),
                    from,
                },
                passes: true,
            },
            // §A.2.2
            Change::Unsubscribe => Step {
                next: Self { to: Half::No, from },
                passes: true,
            },
            // §A.2.3: there must be a request.
            Change::Subscribed => Step {
                next: Self {
                    to,
                    from: granted(from),
                },
                passes: from == Half::Pending,
            },
            // §A.2.4
            Change::Unsubscribed => Step {
                next: Self { to, from: Half::No },
                passes: from != Half::No,
            },
        }
    }

    /// One of the peer's stanzas (RFC 6121 §A.3).
    #[must_use]
    pub fn inbound(self, change: Change) -> Step {
        let Self { to, from } = self;
        match change {
            // §A.3.1: who sees us already is told so, and nobody is asked.
            Change::Subscribe => Step {
                next: Self {
                    to,
                    from: asked(from),
                },
                passes: from == Half::No,
            },
            // §A.3.2
            Change::Unsubscribe => Step {
                next: Self { to, from: Half::No },
                passes: from != Half::No,
            },
            // §A.3.3: nobody can make us see what we did not ask for.
            Change::Subscribed => Step {
                next: Self {
                    to: granted(to),
                    from,
                },
                passes: to == Half::Pending,
            },
            // §A.3.4
            Change::Unsubscribed => Step {
                next: Self { to: Half::No, from },
                passes: to != Half::No,
            },
        }
    }
}

fn asked(half: Half) -> Half {
    if half == Half::No {
        Half::Pending
    } else {
        half
    }
}

fn granted(half: Half) -> Half {
    if half == Half::Pending {
        Half::Yes
    } else {
        half
    }
}

/// As RFC 6121 names the states.
impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.to, self.from) {
            (Half::No, Half::No) => "None",
            (Half::Pending, Half::No) => "None + Pending Out",
            (Half::No, Half::Pending) => "None + Pending In",
            (Half::Pending, Half::Pending) => "None + Pending Out+In",
            (Half::Yes, Half::No) => "To",
            (Half::Yes, Half::Pending) => "To + Pending In",
            (Half::No, Half::Yes) => "From",
            (Half::Pending, Half::Yes) => "From + Pending Out",
            (Half::Yes, Half::Yes) => "Both",
        })
    }
}
