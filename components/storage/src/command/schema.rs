//! Tables of command sessions.

use crate::postgres::Schema;

/// One row per session, kept for a while after its end to recognize late requests. `turn` counts
/// how often the session was acquired, `until` is the end of the lease while a step is handled, and
/// `state` is NULL once the session has ended.
const TABLES: &str = "
    CREATE TABLE session (
        id text PRIMARY KEY,
        owner text NOT NULL,
        bare text NOT NULL,
        domain text NOT NULL,
        recipient text NOT NULL,
        component text NOT NULL,
        node text NOT NULL,
        state text,
        turn bigint NOT NULL DEFAULT 0,
        until timestamptz,
        touched timestamptz NOT NULL DEFAULT now()
    );
    CREATE INDEX session_of ON session (component, domain, bare);
";

/// `revision` counts the sessions started. A new session is stored only if it is still the same as
/// when the limits were checked, so that concurrent processes cannot exceed them. The functions of
/// version 1 checked the limits themselves.
const REVISION: &str = "
    DROP FUNCTION IF EXISTS begin(
        text, text, text, text, text, text, text, text, bigint[], interval
    );
    DROP FUNCTION IF EXISTS take(text, text, text, text, interval, interval);
    DROP FUNCTION IF EXISTS is_open(text, timestamptz, timestamptz, interval);
    CREATE TABLE total (revision bigint NOT NULL);
    INSERT INTO total VALUES (0);
";

/// The lock is "cmds".
pub(crate) const SCHEMA: Schema = Schema {
    name: "campanile_command",
    steps: &[TABLES, REVISION],
    lock: 1_668_113_523,
};
