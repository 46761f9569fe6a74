//! Tests of the store: writing, queries, counts, erasure, and the bytes left in the files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use campanile::jid::{BareJid, Jid};
use campanile_storage::sqlite::DatabaseFile;
use rusqlite::OpenFlags;

use super::SqliteStore;
use crate::new_entry::{Class, NewEntry};
use crate::store::{Backend, Deadline, Open, Page, Prune, Query, Quota, StoreError};

const HOME: &str = "logger.localhost";

/// A temporary directory, removed on drop.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "campanile-logger-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn store(&self) -> SqliteStore {
        SqliteStore::new(self.0.join("logger.db"))
    }

    /// Returns the bytes of all files, in lower case.
    fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(&self.0)
            .unwrap()
            .map(|file| std::fs::read(file.unwrap().path()).unwrap());
        files
            .flatten()
            .map(|byte| byte.to_ascii_lowercase())
            .collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn jid(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

fn new_entry_in(archive: &str, from: &str, body: &str) -> NewEntry {
    let xml =
        format!("<message from='{from}' to='{archive}' type='chat'><body>{body}</body></message>");
    NewEntry::new(&jid(archive), &crate::xml::stanza(xml.as_bytes()).unwrap()).unwrap()
}

fn new_entry(from: &str, body: &str) -> NewEntry {
    new_entry_in(HOME, from, body)
}

fn append(backend: &mut dyn Backend, new_entries: &[NewEntry]) -> Vec<i64> {
    backend
        .commit(new_entries)
        .unwrap()
        .into_iter()
        .map(Result::unwrap)
        .collect()
}

fn query() -> Query {
    Query {
        archive: Some(jid(HOME)),
        limit: 50,
        ..Query::default()
    }
}

fn bodies(page: &Page) -> Vec<String> {
    let body = |xml: &str| {
        crate::xml::stanza(xml.as_bytes())
            .unwrap()
            .children()
            .first()
            .unwrap()
            .text()
            .into_owned()
    };
    page.entries
        .iter()
        .map(|entry| entry.stanza.as_deref().map_or_else(String::new, body))
        .collect()
}

#[test]
fn query_filters_select_matching_entries() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    let places = append(
        &mut *store,
        &[
            new_entry("alice@localhost/phone", "The bell rings"),
            new_entry("bob@localhost/pc", "a belfry, a Bell"),
            new_entry("alice@localhost/pc", "nothing"),
            new_entry_in(
                "audit@logger.localhost",
                "alice@localhost/pc",
                "bell elsewhere",
            ),
        ],
    );
    assert!(
        places.windows(2).all(|pair| pair[0] < pair[1]),
        "{places:?}"
    );
    let mut found = |query: &Query| bodies(&store.page(query).unwrap());
    assert_eq!(
        found(&query()),
        ["The bell rings", "a belfry, a Bell", "nothing"]
    );
    assert_eq!(
        found(&Query {
            words: "BELL".into(),
            ..query()
        }),
        ["The bell rings", "a belfry, a Bell"]
    );
    assert_eq!(
        found(&Query {
            words: "rings bell".into(),
            ..query()
        }),
        ["The bell rings"]
    );
    assert_eq!(
        found(&Query {
            words: "belf*".into(),
            ..query()
        }),
        ["a belfry, a Bell"]
    );
    assert_eq!(
        found(&Query {
            words: "!?".into(),
            ..query()
        }),
        [""; 0]
    );
    assert_eq!(
        found(&Query {
            words: "\"THE bell\" rings".into(),
            ..query()
        }),
        ["The bell rings"]
    );
    assert_eq!(
        found(&Query {
            words: "\"bell the\"".into(),
            ..query()
        }),
        [""; 0]
    );
    assert_eq!(
        found(&Query {
            owner: Some(jid("alice@localhost")),
            ..query()
        }),
        ["The bell rings", "nothing"]
    );
    assert_eq!(
        found(&Query {
            owner: Some(jid("eve@localhost")),
            ..query()
        }),
        [""; 0]
    );
    let with = |with: &str| Query {
        with: Some(Jid::new(with).unwrap()),
        ..query()
    };
    assert_eq!(found(&with("bob@localhost")), ["a belfry, a Bell"]);
    assert_eq!(found(&with("alice@localhost/pc")), ["nothing"]);
    assert_eq!(found(&with(HOME)).len(), 3);
    assert_eq!(
        found(&Query {
            archive: None,
            words: "bell".into(),
            ..query()
        })
        .len(),
        3
    );
    assert_eq!(
        found(&Query {
            classes: vec![Class::Groupchat],
            ..query()
        }),
        [""; 0]
    );
    assert_eq!(
        found(&Query {
            archive: None,
            classes: vec![Class::Iq],
            ..query()
        }),
        [""; 0]
    );
    assert_eq!(
        found(&Query {
            start: Some(places[1]),
            end: Some(places[1]),
            ..query()
        }),
        ["a belfry, a Bell"]
    );
    assert_eq!(
        found(&Query {
            places: vec![places[2], places[0]],
            ..query()
        }),
        ["The bell rings", "nothing"]
    );
}

#[test]
fn paging_in_both_directions_returns_all_entries() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    let new_entries: Vec<_> = (0..1000)
        .map(|n| new_entry("alice@localhost/x", &format!("all {} n{n}", n % 7)))
        .collect();
    for batch in new_entries.chunks(90) {
        append(&mut *store, batch);
    }
    for words in ["", "all", "3"] {
        let query = Query {
            words: words.into(),
            limit: 64,
            ..query()
        };
        let all = bodies(
            &store
                .page(&Query {
                    limit: 5000,
                    ..query.clone()
                })
                .unwrap(),
        );
        let mut forward = Vec::new();
        let mut after = None;
        loop {
            let page = store
                .page(&Query {
                    after,
                    ..query.clone()
                })
                .unwrap();
            forward.extend(bodies(&page));
            after = page.entries.last().map(|entry| entry.place);
            if !page.more {
                break;
            }
        }
        let mut backward = Vec::new();
        let mut before = None;
        loop {
            let page = store
                .page(&Query {
                    before,
                    from_end: true,
                    ..query.clone()
                })
                .unwrap();
            backward.splice(0..0, bodies(&page));
            before = page.entries.first().map(|entry| entry.place);
            if !page.more {
                break;
            }
        }
        assert_eq!((&forward, &backward), (&all, &all), "{words:?}");
        assert_eq!(
            store.count(&query, 100_000).unwrap(),
            Some(all.len() as u64)
        );
        assert_eq!(store.count(&query, 3).unwrap().is_none(), !words.is_empty());
    }
}

#[test]
fn id_resolves_only_for_permitted_owner_and_archive() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    let places = append(
        &mut *store,
        &[
            new_entry("alice@localhost/x", "a"),
            new_entry("bob@localhost/x", "b"),
        ],
    );
    let id = store.page(&query()).unwrap().entries[0].id.clone();
    assert_eq!(store.place(&query(), &id), Ok(places[0]));
    let of = |owner: &str| Query {
        owner: Some(jid(owner)),
        ..query()
    };
    assert_eq!(store.place(&of("alice@localhost"), &id), Ok(places[0]));
    assert_eq!(
        store.place(&of("bob@localhost"), &id),
        Err(StoreError::NotFound)
    );
    let elsewhere = Query {
        archive: Some(jid("audit@logger.localhost")),
        ..query()
    };
    assert_eq!(store.place(&elsewhere, &id), Err(StoreError::NotFound));
    assert_eq!(
        store.place(&query(), "28482-98726-73623"),
        Err(StoreError::NotFound)
    );
    let mut again = folder.store().open(false).unwrap();
    assert_eq!(
        again.place(&query(), &id),
        Ok(places[0]),
        "ID is stable across restarts"
    );
}

#[test]
fn import_preserves_ids_and_times_and_is_idempotent() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    append(&mut *store, &[new_entry("alice@localhost/x", "now")]);
    let old = new_entry("bob@localhost/x", "then")
        .with_time(1_000_000)
        .with_id("28482-98726-73623");
    let twin = new_entry("bob@localhost/x", "at the same time")
        .with_time(1_000_000)
        .with_id("b");
    for _ in 0..2 {
        assert_eq!(
            append(&mut *store, &[old.clone(), twin.clone()]),
            [1_000_000, 1_000_001]
        );
    }
    let page = store.page(&query()).unwrap();
    assert_eq!(bodies(&page), ["then", "at the same time", "now"]);
    assert_eq!(page.entries[0].id, "28482-98726-73623");
    assert_eq!(store.place(&query(), "28482-98726-73623"), Ok(1_000_000));
    let own = new_entry("alice@localhost/x", "now")
        .with_time(page.entries[2].place)
        .with_id(&page.entries[2].id);
    assert_eq!(append(&mut *store, &[own]), [page.entries[2].place]);
    assert_eq!(store.count(&query(), 10).unwrap(), Some(3));
}

#[test]
fn quota_rejects_single_entry_of_batch() {
    let folder = Folder::new();
    let size = new_entry("alice@localhost/x", "0000").stanza.len() as u64;
    let quota = Quota {
        per_sender: Some(2 * size),
        per_domain: Some(3 * size),
    };
    let mut store = folder.store().open(true).unwrap();
    let four = |from: &str| new_entry(&format!("{from}@localhost/x"), "0000").with_quota(quota);
    let outcomes = store
        .commit(&[
            four("alice"),
            four("alice"),
            four("alice"),
            four("aline"),
            four("alina"),
        ])
        .unwrap();
    let refused: Vec<_> = outcomes.iter().map(Result::is_err).collect();
    assert_eq!(refused, [false, false, true, false, true]);
    drop(store);
    let mut store = folder.store().open(true).unwrap();
    assert_eq!(
        store.commit(&[four("alina")]).unwrap(),
        [Err(StoreError::Quota)]
    );
    assert!(
        store
            .commit(&[new_entry("alice@elsewhere/x", "0000")])
            .unwrap()[0]
            .is_ok()
    );
}

#[test]
fn retention_by_size_removes_from_largest_sender() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    let mut new_entries = vec![new_entry("alice@localhost/x", "the first of all")];
    new_entries.extend((0..300).map(|n| new_entry("mallory@localhost/x", &format!("noise {n}"))));
    append(&mut *store, &new_entries);
    let bytes = store.usage(None).unwrap().bytes;
    while store.prune(&Prune::Above(bytes / 2), 50).unwrap() > 0 {}
    let kept = bodies(
        &store
            .page(&Query {
                limit: 1000,
                ..query()
            })
            .unwrap(),
    );
    assert_eq!(kept[0], "the first of all");
    assert_eq!(kept.last().unwrap(), "noise 299");
    let usage = store.usage(None).unwrap();
    assert!(usage.bytes <= bytes / 2 && usage.entries > 100, "{usage:?}");
    assert_eq!(usage.entries, kept.len() as u64);
}

#[test]
fn retention_by_age_leaves_no_bytes_in_files() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    append(
        &mut *store,
        &[
            new_entry("olda@xyzzy.example/x", "plugh").with_time(1000),
            new_entry("bob@localhost/x", "stays"),
        ],
    );
    while store.prune(&Prune::Before(2000), 10).unwrap() > 0 {}
    store.scrub().unwrap();
    assert_eq!(bodies(&store.page(&query()).unwrap()), ["stays"]);
    assert_eq!(store.usage(None).unwrap().senders.len(), 1);
    assert_eq!(found_in(&folder, &["plugh", "olda@", "xyzzy"]), [""; 0]);
}

/// Returns the texts that occur in any file of the store.
fn found_in<'t>(folder: &Folder, texts: &[&'t str]) -> Vec<&'t str> {
    let bytes = folder.bytes();
    let holds = |text: &&&str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    texts.iter().filter(holds).copied().collect()
}

#[test]
fn erased_data_is_in_no_file() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    let words = [
        "zephyrical",
        "quixotry",
        "wombatish",
        "alicia@secret.example",
        "xanthippe",
        "yclept",
        "kumquatly",
    ];
    let secret = |n: usize| {
        let body = format!(
            "{} {} Common {n} {}",
            words[0],
            words[1 + n % 2].to_uppercase(),
            words[4 + n % 3]
        );
        new_entry("alicia@secret.example/phone", &body)
    };
    // Entries among many others, in many batches and with old times, so that table pages split and
    // the index is merged.
    for round in 0..60_usize {
        let mut batch: Vec<_> = (0..40)
            .map(|n| {
                new_entry(
                    &format!("u{n}@localhost/x"),
                    &format!("common {round} n{n}"),
                )
            })
            .collect();
        batch.insert(round % 40, secret(round));
        batch.push(
            secret(round + 1000)
                .with_time(1_000_000 * (60 - round as i64))
                .with_id(&format!("old{round}")),
        );
        batch.push(
            new_entry("bob@localhost/x", "common old")
                .with_time(1_000_000 * (60 - round as i64) + 5)
                .with_id(&format!("bob{round}")),
        );
        append(&mut *store, &batch);
    }
    assert_eq!(found_in(&folder, &words).len(), words.len(), "before");
    let of_alicia = Query {
        owner: Some(jid("alicia@secret.example")),
        ..query()
    };
    assert_eq!(store.count(&of_alicia, 1000).unwrap(), Some(120));
    let all = store.count(&query(), 100_000).unwrap();
    while store.erase("alicia@secret.example", 50).unwrap() > 0 {}
    store.scrub().unwrap();
    assert_eq!(found_in(&folder, &words), [""; 0], "after");
    // IDs and times remain, everything else is gone; entries of others are unchanged.
    assert_eq!(store.count(&query(), 100_000).unwrap(), all);
    assert_eq!(store.count(&of_alicia, 1000).unwrap(), Some(0));
    let page = store
        .page(&Query {
            limit: 10_000,
            ..query()
        })
        .unwrap();
    let erased: Vec<_> = page
        .entries
        .iter()
        .filter(|entry| entry.stanza.is_none())
        .collect();
    assert_eq!(erased.len(), 120);
    assert!(
        erased
            .iter()
            .all(|entry| entry.from.starts_with('#') && entry.from == erased[0].from)
    );
    assert_eq!(store.place(&query(), &erased[0].id), Ok(erased[0].place));
    assert_eq!(
        store
            .count(
                &Query {
                    words: "common".into(),
                    ..query()
                },
                100_000
            )
            .unwrap(),
        Some(60 * 41)
    );
    // An erased user can return, and be erased again.
    append(&mut *store, &[secret(0)]);
    assert_eq!(store.count(&of_alicia, 1000).unwrap(), Some(1));
    while store.erase("alicia@secret.example", 50).unwrap() > 0 {}
    while store.prune(&Prune::Before(i64::MAX), 500).unwrap() > 0 {}
    assert_eq!(store.usage(None).unwrap().entries, 0);
}

#[test]
fn interrupted_erasure_is_resumed() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    let new_entries: Vec<_> = (0..90)
        .map(|n| new_entry("alicia@secret.example/x", &format!("quixotry {n}")))
        .collect();
    append(&mut *store, &new_entries);
    append(&mut *store, &[new_entry("bob@localhost/x", "stays")]);
    assert_eq!(store.unfinished().unwrap(), [""; 0]);
    store.erase("alicia@secret.example", 40).unwrap();
    drop(store);
    let mut store = folder.store().open(true).unwrap();
    assert_eq!(store.unfinished().unwrap(), ["alicia@secret.example"]);
    // Retention must not drop the record of the erasure.
    while store.prune(&Prune::Before(0), 10).unwrap() > 0 {}
    while store.erase("alicia@secret.example", 40).unwrap() > 0 {}
    drop(store);
    // All entries are erased, but the write-ahead log may still contain them.
    let mut store = folder.store().open(true).unwrap();
    let names = store.unfinished().unwrap();
    assert!(names.len() == 1 && names[0].starts_with('#'), "{names:?}");
    assert_eq!(store.erase(&names[0], 40).unwrap(), 0);
    store.scrub().unwrap();
    assert_eq!(store.unfinished().unwrap(), [""; 0]);
    assert_eq!(found_in(&folder, &["quixotry", "alicia"]), [""; 0]);
    assert_eq!(
        bodies(
            &store
                .page(&Query {
                    from_end: true,
                    ..query()
                })
                .unwrap()
        )
        .last()
        .unwrap(),
        "stays"
    );
}

#[test]
fn older_schema_is_migrated() {
    let folder = Folder::new();
    let old = rusqlite::Connection::open(folder.store().path()).unwrap();
    old.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA application_id = 0x63616d70; PRAGMA user_version = 1",
    )
    .unwrap();
    old.execute_batch(super::schema::TABLES).unwrap();
    old.execute("INSERT INTO meta (name, value) VALUES ('key', x'00')", [])
        .unwrap();
    old.execute_batch(
        "INSERT INTO jid VALUES (1, -1, 'logger.localhost'), (2, -2, 'alice@localhost');
         INSERT INTO entry VALUES (5, 1, 2, NULL, 0, CAST('<message from=''alice@localhost/x'' \
         to=''logger.localhost''/>' AS BLOB));
         INSERT INTO term (rowid, terms) VALUES (5, '§a1m §p2')",
    )
    .unwrap();
    drop(old);
    assert!(
        folder.store().open(false).is_err(),
        "a reader must not migrate"
    );
    let mut store = folder.store().open(true).unwrap();
    assert_eq!(
        store
            .page(&Query {
                limit: 9,
                ..Query::default()
            })
            .unwrap()
            .entries[0]
            .from,
        "alice@localhost"
    );
    assert_eq!(store.unfinished().unwrap(), [""; 0]);
    assert!(folder.store().open(false).is_ok());
}

#[test]
fn full_disk_rejects_batch_and_recovers() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    append(&mut *store, &[new_entry("alice@localhost/x", "first")]);
    // The page limit makes SQLite report a full disk.
    let bound = |pages: u32| {
        let other = rusqlite::Connection::open(folder.store().path()).unwrap();
        other
            .pragma_query_value(None, "page_count", |row| row.get::<_, u32>(0))
            .unwrap()
            .max(pages)
    };
    drop(store);
    let mut store = limited(folder.store().path(), bound(1) + 3);
    let many: Vec<_> = (0..200)
        .map(|n| new_entry("alice@localhost/x", &format!("{n} {}", "x".repeat(500))))
        .collect();
    assert_eq!(store.commit(&many), Err(StoreError::NoSpace));
    assert_eq!(bodies(&store.page(&query()).unwrap()), ["first"]);
    drop(store);
    let mut store = folder.store().open(true).unwrap();
    append(&mut *store, &many);
    assert_eq!(store.count(&query(), 1000).unwrap(), Some(201));
}

fn limited(path: &Path, pages: u32) -> Box<dyn Backend> {
    let (mut connection, file) = DatabaseFile::open(path, OpenFlags::default()).unwrap();
    connection.execute_batch(super::WRITES).unwrap();
    connection
        .pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
        .unwrap();
    let keys = super::schema::prepare(&mut connection).unwrap();
    let jids = super::Jids::new(keys.clone());
    Box::new(super::Sqlite {
        connection,
        file,
        busy_timeout: std::time::Duration::ZERO,
        keys,
        jids,
        last: None,
    })
}

#[test]
fn index_of_version_2_is_updated_while_in_use() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    // Entries before this place are stored with the terms of version 2.
    let other = rusqlite::Connection::open(folder.store().path()).unwrap();
    other
        .execute(
            "INSERT INTO meta (name, value) VALUES ('reindex', 1000)",
            [],
        )
        .unwrap();
    let old: Vec<_> = (0..20)
        .map(|n| new_entry("alice@localhost/x", &format!("Łódź und Straße {n}")).with_time(n * 10))
        .chain([new_entry("bob@localhost/x", "Łódź quixotic").with_time(500)])
        .collect();
    append(&mut *store, &old);
    append(&mut *store, &[new_entry("alice@localhost/x", "nowa Łódź")]);
    let found = |store: &mut dyn Backend, words: &str| {
        let query = Query {
            words: words.into(),
            ..query()
        };
        store.page(&query).unwrap().entries.len()
    };
    assert_eq!(found(&mut *store, "lodz"), 1, "only the new entry");
    assert_eq!(found(&mut *store, "und"), 20);
    assert_eq!(found(&mut *store, ""), 22);
    assert_eq!(store.reindex(5).unwrap(), 5);
    assert_eq!(found(&mut *store, "lodz"), 6, "the newest first");
    // An entry is removed with the terms that it was added with, on both sides of the boundary.
    while store.prune(&Prune::Before(50), 2).unwrap() > 0 {}
    while store.erase("bob@localhost", 10).unwrap() > 0 {}
    store.scrub().unwrap();
    for gone in [&b"quixotic"[..], b"bob"] {
        assert!(
            !folder
                .bytes()
                .windows(gone.len())
                .any(|bytes| bytes == gone)
        );
    }
    drop(store);
    let mut store = folder.store().open(true).unwrap();
    while store.reindex(5).unwrap() > 0 {}
    assert_eq!(store.reindex(5).unwrap(), 0);
    assert_eq!(found(&mut *store, "lodz strasse"), 15);
    assert_eq!(found(&mut *store, "lodz"), 16);
    append(
        &mut *store,
        &[new_entry("alice@localhost/x", "Łódź").with_time(1)],
    );
    assert_eq!(found(&mut *store, "lodz"), 17, "an import after the update");
    while store.prune(&Prune::Before(i64::MAX), 7).unwrap() > 0 {}
    for term in ["lodz", "und", "łodz", "straße"] {
        let left = "SELECT count(*) FROM term WHERE term MATCH ?1";
        let left: i64 = other
            .query_row(left, [format!("\"{term}\"")], |row| row.get(0))
            .unwrap();
        assert_eq!(left, 0, "{term}");
    }
}

#[test]
fn read_ends_at_its_deadline() {
    let folder = Folder::new();
    let mut store = folder.store().open(true).unwrap();
    let many: Vec<_> = (0..2000)
        .map(|n| new_entry("alice@localhost/x", &format!("the bell {n}")))
        .collect();
    append(&mut *store, &many);
    let words = Query {
        words: "bell".into(),
        limit: 5000,
        ..query()
    };
    let mut reader = folder.store().open(false).unwrap();
    assert_eq!(reader.page(&words).unwrap().entries.len(), 2000);
    let deadline = Deadline::after(std::time::Duration::from_secs(60));
    reader.set_deadline(deadline.clone()).unwrap();
    assert_eq!(reader.page(&words).unwrap().entries.len(), 2000);
    // The caller is gone.
    drop(deadline.guard());
    assert_eq!(reader.page(&words).unwrap_err(), StoreError::Busy);
}

#[test]
fn locked_database_is_busy_and_cache_sees_other_writers() {
    let folder = Folder::new();
    let open = folder
        .store()
        .busy_timeout(std::time::Duration::from_millis(1));
    let mut store = open.open(true).unwrap();
    append(&mut *store, &[new_entry("alice@localhost/x", "a")]);
    let other = rusqlite::Connection::open(folder.store().path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(
        store.commit(&[new_entry("alice@localhost/x", "b")]),
        Err(StoreError::Busy)
    );
    other.execute_batch("ROLLBACK").unwrap();
    let mut second = open.open(true).unwrap();
    while second.erase("alice@localhost", 10).unwrap() > 0 {}
    append(&mut *store, &[new_entry("alice@localhost/x", "c")]);
    let alice = Query {
        owner: Some(jid("alice@localhost")),
        ..query()
    };
    assert_eq!(
        bodies(&store.page(&alice).unwrap()),
        ["c"],
        "cached numbers are invalidated by an erasure of another process"
    );
}

#[test]
fn foreign_or_newer_database_is_rejected() {
    let folder = Folder::new();
    let other = rusqlite::Connection::open(folder.store().path()).unwrap();
    other.execute_batch("CREATE TABLE t (x)").unwrap();
    let error = folder.store().open(true).err().unwrap();
    assert!(error.to_string().contains("another program"), "{error}");
    other
        .execute_batch("PRAGMA application_id = 0x63616d70; PRAGMA user_version = 99")
        .unwrap();
    for write in [true, false] {
        let error = folder.store().open(write).err().unwrap().to_string();
        let newer = "logger.db has schema 99, this campanile supports 3: install the newer version";
        assert!(error.ends_with(newer), "{error}");
    }
    assert!(
        SqliteStore::new(folder.0.join("no/such/file"))
            .open(true)
            .is_err()
    );
}
