//! Decisions about subscription requests, and the directory of addresses.

use std::collections::HashSet;

use async_trait::async_trait;
use jid::BareJid;

use super::SubscriptionKey;

/// A request of a peer to see the presence of an address.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriptionRequest {
    /// The address and the peer.
    pub key: SubscriptionKey,
    /// The message that the user added to the request.
    pub status: Option<String>,
}

/// A decision about a subscription request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The request is granted.
    Accept,
    /// The request is refused.
    Deny,
    /// The request stays pending until the program calls [`Roster::accept`](super::Roster::accept)
    /// or [`Roster::deny`](super::Roster::deny).
    Pending,
}

/// A policy for subscription requests.
///
/// A [`Decision`] is a policy that treats all requests alike; a function from
/// [`&SubscriptionRequest`](SubscriptionRequest) to [`Decision`] decides about each. Implement the
/// trait if a decision needs I/O.
///
/// ```
/// use campanile::presence::{Decision, MemoryStore, Roster, SubscriptionRequest};
///
/// let colleagues = |request: &SubscriptionRequest| match request.key.peer.domain().as_str() {
///     "example.org" => Decision::Accept,
///     _ => Decision::Deny,
/// };
/// let roster = Roster::builder(MemoryStore::new()).policy(colleagues).build();
/// ```
#[async_trait]
pub trait Policy: Send + Sync + 'static {
    /// Decides about one request.
    async fn decide(&self, request: &SubscriptionRequest) -> Decision;
}

#[async_trait]
impl Policy for Decision {
    async fn decide(&self, _request: &SubscriptionRequest) -> Decision {
        *self
    }
}

#[async_trait]
impl<F: Fn(&SubscriptionRequest) -> Decision + Send + Sync + 'static> Policy for F {
    async fn decide(&self, request: &SubscriptionRequest) -> Decision {
        self(request)
    }
}

/// A directory of the existing addresses. Only these have presence, besides the domain itself.
///
/// Implemented for functions from [`&BareJid`](BareJid) to `bool`, and for a `HashSet<String>` of
/// localparts.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Returns `true` if the address exists.
    async fn exists(&self, own: &BareJid) -> bool;
}

#[async_trait]
impl<F: Fn(&BareJid) -> bool + Send + Sync + 'static> Directory for F {
    async fn exists(&self, own: &BareJid) -> bool {
        self(own)
    }
}

/// Contains the addresses with these localparts.
#[async_trait]
impl Directory for HashSet<String> {
    async fn exists(&self, own: &BareJid) -> bool {
        own.node()
            .is_some_and(|localpart| self.contains(localpart.as_str()))
    }
}
