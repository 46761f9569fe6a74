//! Handling of inbound presence: subscription stanzas, probes and errors.

use jid::Jid;

use super::roster::{Inner, stanza};
use super::{
    Availability, CompareAndSwap, Decision, HalfState, PutOutcome, Subscription, SubscriptionKey,
    SubscriptionRequest,
};
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::stanza::{Kind, PresenceType, Stanza};
use campanile_stanza::xml::CLIENT;

impl Inner {
    /// Handles one stanza.
    pub(super) async fn handle(&self, inbound: &Inbound) -> Result<Reply, BoxError> {
        // Prosody sends a full JID where RFC 6121 requires a bare one.
        let key = SubscriptionKey {
            own: inbound.recipient().to_bare(),
            peer: inbound.sender().to_bare(),
        };
        let Kind::Presence(kind) = inbound.kind() else {
            return Ok(Reply::Empty);
        };
        if kind == PresenceType::Error {
            return Ok(self.bounced(key));
        }
        self.bounced_peers().remove(&key);
        if !self.exists(&key.own).await {
            return Ok(no_such_address(&key, kind));
        }
        if kind == PresenceType::Probe {
            return self.probed(&key, inbound.sender()).await;
        }
        let replies = match kind {
            PresenceType::Subscribe => {
                self.subscribe_requested(&key, status(inbound.stanza()))
                    .await?
            }
            PresenceType::Subscribed | PresenceType::Unsubscribe | PresenceType::Unsubscribed => {
                self.changed(&key, kind).await?
            }
            _ => Vec::new(),
        };
        Ok(several(replies))
    }

    /// Suspends presence to a peer that returned it as an error, until the peer subscribes or
    /// probes.
    fn bounced(&self, key: SubscriptionKey) -> Reply {
        tracing::debug!(
            own = %key.own,
            peer = %key.peer,
            "presence bounced; no more presence is sent to this peer"
        );
        self.bounced_peers().add(key);
        Reply::Empty
    }

    /// Answers a probe (RFC 6121 §4.3.2).
    async fn probed(&self, key: &SubscriptionKey, prober: &Jid) -> Result<Reply, BoxError> {
        let subscription = self.settings.store.get(key).await?;
        if subscription.from != HalfState::Subscribed {
            return Ok(one(stanza(key, PresenceType::Unsubscribed)));
        }
        Ok(one(self.presence(
            key,
            prober,
            &self.availability(&key.own),
        )?))
    }

    /// Handles a subscription request (RFC 6121 §3.1.3).
    async fn subscribe_requested(
        &self,
        key: &SubscriptionKey,
        status: Option<String>,
    ) -> Result<Vec<Stanza>, BoxError> {
        let _lock = self.lock(key).await;
        let mut decided = None;
        loop {
            let before = self.settings.store.get(key).await?;
            if before.from == HalfState::Subscribed {
                return self.granted(key, before);
            }
            let Some(pending) = before.inbound(PresenceType::Subscribe) else {
                // Requested before, and the decision is still pending.
                return Ok(Vec::new());
            };
            let decision = match decided {
                Some(decision) => decision,
                None => {
                    self.settings
                        .policy
                        .decide(&SubscriptionRequest {
                            key: key.clone(),
                            status: status.clone(),
                        })
                        .await
                }
            };
            decided = Some(decision);
            let after = self.after(decision, pending);
            match (
                self.put(key, CompareAndSwap { before, after }).await?,
                decision,
            ) {
                (PutOutcome::Conflict, _) => {}
                (PutOutcome::Stored, Decision::Accept) => return self.granted(key, after),
                (PutOutcome::Stored, Decision::Pending) => return Ok(Vec::new()),
                (PutOutcome::Full, _) | (_, Decision::Deny) => {
                    return Ok(vec![stanza(key, PresenceType::Unsubscribed)]);
                }
            }
        }
    }

    /// Returns the subscription after a decision about a pending request.
    fn after(&self, decision: Decision, pending: Subscription) -> Subscription {
        match decision {
            Decision::Accept => {
                let after = reply(pending, PresenceType::Subscribed);
                let mutual = self.settings.mutual && after.to == HalfState::None;
                if mutual {
                    reply(after, PresenceType::Subscribe)
                } else {
                    after
                }
            }
            Decision::Deny => reply(pending, PresenceType::Unsubscribed),
            Decision::Pending => pending,
        }
    }

    /// Builds the replies to a peer that is subscribed, newly or already.
    fn granted(&self, key: &SubscriptionKey, after: Subscription) -> Result<Vec<Stanza>, BoxError> {
        let mut replies = vec![stanza(key, PresenceType::Subscribed)];
        let availability = self.availability(&key.own);
        if availability.is_online() {
            // RFC 6121 §3.1.5; ejabberd does not probe after a subscription.
            replies.push(self.presence(key, &key.peer.clone().into(), &availability)?);
        }
        if self.settings.mutual && after.to == HalfState::Pending {
            replies.push(stanza(key, PresenceType::Subscribe));
        }
        Ok(replies)
    }

    /// Handles `subscribed`, `unsubscribe` and `unsubscribed` from a peer.
    async fn changed(
        &self,
        key: &SubscriptionKey,
        kind: PresenceType,
    ) -> Result<Vec<Stanza>, BoxError> {
        let _lock = self.lock(key).await;
        loop {
            let before = self.settings.store.get(key).await?;
            let Some(mut after) = before.inbound(kind) else {
                return Ok(Vec::new());
            };
            let mut replies = Vec::new();
            if kind == PresenceType::Unsubscribe {
                // RFC 6121 §3.3.3: send unavailable presence to the former subscriber.
                replies.push(self.presence(
                    key,
                    &key.peer.clone().into(),
                    &Availability::offline(),
                )?);
                if self.settings.mutual && after.to != HalfState::None {
                    after = reply(after, PresenceType::Unsubscribe);
                    replies.push(stanza(key, PresenceType::Unsubscribe));
                }
            }
            if self.put(key, CompareAndSwap { before, after }).await? != PutOutcome::Conflict {
                return Ok(replies);
            }
        }
    }
}

/// Returns the subscription after a stanza that this side sends in reply.
fn reply(before: Subscription, kind: PresenceType) -> Subscription {
    before.outbound(kind).unwrap_or(before)
}

/// Answers presence for an address that does not exist (RFC 6121 §3.1.3, §4.3.2).
fn no_such_address(key: &SubscriptionKey, kind: PresenceType) -> Reply {
    match kind {
        PresenceType::Subscribe | PresenceType::Probe => {
            one(stanza(key, PresenceType::Unsubscribed))
        }
        _ => Reply::Empty,
    }
}

fn one(stanza: Stanza) -> Reply {
    Reply::Stanza(Box::new(stanza))
}

fn several(stanzas: Vec<Stanza>) -> Reply {
    Reply::Multiple(stanzas.into_iter().map(one).collect())
}

fn status(stanza: &Stanza) -> Option<String> {
    stanza
        .children()
        .find(CLIENT, "status")
        .map(|status| status.text().into_owned())
}
