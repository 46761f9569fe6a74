//! Schema migrations in PostgreSQL.

use std::time::Duration;

use campanile::adhoc::{AcquireOutcome, BeginOutcome, SessionKey, SessionLimits, SessionStore};
use campanile::presence::{
    CompareAndSwap, HalfState, PutOutcome, Subscription, SubscriptionKey, SubscriptionLimits,
    SubscriptionStore,
};
use campanile_logger::store::{Open, PostgresStore, StoreError};
use campanile_storage::command::PostgresSessions;
use campanile_storage::postgres::{Database, Schema};
use campanile_storage::presence::PostgresSubscriptions;
use campanile_tests::Postgres;

const FIRST: &str = "CREATE TABLE first (x bigint); INSERT INTO first VALUES (1)";
const ONE: Schema = Schema {
    name: "campanile_test",
    steps: &[FIRST],
    lock: 1,
};
const TWO: Schema = Schema {
    steps: &[FIRST, "UPDATE first SET x = x + 1"],
    ..ONE
};
const INTERRUPTED: Schema = Schema {
    steps: &[FIRST, "UPDATE first SET x = x + 1; SELECT 1 / 0"],
    ..ONE
};

#[tokio::test]
async fn interrupted_step_is_rolled_back_and_resumed() {
    let server = Postgres::start().await;
    let database = Database::new(&server.address()).unwrap();
    let mut client = database.connect().await.unwrap();
    ONE.prepare(&mut client).await.unwrap();
    for (schema, succeeds, expected) in [
        (INTERRUPTED, false, (1, 1)),
        (TWO, true, (2, 2)),
        (TWO, true, (2, 2)),
    ] {
        assert_eq!(schema.prepare(&mut client).await.is_ok(), succeeds);
        let row = client
            .query_one("SELECT version, x FROM meta, first", &[])
            .await
            .unwrap();
        assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), expected);
    }
    let error = ONE.prepare(&mut client).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "campanile_test has schema 2, this campanile supports 1: install the newer version"
    );
}

#[tokio::test]
async fn concurrent_processes_migrate_once() {
    let server = Postgres::start().await;
    let database = Database::new(&server.address()).unwrap();
    let mut one = database.connect().await.unwrap();
    let mut other = database.connect().await.unwrap();
    let (first, second) = tokio::join!(TWO.prepare(&mut one), TWO.prepare(&mut other));
    first.unwrap();
    second.unwrap();
    let row = one.query_one("SELECT version, x FROM meta, first", &[]);
    let row = row.await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1)), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logger_migrates_older_and_rejects_newer_database() {
    let server = Postgres::start().await;
    let address = server.address();
    let tested = tokio::task::spawn_blocking(move || {
        let store = PostgresStore::new(&address).unwrap();
        let why = |write| match store.open(write) {
            Err(StoreError::Unavailable(why)) => why,
            other => panic!("{:?}", other.map(|_| "open")),
        };
        store.open(true).unwrap();
        let database = Database::new(&address).unwrap();
        let mut client = database.connect_blocking().unwrap();
        let meta = "SELECT version, key FROM campanile_logger.meta";
        let mut meta = |before: &str| {
            client.batch_execute(before).unwrap();
            let row = client.query_one(meta, &[]).unwrap();
            (row.get::<_, i64>(0), row.get::<_, Vec<u8>>(1))
        };
        let (_, key) = meta(
            "DROP TABLE campanile_logger.erasing, campanile_logger.reindex; UPDATE \
            campanile_logger.meta SET version = 1",
        );
        assert_eq!(
            why(false),
            "campanile_logger has schema 1, this campanile supports 4: start `campanile run`, \
             which upgrades it"
        );
        store.open(true).unwrap();
        store.open(false).unwrap();
        assert_eq!(meta(""), (4, key));
        let query = "SELECT reloptions::text FROM pg_class WHERE oid = \
            'campanile_logger.entry_terms'::regclass";
        let options = |before: &str| -> String {
            let mut client = database.connect_blocking().unwrap();
            client.batch_execute(before).unwrap();
            client.query_one(query, &[]).unwrap().get(0)
        };
        let of_version_3 = "ALTER INDEX campanile_logger.entry_terms SET \
            (gin_pending_list_limit = 16384); UPDATE campanile_logger.meta SET version = 3";
        assert!(options(of_version_3).contains("gin_pending_list_limit=16384"));
        store.open(true).unwrap();
        assert!(options("").contains("gin_pending_list_limit=1024"));
        meta("UPDATE campanile_logger.meta SET version = 99");
        for write in [true, false] {
            assert_eq!(
                why(write),
                "campanile_logger has schema 99, this campanile supports 4: install the newer \
                 version"
            );
        }
    });
    tested.await.unwrap();
}

/// Turns a schema into version 1, with functions of the same signatures.
async fn downgrade(database: &Database, schema: &str, undo: &str) {
    let client = database.connect().await.unwrap();
    let sql = format!("SET search_path = {schema}; UPDATE meta SET version = 1; {undo}");
    client.batch_execute(&sql).await.unwrap();
}

/// Returns the number of functions in a schema.
async fn functions(database: &Database, schema: &str) -> i64 {
    let client = database.connect().await.unwrap();
    let sql = "SELECT count(*) FROM pg_proc WHERE pronamespace = $1::text::regnamespace";
    client.query_one(sql, &[&schema]).await.unwrap().get(0)
}

#[tokio::test]
async fn subscriptions_of_version_1_are_kept() {
    const NAME: &str = "campanile_presence";
    let server = Postgres::start().await;
    let database = Database::new(&server.address()).unwrap();
    let key = SubscriptionKey {
        own: "b.localhost".parse().unwrap(),
        peer: "alice@localhost".parse().unwrap(),
    };
    let asked = Subscription {
        to: HalfState::None,
        from: HalfState::Pending,
    };
    let both = Subscription {
        to: HalfState::Subscribed,
        from: HalfState::Subscribed,
    };
    let limits = {
        let mut limits = SubscriptionLimits::default();
        limits.all = 1;
        limits
    };
    let put = async |before, after| {
        let store = PostgresSubscriptions::new(database.clone());
        let change = CompareAndSwap { before, after };
        store.put(&key, change, &limits).await.unwrap()
    };
    assert_eq!(put(Subscription::NONE, asked).await, PutOutcome::Stored);
    let undo = "ALTER TABLE total DROP COLUMN revision;
        CREATE FUNCTION put(text, text, text, smallint[], bigint[]) RETURNS smallint
        LANGUAGE sql AS 'SELECT 0::smallint';";
    downgrade(&database, NAME, undo).await;
    assert_eq!(functions(&database, NAME).await, 1);
    for (before, after, outcome) in [
        (asked, both, PutOutcome::Stored),
        (Subscription::NONE, both, PutOutcome::Conflict),
        (both, Subscription::NONE, PutOutcome::Stored),
        (Subscription::NONE, both, PutOutcome::Stored),
    ] {
        assert_eq!(put(before, after).await, outcome);
    }
    assert_eq!(functions(&database, NAME).await, 0);
}

#[tokio::test]
async fn sessions_of_version_1_are_kept() {
    const NAME: &str = "campanile_command";
    let server = Postgres::start().await;
    let database = Database::new(&server.address()).unwrap();
    let key = SessionKey {
        owner: "alice@localhost/home".parse().unwrap(),
        recipient: "shop.localhost".parse().unwrap(),
        node: "order".to_owned(),
    };
    let limits = SessionLimits {
        all: 3,
        per_domain: 2,
        per_sender: 2,
        timeout: Duration::from_secs(600),
        lease: Duration::from_secs(60),
    };
    let begin = async |id| {
        let store = PostgresSessions::new(database.clone());
        store.begin(id, &key, "[]", &limits).await.unwrap()
    };
    assert_eq!(begin("old").await, BeginOutcome::Started);
    let undo = "DROP TABLE total;
        CREATE FUNCTION is_open(text, timestamptz, timestamptz, interval) RETURNS boolean
        LANGUAGE sql AS 'SELECT true';
        CREATE FUNCTION begin(
            text, text, text, text, text, text, text, text, bigint[], interval
        ) RETURNS boolean LANGUAGE sql AS 'SELECT true';
        CREATE FUNCTION take(
            text, text, text, text, interval, interval,
            OUT became smallint, OUT a_turn bigint, OUT a_state text
        ) LANGUAGE sql AS $$ SELECT 3::smallint, 0::bigint, '' $$;";
    downgrade(&database, NAME, undo).await;
    assert_eq!(functions(&database, NAME).await, 3);
    let store = PostgresSessions::new(database.clone());
    let acquired = store.acquire("old", &key, &limits).await.unwrap();
    let state = "[]".to_owned();
    assert_eq!(acquired, AcquireOutcome::Acquired { turn: 1, state });
    for id in ["2", "3"] {
        assert_eq!(begin(id).await, BeginOutcome::Started);
    }
    let ended = store.acquire("old", &key, &limits).await.unwrap();
    assert_eq!(ended, AcquireOutcome::Ended);
    assert_eq!(functions(&database, NAME).await, 0);
}
