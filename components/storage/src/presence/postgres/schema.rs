//! Tables of presence subscriptions.

use crate::postgres::Schema;

/// One row per pair of addresses. Each half of a subscription is 0 none, 1 pending, 2 subscribed.
/// JIDs are ordered by their bytes, as in Rust.
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
"#;

/// `revision` counts the rows added. A new row is stored only if it is still the same as when the
/// limits were checked, so that concurrent writers cannot exceed them. The functions of version 1
/// checked the limits themselves.
const REVISION: &str = "
    DROP FUNCTION IF EXISTS put(text, text, text, smallint[], bigint[]);
    ALTER TABLE total ADD COLUMN revision bigint NOT NULL DEFAULT 0;
";

/// The lock is "pres".
pub(crate) const SCHEMA: Schema = Schema {
    name: "campanile_presence",
    steps: &[TABLES, REVISION],
    lock: 1_886_545_267,
};
