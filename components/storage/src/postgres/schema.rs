//! Creation of a store's tables, in a schema of its own.

use tokio_postgres::Client;

use super::DatabaseError;

/// The tables of a store and their version.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Name of the database schema.
    pub name: &'static str,
    /// The version of the tables. Tables of another version are left unchanged and rejected.
    pub version: i64,
    /// The statements that create the tables.
    pub tables: &'static str,
    /// Advisory lock held during creation, so that only one of several processes creates them.
    pub lock: i32,
}

/// The first key of all advisory locks: "camp".
const LOCK: i32 = 1_667_329_392;

impl Schema {
    /// Creates the tables if they do not exist, and sets the connection's search path to them.
    ///
    /// # Errors
    /// If the database rejects a statement, or the tables have another version.
    pub async fn prepare(&self, client: &mut Client) -> Result<(), DatabaseError> {
        let Self {
            name,
            version,
            tables,
            lock,
        } = self;
        // A commit is on disk before it is reported, and a lock that is held too long does not
        // block others indefinitely.
        let settings = format!(
            "SET search_path = {name}; SET synchronous_commit = on; SET lock_timeout = '5s'; SET \
            statement_timeout = '5s'"
        );
        client.batch_execute(&settings).await?;
        let transaction = client.transaction().await?;
        // Processes may start concurrently; the second one finds the tables created.
        transaction
            .batch_execute(&format!("SELECT pg_advisory_xact_lock({LOCK}, {lock})"))
            .await?;
        let meta = format!(
            "CREATE SCHEMA IF NOT EXISTS {name}; CREATE TABLE IF NOT EXISTS meta (version bigint \
            NOT NULL)"
        );
        transaction.batch_execute(&meta).await?;
        match transaction
            .query_opt("SELECT version FROM meta", &[])
            .await?
        {
            None => {
                transaction.batch_execute(tables).await?;
                transaction
                    .execute("INSERT INTO meta VALUES ($1)", &[version])
                    .await?;
            }
            Some(row) => match row.try_get::<_, i64>(0)? {
                found if found == *version => {}
                other => return Err(DatabaseError::Version(other)),
            },
        }
        Ok(transaction.commit().await?)
    }
}
