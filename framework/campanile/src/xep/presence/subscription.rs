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

    /// Returns the subscription after an outbound stanza (RFC 6121 §A.2).
    ///
    /// Returns `None` if the stanza must not be sent: it would change nothing, or its type is not
    /// one of the four that change a subscription. `subscribe` and `unsubscribe` are always sent.
    #[must_use]
    pub fn outbound(self, kind: PresenceType) -> Option<Self> {
        let Self { to, from } = self;
        match kind {
            // §A.2.1: a request can be repeated at any time, since the peer may have lost it.
            PresenceType::Subscribe => Some(Self {
                to: request(to).unwrap_or(to),
                from,
            }),
            // §A.2.2
            PresenceType::Unsubscribe => Some(Self {
                to: HalfState::None,
                from,
            }),
            // §A.2.3: requires a pending request.
            PresenceType::Subscribed => grant(from).map(|from| Self { to, from }),
            // §A.2.4
            PresenceType::Unsubscribed => end(from).map(|from| Self { to, from }),
            _ => None,
        }
    }

    /// Returns the subscription after an inbound stanza (RFC 6121 §A.3).
    ///
    /// Returns `None` if the stanza must not be delivered: it changes nothing, or its type is not
    /// one of the four that change a subscription. A `subscribe` from a peer that is subscribed
    /// already is confirmed with `subscribed` all the same (§3.1.3).
    #[must_use]
    pub fn inbound(self, kind: PresenceType) -> Option<Self> {
        let Self { to, from } = self;
        match kind {
            // §A.3.1
            PresenceType::Subscribe => request(from).map(|from| Self { to, from }),
            // §A.3.2
            PresenceType::Unsubscribe => end(from).map(|from| Self { to, from }),
            // §A.3.3: a peer cannot grant a subscription that was not requested.
            PresenceType::Subscribed => grant(to).map(|to| Self { to, from }),
            // §A.3.4
            PresenceType::Unsubscribed => end(to).map(|to| Self { to, from }),
            _ => None,
        }
    }
}

fn request(half: HalfState) -> Option<HalfState> {
    (half == HalfState::None).then_some(HalfState::Pending)
}

fn grant(half: HalfState) -> Option<HalfState> {
    (half == HalfState::Pending).then_some(HalfState::Subscribed)
}

fn end(half: HalfState) -> Option<HalfState> {
    (half != HalfState::None).then_some(HalfState::None)
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
