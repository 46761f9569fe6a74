//! Iteration over all subscriptions of a store, page by page.

use std::collections::VecDeque;

use jid::BareJid;

use super::{Subscription, SubscriptionKey, SubscriptionStore};
use crate::error::BoxError;

/// Number of subscriptions read from the store at a time.
const PAGE: usize = 256;

pub(super) struct Scan<'s> {
    store: &'s dyn SubscriptionStore,
    own: Option<&'s BareJid>,
    last: Option<SubscriptionKey>,
    page: VecDeque<(SubscriptionKey, Subscription)>,
    done: bool,
}

impl<'s> Scan<'s> {
    /// Starts a scan of the subscriptions of one address, or of all.
    pub(super) fn new(store: &'s dyn SubscriptionStore, own: Option<&'s BareJid>) -> Self {
        Self {
            store,
            own,
            last: None,
            page: VecDeque::new(),
            done: false,
        }
    }

    pub(super) async fn next(
        &mut self,
    ) -> Result<Option<(SubscriptionKey, Subscription)>, BoxError> {
        if self.page.is_empty() && !self.done {
            self.page = self
                .store
                .list(self.own, self.last.as_ref(), PAGE)
                .await?
                .into();
            self.done = self.page.len() < PAGE;
            self.last = self.page.back().map(|(key, _)| key.clone());
        }
        Ok(self.page.pop_front())
    }
}
