//! The tables.

use tokio_postgres::Client;

use crate::session::SessionError;

const VERSION: i64 = 1;

/// One row for each pair. The columns of a subscription are 0 none, 1 pending, 2 there. JIDs are ordered as Rust orders
/// them, by their bytes.
///
/// All that writes holds the row of `total` first: two at a time cannot pass the bounds, and nobody waits in a circle.
const SCHEMA: &str = r#"
    CREATE TABLE subscription (
        own text COLLATE "C" NOT NULL,
        peer text COLLATE "C" NOT NULL,
        domain text COLLATE "C" NOT NULL,
        to_peer smallint NOT NULL CHECK (to_peer BETWEEN 0 AND 2),
        from_peer smallint NOT NULL CHECK (from_peer BETWEEN 0 AND 2),
        PRIMARY KEY (own, peer)
    );
    CREATE INDEX subscription_peer ON subscription (peer);
    CREATE INDEX subscription_domain ON subscription (domain);
    -- Counted as rows come and go: a count over all of them grows with the table.
    CREATE TABLE total (count bigint NOT NULL);
    INSERT INTO total VALUES (0);
    -- halves: to and from as they were read, then as they are to be; bounds: of a peer, of a domain, of all.
    -- 0 kept, 1 full, 2 what is there is not what was read.
    CREATE FUNCTION put(a_own text, a_peer text, a_domain text, halves smallint[], bounds bigint[]) RETURNS smallint
    LANGUAGE plpgsql SET search_path = campanile_presence AS $$
    DECLARE
        of_all bigint;
        known subscription%ROWTYPE;
        is_known boolean;
    BEGIN
        SELECT count INTO of_all FROM total FOR UPDATE;
        SELECT * INTO known FROM subscription WHERE own = a_own AND peer = a_peer;
        is_known := FOUND;
        IF halves[1:2] <> (CASE WHEN is_known THEN ARRAY[known.to_peer, known.from_peer] ELSE '{0,0}' END) THEN
            RETURN 2;
        END IF;
        IF halves[3:4] = '{0,0}'::smallint[] THEN
            DELETE FROM subscription WHERE own = a_own AND peer = a_peer;
            UPDATE total SET count = of_all - is_known::int;
        ELSIF is_known THEN
            UPDATE subscription SET to_peer = halves[3], from_peer = halves[4] WHERE own = a_own AND peer = a_peer;
        ELSIF of_all >= bounds[3]
            OR (SELECT count(*) FROM subscription WHERE peer = a_peer) >= bounds[1]
            OR (SELECT count(*) FROM subscription WHERE domain = a_domain) >= bounds[2] THEN
            RETURN 1;
        ELSE
            INSERT INTO subscription VALUES (a_own, a_peer, a_domain, halves[3], halves[4]);
            UPDATE total SET count = of_all + 1;
        END IF;
        RETURN 0;
    END $$;
"#;

/// Held while the tables are made: "camp" and "pres".
const LOCK: &str = "SELECT pg_advisory_xact_lock(1667329392, 1886545267)";

/// Makes the tables when they are not there.
pub(crate) async fn prepare(client: &mut Client) -> Result<(), SessionError> {
    // A commit is on the disk before it is reported; whoever holds a lock does not hold up everybody for ever.
    client
        .batch_execute(
            "SET search_path = campanile_presence; SET synchronous_commit = on; \
             SET lock_timeout = '5s'; SET statement_timeout = '5s'",
        )
        .await?;
    let transaction = client.transaction().await?;
    // Two processes may come at the same time: the second one finds the work done.
    transaction.batch_execute(LOCK).await?;
    transaction
        .batch_execute(
            "CREATE SCHEMA IF NOT EXISTS campanile_presence; CREATE TABLE IF NOT EXISTS meta (version bigint NOT NULL)",
        )
        .await?;
    match transaction.query_opt("SELECT version FROM meta", &[]).await? {
        None => {
            transaction.batch_execute(SCHEMA).await?;
            transaction.execute("INSERT INTO meta VALUES ($1)", &[&VERSION]).await?;
        }
        Some(row) => match row.try_get(0)? {
            VERSION => {}
            later => return Err(SessionError::Version(later)),
        },
    }
    Ok(transaction.commit().await?)
}
