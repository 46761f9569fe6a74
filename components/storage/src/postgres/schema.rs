//! Schema migrations of PostgreSQL stores, whose tables are in a schema of their own.
//!
//! The version is in the only row of the table `meta`.

use tokio_postgres::Client;

use super::DatabaseError;
use crate::VersionError;

/// The tables of a store, as the migrations that lead to them.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Name of the database schema.
    pub name: &'static str,
    /// The migrations, one per version; their number is the current version.
    pub steps: &'static [&'static str],
    /// Advisory lock held during a step, so that only one of several processes executes it.
    pub lock: i32,
}

/// The first key of all advisory locks: "camp".
const LOCK: i32 = 1_667_329_392;
const FOUND: &str = "SELECT version FROM meta";

impl Schema {
    /// Migrates the tables to the current version, and sets the connection's search path to them.
    ///
    /// Each step is a transaction. A crash leaves the tables at the version of the last complete
    /// step, where the next call resumes.
    ///
    /// # Errors
    /// If the database rejects a statement, or the tables have a newer version.
    pub async fn prepare(&self, client: &mut Client) -> Result<(), DatabaseError> {
        // A commit is on disk before it is reported, and a lock that is held too long does not
        // block others indefinitely.
        let settings = format!(
            "SET search_path = {}; SET synchronous_commit = on; SET lock_timeout = '5s'; SET \
            statement_timeout = '5s'",
            self.name
        );
        client.batch_execute(&settings).await?;
        loop {
            let transaction = client.transaction().await?;
            transaction.batch_execute(&self.begin()).await?;
            let row = transaction.query_one(FOUND, &[]).await?;
            let Some(step) = self.next(row.try_get(0)?)? else {
                return Ok(transaction.commit().await?);
            };
            transaction.batch_execute(&step).await?;
            transaction.commit().await?;
        }
    }

    /// Migrates the tables like [`prepare`](Self::prepare), on a connection whose search path is
    /// set to them already. Blocks.
    ///
    /// # Errors
    /// As [`prepare`](Self::prepare).
    pub fn migrate_blocking(&self, client: &mut ::postgres::Client) -> Result<(), DatabaseError> {
        loop {
            let mut transaction = client.transaction()?;
            transaction.batch_execute(&self.begin())?;
            let row = transaction.query_one(FOUND, &[])?;
            let Some(step) = self.next(row.try_get(0)?)? else {
                return Ok(transaction.commit()?);
            };
            transaction.batch_execute(&step)?;
            transaction.commit()?;
        }
    }

    /// Checks that tables have the current version.
    ///
    /// # Errors
    /// If `found` is another version.
    pub fn check(&self, found: i64) -> Result<(), VersionError> {
        if usize::try_from(found) == Ok(self.steps.len()) {
            Ok(())
        } else {
            Err(VersionError::new(self.name, found, self.steps.len()))
        }
    }

    /// Returns the statements at the start of each step's transaction. Processes may start
    /// concurrently; the second one finds the step done.
    fn begin(&self) -> String {
        let Self { name, lock, .. } = self;
        format!(
            "SELECT pg_advisory_xact_lock({LOCK}, {lock}); CREATE SCHEMA IF NOT EXISTS {name}; \
             CREATE TABLE IF NOT EXISTS meta (version bigint NOT NULL); \
             INSERT INTO meta (version) SELECT 0 WHERE NOT EXISTS (SELECT FROM meta)"
        )
    }

    /// Returns the statements of the step that follows a version, or `None` if it is the current
    /// one.
    fn next(&self, found: i64) -> Result<Option<String>, VersionError> {
        let step = usize::try_from(found)
            .ok()
            .and_then(|found| self.steps.get(found));
        match step {
            Some(step) => Ok(Some(format!(
                "{step}\n; UPDATE meta SET version = {}",
                found + 1
            ))),
            None => self.check(found).map(|()| None),
        }
    }
}
