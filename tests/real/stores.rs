//! The logger's SQLite and PostgreSQL stores return equal results for equal queries.

use campanile_logger::{Class, export};

use campanile_logger::store::{
    Backend, Open, PostgresStore, Prune, Query, SqliteStore, StoreError,
};
use campanile_tests::Postgres;
use campanile_tests::folder::Folder;

/// Returns a line in the export format.
fn line(number: u32) -> String {
    let from = format!("u{}@localhost", number % 7);
    let archive = if number.is_multiple_of(11) {
        "audit@logger.localhost"
    } else {
        "logger.localhost"
    };
    let kind = if number.is_multiple_of(5) {
        "groupchat"
    } else {
        "chat"
    };
    let stanza = format!(
        "<message from='{from}/r{}' to='{archive}' id='i{number}' type='{kind}'><body>n{number} \
        w{} Grüße 鐘楼</body>\
         <x xmlns='urn:x{}'/></message>",
        number % 3,
        number % 13,
        number % 4
    );
    let time = format!("2026-01-01T00:{:02}:{:02}Z", number / 60 % 60, number % 60);
    format!(
        "{{\"id\":\"old{number}\",\"time\":\"{time}\",\"archive\":\"{archive}\",\"stanza\":{}}}",
        serde_json::Value::from(stanza)
    )
}

fn fill(backend: &mut dyn Backend) {
    let drafts: Vec<_> = (0..500)
        .map(|number| export::import(&line(number)).unwrap().unwrap())
        .collect();
    for batch in drafts.chunks(64) {
        assert!(backend.commit(batch).unwrap().iter().all(Result::is_ok));
    }
    // Duplicates are ignored.
    backend.commit(&drafts[..64]).unwrap();
}

fn questions() -> Vec<Query> {
    let jid = |text: &str| Some(text.parse().unwrap());
    let base = Query {
        archive: jid("logger.localhost"),
        limit: 40,
        ..Query::default()
    };
    let first = 1_767_225_600_000_000;
    let hour = 3_600_000_000;
    let mut all = vec![
        base.clone(),
        Query {
            archive: None,
            ..base.clone()
        },
        Query {
            owner: jid("u3@localhost"),
            ..base.clone()
        },
        Query {
            owner: jid("unknown@localhost"),
            ..base.clone()
        },
        Query {
            with: Some("u3@localhost".parse().unwrap()),
            ..base.clone()
        },
        Query {
            with: Some("u3@localhost/r1".parse().unwrap()),
            ..base.clone()
        },
        Query {
            with: Some("logger.localhost".parse().unwrap()),
            ..base.clone()
        },
        Query {
            classes: vec![Class::Groupchat],
            ..base.clone()
        },
        Query {
            archive: None,
            classes: vec![Class::Message],
            ..base.clone()
        },
        Query {
            payload: Some(("urn:x2".to_owned(), "x".to_owned())),
            ..base.clone()
        },
        Query {
            start: Some(first + hour / 60),
            end: Some(first + hour / 30),
            ..base.clone()
        },
    ];
    let phrases = ["\"w5 grusse 鐘\"", "\"grusse w5\""];
    for words in [
        "w5",
        "W5 grusse",
        "Gruße",
        "n49*",
        "鐘",
        "nothing",
        "?!",
        "w1 w2",
    ]
    .into_iter()
    .chain(phrases)
    {
        all.push(Query {
            words: words.to_owned(),
            ..base.clone()
        });
        all.push(Query {
            words: words.to_owned(),
            owner: jid("u1@localhost"),
            ..base.clone()
        });
    }
    all.iter()
        .flat_map(|query| {
            [
                query.clone(),
                Query {
                    from_end: true,
                    ..query.clone()
                },
            ]
        })
        .collect()
}

/// Returns all results of a query, page by page.
fn pages(backend: &mut dyn Backend, query: &Query) -> Vec<String> {
    let mut found = Vec::new();
    let mut query = query.clone();
    found.push(format!("{:?}", backend.count(&query, 100).unwrap()));
    loop {
        let page = backend.page(&query).unwrap();
        found.extend(page.entries.iter().map(export::json));
        let ends = (
            page.entries.first().map(|entry| entry.place),
            page.entries.last().map(|entry| entry.place),
        );
        if query.from_end {
            query.before = ends.0;
        } else {
            query.after = ends.1;
        }
        if !page.more {
            return found;
        }
    }
}

fn same(one: &mut dyn Backend, other: &mut dyn Backend) -> usize {
    let mut compared = 0;
    for query in questions() {
        let found = pages(one, &query);
        compared += found.len();
        assert_eq!(found, pages(other, &query), "{query:?}");
    }
    for id in ["old7", "old11", "none"] {
        for query in questions() {
            assert_eq!(
                one.place(&query, id),
                other.place(&query, id),
                "{id} {query:?}"
            );
        }
    }
    for owner in [None, Some("u2@localhost"), Some("x@y")] {
        assert_eq!(one.usage(owner), other.usage(owner));
    }
    compared
}

/// A server that rejects unencrypted connections, with a certificate of a CA that the system does
/// not trust.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn encrypted_connection_verifies_server() {
    let server = Postgres::start_encrypted().await;
    let address = server.address();
    let trusted = format!(
        "{address}?sslmode=verify-full&sslrootcert={}",
        server.authority()
    );
    let tried = tokio::task::spawn_blocking(move || {
        let open = |address: &str| PostgresStore::new(address).unwrap().open(true);
        let why = |address: &str| match open(address) {
            Err(StoreError::Unavailable(why)) => why,
            other => panic!("{address}: {:?}", other.map(|_| "open")),
        };
        let mut store = open(&trusted).unwrap();
        fill(&mut *store);
        assert_eq!(store.usage(None).unwrap().entries, 500);
        (
            why(&address),
            why(&format!("{address}?sslmode=verify-full")),
        )
    });
    let (plain, unknown) = tried.await.unwrap();
    assert!(plain.contains("no encryption"), "{plain}");
    assert!(unknown.contains("certificate"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stores_return_equal_results() {
    let server = Postgres::start().await;
    let folder = Folder::new("stores");
    let address = server.address();
    let compared = tokio::task::spawn_blocking(move || {
        let mut sqlite = SqliteStore::new(folder.path().join("logger.db"))
            .open(true)
            .unwrap();
        let mut postgres = PostgresStore::new(&address).unwrap().open(true).unwrap();
        let both: [&mut dyn Backend; 2] = [&mut *sqlite, &mut *postgres];
        for backend in both {
            fill(backend);
        }
        let compared = same(&mut *sqlite, &mut *postgres);
        for backend in [&mut sqlite, &mut postgres] {
            backend.erase("u4@localhost", 30).unwrap();
            assert_eq!(backend.unfinished().unwrap(), ["u4@localhost"]);
            while backend.erase("u4@localhost", 30).unwrap() > 0 {}
            assert_eq!(backend.unfinished().unwrap().len(), 1);
            backend.scrub().unwrap();
            assert_eq!(backend.unfinished().unwrap(), [""; 0]);
            let erased = backend
                .page(&Query {
                    limit: 1000,
                    ..Query::default()
                })
                .unwrap();
            assert_eq!(
                erased
                    .entries
                    .iter()
                    .filter(|entry| entry.stanza.is_none())
                    .count(),
                71
            );
            backend.set_opted_out("u2@localhost", true).unwrap();
            assert_eq!(backend.opted_out().unwrap().len(), 1);
            while backend
                .prune(&Prune::Before(1_767_225_600_000_000 + 60_000_000), 25)
                .unwrap()
                > 0
            {}
            let bytes = backend.usage(None).unwrap().bytes;
            while backend.prune(&Prune::Above(bytes * 3 / 4), 25).unwrap() > 0 {}
        }
        // Hashes of erased JIDs are keyed per store; everything else is equal.
        let query = Query {
            archive: Some("logger.localhost".parse().unwrap()),
            words: "w5".into(),
            limit: 99,
            ..Query::default()
        };
        assert_eq!(pages(&mut *sqlite, &query), pages(&mut *postgres, &query));
        assert_eq!(
            sqlite.usage(Some("u1@localhost")),
            postgres.usage(Some("u1@localhost"))
        );
        assert_eq!(
            sqlite.usage(None).unwrap().entries,
            postgres.usage(None).unwrap().entries
        );
        compared
    });
    assert!(compared.await.unwrap() > 3000);
    drop(server);
}
