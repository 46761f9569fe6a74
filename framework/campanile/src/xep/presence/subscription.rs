//! Subscription states and their transitions (RFC 6121 Appendix A).

use std::fmt;

use crate::stanza::PresenceType;

/// The subscription between one of the component's addresses and a peer.
///
/// It has two independent halves with three states each, which makes the nine states of RFC 6121
/// Appendix A.1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Subscription {
    /// The component's subscription to the peer.
    pub to: HalfState,
    /// The peer's subscription to the component.
    pub from: HalfState,
}

/// The state of one direction of a subscription.
///
/// It converts to and from a number for storage: 0, 1 and 2 in order of declaration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum HalfState {
    /// Not subscribed.
    #[default]
    None,
    /// Requested, but not decided yet.
    Pending,
    /// Subscribed.
    Subscribed,
}

impl From<HalfState> for u8 {
    fn from(half: HalfState) -> Self {
        match half {
            HalfState::None => 0,
            HalfState::Pending => 1,
            HalfState::Subscribed => 2,
        }
    }
}

/// Fails with the number if it stands for no state.
impl TryFrom<u8> for HalfState {
    type Error = u8;

    fn try_from(number: u8) -> Result<Self, u8> {
        match number {
            0 => Ok(Self::None),
            1 => Ok(Self::Pending),
            2 => Ok(Self::Subscribed),
            other => Err(other),
        }
    }
}

/// A stanza that changes a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[doc(hidden)]
pub enum Change {
    /// The sender requests a subscription to the recipient's presence.
    Subscribe,
    /// The sender grants the recipient a subscription.
    Subscribed,
    /// The sender ends its subscription.
    Unsubscribe,
    /// The sender refuses or cancels the recipient's subscription.
    Unsubscribed,
}

/// The effect of a stanza on a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[doc(hidden)]
pub struct Transition {
    /// The new subscription.
    pub next: Subscription,
    /// For an outbound stanza: it must be sent. For an inbound stanza: it changes something and
    /// must be handled.
    pub passes: bool,
}

impl Change {
    /// All changes.
    pub const ALL: [Self; 4] = [
        Self::Subscribe,
        Self::Subscribed,
        Self::Unsubscribe,
        Self::Unsubscribed,
    ];

    /// Returns the presence type of the stanza.
    #[must_use]
    pub const fn presence_type(self) -> PresenceType {
        match self {
            Self::Subscribe => PresenceType::Subscribe,
            Self::Subscribed => PresenceType::Subscribed,
            Self::Unsubscribe => PresenceType::Unsubscribe,
            Self::Unsubscribed => PresenceType::Unsubscribed,
        }
    }

    /// Returns the change that a presence type makes, or `None` for other types.
    #[must_use]
    pub fn of(presence: PresenceType) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|change| change.presence_type() == presence)
    }
}

impl Subscription {
    /// No subscription in either direction, and no pending request.
    pub const NONE: Self = Self {
        to: HalfState::None,
        from: HalfState::None,
    };

    /// Returns `true` if there is no subscription or request.
    #[must_use]
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// Returns the effect of an outbound stanza (RFC 6121 §A.2).
    #[must_use]
    #[doc(hidden)]
    pub fn outbound(self, change: Change) -> Transition {
        let Self { to, from } = self;
        match change {
            // §A.2.1: a request can be repeated at any time, since the peer may have lost it.
            Change::Subscribe => Transition {
                next: Self {
                    to: request(to),
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
            // §A.2.3: requires a pending request.
            Change::Subscribed => Transition {
                next: Self {
                    to,
                    from: grant(from),
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

    /// Returns the effect of an inbound stanza (RFC 6121 §A.3).
    #[must_use]
    #[doc(hidden)]
    pub fn inbound(self, change: Change) -> Transition {
        let Self { to, from } = self;
        match change {
            // §A.3.1: a peer that is subscribed already gets a confirmation without a decision.
            Change::Subscribe => Transition {
                next: Self {
                    to,
                    from: request(from),
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
            // §A.3.3: a peer cannot grant a subscription that was not requested.
            Change::Subscribed => Transition {
                next: Self {
                    to: grant(to),
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

fn request(half: HalfState) -> HalfState {
    if half == HalfState::None {
        HalfState::Pending
    } else {
        half
    }
}

fn grant(half: HalfState) -> HalfState {
    if half == HalfState::Pending {
        HalfState::Subscribed
    } else {
        half
    }
}

/// Formats the state by its name in RFC 6121 §A.1.
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
