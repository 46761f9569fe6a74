//! Tables of command sessions.

use crate::postgres::Schema;

/// One row per session, kept for a while after its end to recognize late requests. `turn` counts
/// how often the session was acquired, `until` is the end of the lease while a step is handled, and
/// `state` is NULL once the session has ended.
///
/// `begin` holds a lock, so that concurrent calls cannot exceed the limits.
const TABLES: &str = r#"
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
    -- True if the session waits for its next step, or one is being handled.
    CREATE FUNCTION is_open(
        state text, touched timestamptz, until timestamptz, time_out interval
    ) RETURNS boolean LANGUAGE sql STABLE AS $$
        SELECT state IS NOT NULL
        AND (touched >= now() - time_out OR coalesce(until >= now(), false))
    $$;
    -- bounds: per component, per domain, per bare JID.
    CREATE FUNCTION begin(
        a_id text, a_owner text, a_bare text, a_domain text, a_recipient text, a_component text,
        a_node text, a_state text, bounds bigint[], time_out interval
    ) RETURNS boolean LANGUAGE plpgsql SET search_path = campanile_command AS $$
    DECLARE
        of_all bigint;
        of_domain bigint;
        of_bare bigint;
        oldest text;
    BEGIN
        PERFORM pg_advisory_xact_lock(1667329392, 1936942451);
        -- Ended sessions are kept for the same time again, to recognize late requests.
        DELETE FROM session WHERE component = a_component
        AND touched < now() - 2 * time_out AND NOT is_open(state, touched, until, time_out);
        SELECT count(*), (array_agg(id ORDER BY touched))[1] INTO of_bare, oldest FROM session
        WHERE component = a_component AND domain = a_domain AND bare = a_bare
        AND is_open(state, touched, until, time_out);
        IF of_bare >= bounds[3] THEN
            UPDATE session SET state = NULL, until = NULL, turn = turn + 1 WHERE id = oldest;
        END IF;
        SELECT count(*) INTO of_all FROM session WHERE component = a_component;
        IF of_all >= bounds[1] THEN
            DELETE FROM session WHERE component = a_component
            AND NOT is_open(state, touched, until, time_out);
            SELECT count(*) INTO of_all FROM session WHERE component = a_component;
        END IF;
        SELECT count(*) INTO of_domain FROM session
        WHERE component = a_component AND domain = a_domain
        AND is_open(state, touched, until, time_out);
        IF of_all >= bounds[1] OR of_domain >= bounds[2] THEN
            RETURN false;
        END IF;
        INSERT INTO session (id, owner, bare, domain, recipient, component, node, state)
        VALUES (a_id, a_owner, a_bare, a_domain, a_recipient, a_component, a_node, a_state);
        RETURN true;
    END $$;
    -- 0 acquired, 1 busy with a step, 2 ended, 3 unknown.
    CREATE FUNCTION take(
        a_id text, a_owner text, a_recipient text, a_node text, time_out interval, lease interval,
        OUT became smallint, OUT a_turn bigint, OUT a_state text
    ) LANGUAGE plpgsql SET search_path = campanile_command AS $$
    DECLARE
        known session%ROWTYPE;
    BEGIN
        SELECT * INTO known FROM session WHERE id = a_id FOR UPDATE;
        IF NOT FOUND OR known.owner <> a_owner OR known.recipient <> a_recipient
            OR known.node <> a_node THEN
            became := 3;
        ELSIF known.state IS NULL THEN
            became := 2;
        ELSIF known.until >= clock_timestamp() THEN
            became := 1;
        ELSIF known.touched < clock_timestamp() - time_out THEN
            became := 2;
        ELSE
            UPDATE session SET turn = turn + 1, until = clock_timestamp() + lease WHERE id = a_id
            RETURNING turn, state INTO a_turn, a_state;
            became := 0;
        END IF;
    END $$;
"#;

/// The lock is "cmds"; the one in [`TABLES`] is "sess".
pub(crate) const SCHEMA: Schema = Schema {
    name: "campanile_command",
    steps: &[TABLES],
    lock: 1_668_113_523,
};
