//! What becomes of presence that concerns subscriptions.

use jid::Jid;

use super::roster::{Inner, stanza};
use super::{
    Availability, Change, CompareAndSwap, Decision, HalfState, PutOutcome, Subscription,
    SubscriptionKey, SubscriptionRequest,
};
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::stanza::{Kind, PresenceType, Stanza};
use campanile_stanza::xml::CLIENT;

impl Inner {
    /// Takes one stanza.
    pub(super) async fn handle(&self, inbound: &Inbound) -> Result<Reply, BoxError> {
        // Prosody sends a full JID where a bare one belongs.
        let pair = SubscriptionKey {
            own: inbound.recipient().to_bare(),
            peer: inbound.sender().to_bare(),
        };
        let Kind::Presence(kind) = inbound.kind() else {
            return Ok(Reply::Empty);
        };
        if kind == PresenceType::Error {
            return Ok(self.bounced(pair));
        }
        self.bounced_peers().remove(&pair);
        if !self.exists(&pair.own).await {
            return Ok(nobody(&pair, kind));
        }
        if kind == PresenceType::Probe {
            return self.probed(&pair, inbound.sender()).await;
        }
        let answers = match Change::of(kind) {
            Some(Change::Subscribe) => self.asked(&pair, status(inbound.stanza())).await?,
            Some(change) => self.changed(&pair, change).await?,
            None => Vec::new(),
        };
        Ok(several(answers))
    }

    /// Who sends our presence back gets no more of it until it is heard of again.
    fn bounced(&self, pair: SubscriptionKey) -> Reply {
        tracing::debug!(own = %pair.own, peer = %pair.peer, "presence came back: none is sent \
            there any more");
        self.bounced_peers().add(pair);
        Reply::Empty
    }

    /// RFC 6121 §4.3.2
    async fn probed(&self, pair: &SubscriptionKey, prober: &Jid) -> Result<Reply, BoxError> {
        let subscription = self.settings.store.get(pair).await?;
        if subscription.from != HalfState::Subscribed {
            return Ok(one(stanza(pair, PresenceType::Unsubscribed)));
        }
        Ok(one(self.presence(
            pair,
            prober,
            &self.availability(&pair.own),
        )?))
    }

    /// A peer wants to see us (RFC 6121 §3.1.3).
    async fn asked(
        &self,
        pair: &SubscriptionKey,
        status: Option<String>,
    ) -> Result<Vec<Stanza>, BoxError> {
        let _lock = self.lock(pair).await;
        let mut decided = None;
        loop {
            let before = self.settings.store.get(pair).await?;
            let step = before.inbound(Change::Subscribe);
            if before.from == HalfState::Subscribed {
                return self.granted(pair, before);
            }
            if !step.passes {
                // Asked before, and somebody is still to decide.
                return Ok(Vec::new());
            }
            let decision = match decided {
                Some(decision) => decision,
                None => {
                    self.settings
                        .policy
                        .decide(&SubscriptionRequest {
                            key: pair.clone(),
                            status: status.clone(),
                        })
                        .await
                }
            };
            decided = Some(decision);
            let after = self.after(decision, step.next);
            match (
                self.keep(pair, CompareAndSwap { before, after }).await?,
                decision,
            ) {
                (PutOutcome::Conflict, _) => {}
                (PutOutcome::Stored, Decision::Accept) => return self.granted(pair, after),
                (PutOutcome::Stored, Decision::Pending) => return Ok(Vec::new()),
                (PutOutcome::Full, _) | (_, Decision::Deny) => {
                    return Ok(vec![stanza(pair, PresenceType::Unsubscribed)]);
                }
            }
        }
    }

    /// What a request makes of a subscription in which it is pending.
    fn after(&self, decision: Decision, pending: Subscription) -> Subscription {
        match decision {
            Decision::Accept => {
                let after = pending.outbound(Change::Subscribed).next;
                let mutual = self.settings.mutual && after.to == HalfState::None;
                if mutual {
                    after.outbound(Change::Subscribe).next
                } else {
                    after
                }
            }
            Decision::Deny => pending.outbound(Change::Unsubscribed).next,
            Decision::Pending => pending,
        }
    }

    /// What a peer is sent that sees us from now on, or has lost that it does.
    fn granted(
        &self,
        pair: &SubscriptionKey,
        after: Subscription,
    ) -> Result<Vec<Stanza>, BoxError> {
        let mut answers = vec![stanza(pair, PresenceType::Subscribed)];
        let availability = self.availability(&pair.own);
        if availability.is_online() {
            // RFC 6121 §3.1.5; ejabberd does not probe for it.
            answers.push(self.presence(pair, &pair.peer.clone().into(), &availability)?);
        }
        if self.settings.mutual && after.to == HalfState::Pending {
            answers.push(stanza(pair, PresenceType::Subscribe));
        }
        Ok(answers)
    }

    /// A peer grants, or ends something.
    async fn changed(
        &self,
        pair: &SubscriptionKey,
        change: Change,
    ) -> Result<Vec<Stanza>, BoxError> {
        let _lock = self.lock(pair).await;
        loop {
            let before = self.settings.store.get(pair).await?;
            let step = before.inbound(change);
            if !step.passes {
                return Ok(Vec::new());
            }
            let mut answers = Vec::new();
            let mut after = step.next;
            if change == Change::Unsubscribe {
                // RFC 6121 §3.3.3: who no longer sees us is told that we are gone.
                answers.push(self.presence(
                    pair,
                    &pair.peer.clone().into(),
                    &Availability::offline(),
                )?);
                if self.settings.mutual && after.to != HalfState::None {
                    after = after.outbound(Change::Unsubscribe).next;
                    answers.push(stanza(pair, PresenceType::Unsubscribe));
                }
            }
            if self.keep(pair, CompareAndSwap { before, after }).await? != PutOutcome::Conflict {
                return Ok(answers);
            }
        }
    }
}

/// RFC 6121 §3.1.3, §4.3.2: who is not there has no presence.
fn nobody(pair: &SubscriptionKey, kind: PresenceType) -> Reply {
    match kind {
        PresenceType::Subscribe | PresenceType::Probe => {
            one(stanza(pair, PresenceType::Unsubscribed))
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
