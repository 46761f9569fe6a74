//! Presence subscriptions of a component, kept in a PostgreSQL database that several processes on
//! one JID share.
//!
//! ```no_run
//! use campanile::component::Component;
//! use campanile::presence::Roster;
//! use campanile_presence_postgres::{Database, PostgresStore};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let database = Database::new("postgres://campanile@db.example.org/campanile?sslmode=verify-full")?;
//! let roster = Roster::new(PostgresStore::new(database));
//! let component = Component::builder("bot.example.org").server("127.0.0.1:5347").secret("secret").module(roster);
//! # Ok(())
//! # }
//! ```

mod schema;
mod session;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use campanile::error::BoxError;
use campanile::jid::BareJid;
use campanile::presence::{Bounds, Half, Kept, Pair, Replace, Subscription, SubscriptionStore};
use campanile_postgres::Sessions;
pub use campanile_postgres::{AddressError, Database};
use tokio_postgres::Row;

use self::session::Asked;

/// Subscriptions in a database. What a roster was told to keep is on the disk there when it goes
/// on.
///
/// There is one connection, which is made when it is needed and anew when it is lost. As long as
/// there is none each answer is an error, so that a roster changes nothing that it cannot keep.
#[derive(Clone)]
pub struct PostgresStore {
    sessions: Arc<Sessions<Asked>>,
}

impl PostgresStore {
    /// A store in this database. The tables are made in a schema `campanile_presence` when they are
    /// not there.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            sessions: Arc::new(Sessions::new(database)),
        }
    }
}

#[async_trait]
impl SubscriptionStore for PostgresStore {
    /// A database that is not there now may be there later; one that is not to be used is an error.
    async fn open(&self) -> Result<(), BoxError> {
        self.sessions.try_open().await
    }

    async fn get(&self, pair: &Pair) -> Result<Subscription, BoxError> {
        let session = self.sessions.session().await?;
        let own = pair.own.as_str();
        let peer = pair.peer.as_str();
        let row = self
            .sessions
            .within(session.client.query_opt(&session.get, &[&own, &peer]))
            .await?;
        row.map_or(Ok(Subscription::NONE), |row| subscription(&row, 0))
    }

    async fn put(&self, pair: &Pair, change: Replace, bounds: &Bounds) -> Result<Kept, BoxError> {
        let session = self.sessions.session().await?;
        let own = pair.own.as_str();
        let peer = pair.peer.as_str();
        let domain = pair.peer.domain().as_str();
        let halves = [
            change.before.to,
            change.before.from,
            change.after.to,
            change.after.from,
        ]
        .map(|half| i16::from(half.number()));
        let bounds = [bounds.per_peer, bounds.per_domain, bounds.all]
            .map(|most| i64::try_from(most).unwrap_or(i64::MAX));
        let row = self
            .sessions
            .within(session.client.query_one(
                &session.put,
                &[&own, &peer, &domain, &&halves[..], &&bounds[..]],
            ))
            .await?;
        match row.try_get::<_, i16>(0)? {
            0 => Ok(Kept::Yes),
            1 => Ok(Kept::Full),
            _ => Ok(Kept::Stale),
        }
    }

    async fn list(
        &self,
        own: Option<&BareJid>,
        after: Option<&Pair>,
        most: usize,
    ) -> Result<Vec<(Pair, Subscription)>, BoxError> {
        let session = self.sessions.session().await?;
        let (last_own, last_peer) =
            after.map_or(("", ""), |pair| (pair.own.as_str(), pair.peer.as_str()));
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let rows = match own.map(|own| own.as_str()) {
            // Of one address, the rows before its own need not be passed over.
            Some(own) => {
                let from = if last_own < own { "" } else { last_peer };
                if last_own > own {
                    return Ok(Vec::new());
                }
                self.sessions
                    .within(
                        session
                            .client
                            .query(&session.list_of, &[&own, &from, &most]),
                    )
                    .await?
            }
            None => {
                self.sessions
                    .within(
                        session
                            .client
                            .query(&session.list, &[&last_own, &last_peer, &most]),
                    )
                    .await?
            }
        };
        let read = |row: &Row| {
            Ok((
                Pair {
                    own: jid(row, 0)?,
                    peer: jid(row, 1)?,
                },
                subscription(row, 2)?,
            ))
        };
        rows.iter().map(read).collect()
    }
}

/// The table has a constraint: each half has one of the numbers.
fn subscription(row: &Row, first: usize) -> Result<Subscription, BoxError> {
    let half = |column| {
        Ok::<_, BoxError>(
            Half::of_number(u8::try_from(row.try_get::<_, i16>(column)?)?).unwrap_or_default(),
        )
    };
    Ok(Subscription {
        to: half(first)?,
        from: half(first + 1)?,
    })
}

fn jid(row: &Row, column: usize) -> Result<BareJid, BoxError> {
    Ok(BareJid::new(row.try_get(column)?)?)
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStore")
            .field(&self.sessions.name())
            .finish()
    }
}
