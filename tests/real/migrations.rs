//! Schema migrations in PostgreSQL.

use campanile_logger::store::{Open, PostgresStore, StoreError};
use campanile_storage::postgres::{Database, Schema};
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
            "DROP TABLE campanile_logger.erasing; UPDATE campanile_logger.meta SET version = 1",
        );
        assert_eq!(
            why(false),
            "campanile_logger has schema 1, this campanile supports 2: start `campanile run`, \
             which upgrades it"
        );
        store.open(true).unwrap();
        store.open(false).unwrap();
        assert_eq!(meta(""), (2, key));
        meta("UPDATE campanile_logger.meta SET version = 99");
        for write in [true, false] {
            assert_eq!(
                why(write),
                "campanile_logger has schema 99, this campanile supports 2: install the newer \
                 version"
            );
        }
    });
    tested.await.unwrap();
}
