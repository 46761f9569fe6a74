//! Tables of presence subscriptions.

use crate::postgres::Schema;

/// One row per pair of addresses. Each half of a subscription is 0 none, 1 pending, 2 subscribed.
/// JIDs are ordered by their bytes, as in Rust.
///
/// Writers lock the row of `total` first, so that concurrent writers can neither exceed the limits
/// nor deadlock.
const TABLES: &str = r#"
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
    -- A counter, since counting all rows takes time in proportion to their number.
    CREATE TABLE total (count bigint NOT NULL);
    INSERT INTO total VALUES (0);
    -- halves: to and from as read, then to and from as written.
    -- bounds: per peer, per domain, in total.
    -- 0 stored, 1 limit reached, 2 conflict: the stored halves differ from those read.
    CREATE FUNCTION put(
        a_own text, a_peer text, a_domain text, halves smallint[], bounds bigint[]
    ) RETURNS smallint LANGUAGE plpgsql SET search_path = campanile_presence AS $$
    DECLARE
        of_all bigint;
        known subscription%ROWTYPE;
        is_known boolean;
    BEGIN
        SELECT count INTO of_all FROM total FOR UPDATE;
        SELECT * INTO known FROM subscription WHERE own = a_own AND peer = a_peer;
        is_known := FOUND;
        IF halves[1:2] <> (
            CASE WHEN is_known THEN ARRAY[known.to_peer, known.from_peer] ELSE '{0,0}' END
        ) THEN
            RETURN 2;
        END IF;
        IF halves[3:4] = '{0,0}'::smallint[] THEN
            DELETE FROM subscription WHERE own = a_own AND peer = a_peer;
            UPDATE total SET count = of_all - is_known::int;
        ELSIF is_known THEN
            UPDATE subscription SET to_peer = halves[3], from_peer = halves[4]
            WHERE own = a_own AND peer = a_peer;
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

/// The lock is "pres".
pub(crate) const SCHEMA: Schema = Schema {
    name: "campanile_presence",
    steps: &[TABLES],
    lock: 1_886_545_267,
};
