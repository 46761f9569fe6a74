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
    pub to: HalfState,
    /// Whether the peer sees ours.
    pub from: HalfState,
}

/// One direction of a subscription.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum HalfState {
    /// There is none.
    #[default]
    None,
    /// It was asked for, and is not decided.
    Pending,
    /// There is one.
    Subscribed,
}

impl HalfState {
    /// What a store may write for it: 0, 1 and 2, in the order above.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Pending => 1,
            Self::Subscribed => 2,
        }
    }

    /// What was written by this [`number`](Self::number); no other means anything.
    #[must_use]
    pub fn of_number(number: u8) -> Option<Self> {
        [Self::None, Self::Pending, Self::Subscribed]
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
pub struct Transition {
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
        to: HalfState::None,
        from: HalfState::None,
    };

    /// Whether there is nothing to remember.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// One of our stanzas (RFC 6121 §A.2).
    #[must_use]
    pub fn outbound(self, change: Change) -> Transition {
        let Self { to, from } = self;
        match change {
            // §A.2.1: whoever has lost it may be asked again at any time.
            Change::Subscribe => Transition {
                next: Self {
                    to: asked(to),
                    from,
                },
                passes: true,
            },
            // §A.2.2
            Change::Unsubscribe => Transition {
                next: Self {
                    to: HalfState::None,
                    from,
                },
                passes: true,
            },
            // §A.2.3: there must be a request.
            Change::Subscribed => Transition {
                next: Self {
                    to,
                    from: granted(from),
                },
                passes: from == HalfState::Pending,
            },
            // §A.2.4
            Change::Unsubscribed => Transition {
                next: Self {
                    to,
                    from: HalfState::None,
                },
                passes: from != HalfState::None,
            },
        }
    }

    /// One of the peer's stanzas (RFC 6121 §A.3).
    #[must_use]
    pub fn inbound(self, change: Change) -> Transition {
        let Self { to, from } = self;
        match change {
            // §A.3.1: who sees us already is told so, and nobody is asked.
            Change::Subscribe => Transition {
                next: Self {
                    to,
                    from: asked(from),
                },
                passes: from == HalfState::None,
            },
            // §A.3.2
            Change::Unsubscribe => Transition {
                next: Self {
                    to,
                    from: HalfState::None,
                },
                passes: from != HalfState::None,
            },
            // §A.3.3: nobody can make us see what we did not ask for.
            Change::Subscribed => Transition {
                next: Self {
                    to: granted(to),
                    from,
                },
                passes: to == HalfState::Pending,
            },
            // §A.3.4
            Change::Unsubscribed => Transition {
                next: Self {
                    to: HalfState::None,
                    from,
                },
                passes: to != HalfState::None,
            },
        }
    }
}

fn asked(half: HalfState) -> HalfState {
    if half == HalfState::None {
        HalfState::Pending
    } else {
        half
    }
}

fn granted(half: HalfState) -> HalfState {
    if half == HalfState::Pending {
        HalfState::Subscribed
    } else {
        half
    }
}

/// As RFC 6121 names the states.
impl fmt::Display for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.to, self.from) {
            (HalfState::None, HalfState::None) => "None",
            (HalfState::Pending, HalfState::None) => "None + Pending Out",
            (HalfState::None, HalfState::Pending) => "None + Pending In",
            (HalfState::Pending, HalfState::Pending) => "None + Pending Out+In",
            (HalfState::Subscribed, HalfState::None) => "To",
            (HalfState::Subscribed, HalfState::Pending) => "To + Pending In",
            (HalfState::None, HalfState::Subscribed) => "From",
            (HalfState::Pending, HalfState::Subscribed) => "From + Pending Out",
            (HalfState::Subscribed, HalfState::Subscribed) => "Both",
        })
    }
}
