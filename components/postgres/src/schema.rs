//! The tables of one store, in a schema of their own.

use tokio_postgres::Client;

use crate::DatabaseError;

/// What a store needs in the database.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// Its name.
    pub name: &'static str,
    /// The version of the tables. Tables of another version are left alone.
    pub version: i64,
    /// The statements that make them.
    pub tables: &'static str,
    /// Held while they are made, so that of several processes one makes them.
    pub lock: i32,
}

/// Half of the locks: "camp".
const LOCK: i32 = 1_667_329_392;

impl Schema {
    /// Makes the tables when they are not there, and lets the connection see them.
    ///
    /// # Errors
    /// When the database does not let us, or the tables are those of another version.
    pub async fn prepare(&self, client: &mut Client) -> Result<(), DatabaseError> {
        let Self {
            name,
            version,
            tables,
            lock,
        } = self;
        // A commit is on the disk before it is reported; whoever holds a lock does not hold up
        // everybody for ever.
        let settings = format!(
            "SET search_path = {name}; SET synchronous_commit = on; SET lock_timeout = '5s'; SET \
            statement_timeout = '5s'"
        );
        client.batch_execute(&settings).await?;
        let transaction = client.transaction().await?;
        // Two processes may come at the same time: the second one finds the work done.
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
