//! Tests of migrations.

use rusqlite::{Connection, Error, Transaction};

use super::{Schema, SchemaError, Step};

const APPLICATION: i32 = 0x7465_7374;
const FIRST: Step = Step::Sql("CREATE TABLE first (x); INSERT INTO first VALUES (1)");
const ONE: Schema = Schema {
    application: APPLICATION,
    unversioned: None,
    steps: &[FIRST],
};
const TWO: Schema = Schema {
    steps: &[FIRST, Step::Call(second)],
    ..ONE
};

fn second(transaction: &Transaction<'_>) -> Result<(), Error> {
    transaction.execute_batch("CREATE TABLE second (x); UPDATE first SET x = x + 1")
}

/// Changes a table, then fails like a crash: the transaction is dropped.
fn interrupted(transaction: &Transaction<'_>) -> Result<(), Error> {
    second(transaction)?;
    Err(Error::QueryReturnedNoRows)
}

fn memory() -> Connection {
    Connection::open_in_memory().unwrap()
}

fn number(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn version(connection: &Connection) -> i64 {
    number(connection, "PRAGMA user_version")
}

#[test]
fn older_file_is_migrated_once() {
    let mut file = memory();
    ONE.migrate(&mut file).unwrap();
    assert_eq!(version(&file), 1);
    let error = TWO.check(&file).unwrap_err().to_string();
    assert!(
        error.ends_with(
            " has schema 1, this campanile supports 2: start `campanile run`, which upgrades it"
        ),
        "{error}"
    );
    for _ in 0..2 {
        TWO.migrate(&mut file).unwrap();
        TWO.check(&file).unwrap();
        assert_eq!(version(&file), 2);
        assert_eq!(number(&file, "SELECT x FROM first"), 2);
    }
}

#[test]
fn newer_file_is_rejected_unchanged() {
    let mut file = memory();
    TWO.migrate(&mut file).unwrap();
    for error in [ONE.migrate(&mut file), ONE.check(&file)] {
        let error = error.unwrap_err();
        assert!(
            matches!(&error, SchemaError::Version(version) if version.is_newer()),
            "{error}"
        );
        assert!(
            error
                .to_string()
                .ends_with(" has schema 2, this campanile supports 1: install the newer version"),
            "{error}"
        );
    }
    TWO.check(&file).unwrap();
}

#[test]
fn interrupted_step_leaves_previous_version() {
    const INTERRUPTED: Schema = Schema {
        steps: &[FIRST, Step::Call(interrupted)],
        ..ONE
    };
    let mut file = memory();
    assert!(INTERRUPTED.migrate(&mut file).is_err());
    assert_eq!(version(&file), 1);
    assert_eq!(number(&file, "SELECT x FROM first"), 1);
    assert_eq!(
        number(&file, "SELECT count(*) FROM sqlite_schema"),
        1,
        "the step is rolled back"
    );
    TWO.migrate(&mut file).unwrap();
    assert_eq!(number(&file, "SELECT x FROM first"), 2);
}

#[test]
fn interrupted_first_step_leaves_empty_file() {
    const INTERRUPTED: Schema = Schema {
        steps: &[Step::Sql("CREATE TABLE first (x); CREATE TABLE first (x)")],
        ..ONE
    };
    let mut file = memory();
    assert!(INTERRUPTED.migrate(&mut file).is_err());
    ONE.migrate(&mut file).unwrap();
    assert_eq!(version(&file), 1);
}

#[test]
fn unversioned_file_is_version_one() {
    const UNVERSIONED: Schema = Schema {
        unversioned: Some("first"),
        ..TWO
    };
    let mut file = memory();
    file.execute_batch("CREATE TABLE first (x); INSERT INTO first VALUES (1)")
        .unwrap();
    assert!(matches!(
        TWO.migrate(&mut file),
        Err(SchemaError::Foreign(_))
    ));
    UNVERSIONED.migrate(&mut file).unwrap();
    assert_eq!(version(&file), 2);
    assert_eq!(number(&file, "SELECT x FROM first"), 2);
}

#[test]
fn file_of_another_program_is_rejected() {
    const UNVERSIONED: Schema = Schema {
        unversioned: Some("first"),
        ..TWO
    };
    for theirs in [
        "CREATE TABLE theirs (x)",
        "CREATE TABLE first (x); PRAGMA application_id = 1",
        "CREATE TABLE first (x); PRAGMA user_version = 1",
    ] {
        let mut file = memory();
        file.execute_batch(theirs).unwrap();
        assert!(
            matches!(UNVERSIONED.migrate(&mut file), Err(SchemaError::Foreign(_))),
            "{theirs}"
        );
    }
}
