//! Writes: one statement for a known pair, two for a new one.

use campanile::error::BoxError;
use campanile::presence::{
    HalfState, PutOutcome, Subscription, SubscriptionKey, SubscriptionLimits,
};
use tokio_postgres::Row;

use super::PostgresSubscriptions;

/// Maximum number of attempts to add a row. Each failure means that another process has added one.
const ATTEMPTS: usize = 100;

impl PostgresSubscriptions {
    /// Adds a pair, if the limits admit it.
    ///
    /// The limits are checked on a snapshot, which must still be the current state when the row is
    /// stored; otherwise, they are checked again. No lock is held in between, so a process that
    /// stalls does not block others.
    pub(super) async fn add(
        &self,
        pair: &SubscriptionKey,
        after: Subscription,
        limits: &SubscriptionLimits,
    ) -> Result<PutOutcome, BoxError> {
        let _adding = self.adding.lock().await;
        for _ in 0..ATTEMPTS {
            let found = self.snapshot(pair).await?;
            if found.is_known {
                return Ok(PutOutcome::Conflict);
            }
            if !limits.admit(found.of_peer, found.of_domain, found.all) {
                return Ok(PutOutcome::Full);
            }
            if self.insert(pair, after, found.revision).await? {
                return Ok(PutOutcome::Stored);
            }
        }
        Err("too many concurrent changes of subscriptions".into())
    }

    async fn snapshot(&self, pair: &SubscriptionKey) -> Result<Snapshot, BoxError> {
        let connection = self.connections.connection().await?;
        let own = pair.own.as_str();
        let peer = pair.peer.as_str();
        let domain = pair.peer.domain().as_str();
        let row = self
            .connections
            .with_timeout(
                connection
                    .client
                    .query_one(&connection.count, &[&own, &peer, &domain]),
            )
            .await?;
        Ok(Snapshot {
            revision: row.try_get(0)?,
            all: count(&row, 1)?,
            of_peer: count(&row, 2)?,
            of_domain: count(&row, 3)?,
            is_known: row.try_get(4)?,
        })
    }

    /// Returns `false` if another row was added since `revision`.
    async fn insert(
        &self,
        pair: &SubscriptionKey,
        after: Subscription,
        revision: i64,
    ) -> Result<bool, BoxError> {
        let connection = self.connections.connection().await?;
        let own = pair.own.as_str();
        let peer = pair.peer.as_str();
        let domain = pair.peer.domain().as_str();
        let inserted = self
            .connections
            .with_timeout(connection.client.execute(
                &connection.insert,
                &[
                    &own,
                    &peer,
                    &domain,
                    &number(after.to),
                    &number(after.from),
                    &revision,
                ],
            ))
            .await?;
        Ok(inserted == 1)
    }

    /// Replaces a pair that is stored as `before`.
    pub(super) async fn replace(
        &self,
        pair: &SubscriptionKey,
        before: Subscription,
        after: Subscription,
    ) -> Result<PutOutcome, BoxError> {
        let connection = self.connections.connection().await?;
        let own = pair.own.as_str();
        let peer = pair.peer.as_str();
        let updated = self
            .connections
            .with_timeout(connection.client.execute(
                &connection.update,
                &[
                    &own,
                    &peer,
                    &number(before.to),
                    &number(before.from),
                    &number(after.to),
                    &number(after.from),
                ],
            ))
            .await?;
        Ok(stored_if(updated == 1))
    }

    /// Removes a pair that is stored as `before`.
    pub(super) async fn remove(
        &self,
        pair: &SubscriptionKey,
        before: Subscription,
    ) -> Result<PutOutcome, BoxError> {
        let connection = self.connections.connection().await?;
        let own = pair.own.as_str();
        let peer = pair.peer.as_str();
        let deleted = self
            .connections
            .with_timeout(connection.client.execute(
                &connection.delete,
                &[&own, &peer, &number(before.to), &number(before.from)],
            ))
            .await?;
        Ok(stored_if(deleted == 1))
    }
}

/// The rows that the limits apply to, in one snapshot.
struct Snapshot {
    revision: i64,
    all: usize,
    of_peer: usize,
    of_domain: usize,
    /// The pair has a row.
    is_known: bool,
}

/// Returns the outcome of a write that applies only to the subscription that was read.
pub(super) fn stored_if(applied: bool) -> PutOutcome {
    if applied {
        PutOutcome::Stored
    } else {
        PutOutcome::Conflict
    }
}

fn number(half: HalfState) -> i16 {
    i16::from(u8::from(half))
}

fn count(row: &Row, column: usize) -> Result<usize, BoxError> {
    Ok(usize::try_from(row.try_get::<_, i64>(column)?)?)
}
