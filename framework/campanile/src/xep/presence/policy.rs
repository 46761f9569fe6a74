//! Who may see our presence, and which addresses of ours there are.

use std::collections::HashSet;

use async_trait::async_trait;
use jid::BareJid;

use super::SubscriptionKey;

/// Somebody wants to see the presence of an address of ours.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SubscriptionRequest {
    /// Who wants to see whose.
    pub key: SubscriptionKey,
    /// What the person wrote with it.
    pub status: Option<String>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Granted.
    Accept,
    /// Refused.
    Deny,
    /// Neither: somebody decides later, by [`Roster::accept`](super::Roster::accept) or
    /// [`Roster::deny`](super::Roster::deny).
    Pending,
}

/// Decides about requests. A [`Decision`] decides the same for all, a function about each.
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

/// Says which addresses of ours there are: only they have presence. The domain itself always has.
#[async_trait]
pub trait Directory: Send + Sync + 'static {
    /// Whether there is this address.
    async fn exists(&self, own: &BareJid) -> bool;
}

#[async_trait]
impl<F: Fn(&BareJid) -> bool + Send + Sync + 'static> Directory for F {
    async fn exists(&self, own: &BareJid) -> bool {
        self(own)
    }
}

/// The localparts in it, and no others.
#[async_trait]
impl Directory for HashSet<String> {
    async fn exists(&self, own: &BareJid) -> bool {
        own.node()
            .is_some_and(|localpart| self.contains(localpart.as_str()))
    }
}
