//! Full-text search in the languages of the world, with equal results of both stores.

use campanile_logger::store::{Backend, Open, PostgresStore, Query, SqliteStore};
use campanile_logger::{Class, export};
use campanile_storage::postgres::Database;
use campanile_tests::Postgres;
use campanile_tests::folder::Folder;

/// Language, search, text, and if the text is found.
const TABLE: &[(&str, &str, &str, bool)] = &[
    ("Greek", "ΔΡΟΜΟΣ", "ο δρόμος είναι κλειστός", true),
    ("Greek", "κλειστοσ", "ο δρόμος είναι κλειστός", true),
    ("Thai", "เขียน", "ฉันกำลังเขียนจดหมายถึงคุณ", true),
    ("Thai", "อ่าน", "ฉันกำลังเขียนจดหมายถึงคุณ", false),
    ("Lao", "ພາສາ", "ຂ້ອຍເວົ້າພາສາລາວ", true),
    ("Khmer", "ភាសា", "ខ្ញុំនិយាយភាសាខ្មែរ", true),
    ("Burmese", "စာအုပ်", "ကျွန်တော်စာအုပ်ဖတ်နေတယ်", true),
    ("Korean", "계약서", "어제 계약서를 보냈습니다", true),
    ("Korean", "계약금", "어제 계약서를 보냈습니다", false),
    ("Japanese", "鐘楼", "駅の近くの鐘楼で会いましょう", true),
    ("Japanese", "かき", "かぎを忘れた", false),
    ("Chinese", "合同", "请把合同发给我", true),
    ("Chinese", "发", "请把合同发给我", true),
    ("Hindi", "किताब", "मेरी किताब कहाँ है", true),
    ("Hindi", "कुताब", "मेरी किताब कहाँ है", false),
    ("Polish", "lodzi", "jutro jedziemy do Łodzi", true),
    ("German", "strasse", "die Straße ist gesperrt", true),
    ("German", "STRAẞE", "die strasse ist gesperrt", true),
    ("German", "grusse", "viele Grüße", true),
    ("Vietnamese", "hop dong", "gửi hợp đồng cho tôi", true),
    ("French", "coeur", "mon cœur bat", true),
    ("French", "ecole", "à l’école", true),
    ("Danish", "smorrebrod", "smørrebrød til frokost", true),
    ("Turkish", "istanbul", "yarın İstanbul'a gidiyorum", true),
    ("Arabic", "احمد", "ذهب أحمد إلى المدرسة", true),
    ("Arabic", "مدرسه", "هذه مدرسة كبيرة", true),
    ("Hebrew", "שלום", "שָׁלוֹם חבר", true),
    ("Russian", "ёлка", "елка горит", true),
    ("emoji", "🔔", "at noon 🔔 again", true),
    ("emoji", "👍", "ok👍🏽", true),
    ("emoji", "🇩🇪", "🇫🇷🇩🇪", true),
    ("emoji", "🇪🇩", "🇩🇪", false),
    ("code", "C++", "I write C++ at work", true),
    ("code", "C++", "I write C# at work", false),
    ("code", "C#", "I write C# at work", true),
    ("code", "C#", "the note C is low", false),
    ("code", "c", "I write C++ at work", true),
    ("syntax", "bell -tower", "the bell in the tower", false),
    ("syntax", "bell -tower", "the bell rings", true),
    ("syntax", "tower OR rings", "the bell rings", true),
    ("syntax", "bell tower OR rings", "the bell rings", true),
    ("syntax", "bell tower OR noon", "the bell rings", false),
    ("syntax", "\"bell rings\"", "the bell rings", true),
    ("syntax", "\"rings bell\"", "the bell rings", false),
    ("syntax", "\"把合同发\"", "请把合同发给我", true),
    ("syntax", "bel*", "the bell rings", true),
];

/// Stores one text, and returns `true` if it is found; an unacceptable search finds nothing.
fn is_found(backend: &mut dyn Backend, number: usize, words: &str, text: &str) -> bool {
    let archive = format!("a{number}@logger.localhost");
    let stanza = format!(
        "<message from='u@localhost/r' to='{archive}' id='i' type='chat'><body>{text}</body></message>"
    );
    let line = format!(
        "{{\"id\":\"s{number}\",\"time\":\"2026-01-01T00:00:00Z\",\"archive\":\"{archive}\",\"stanza\":{}}}",
        serde_json::Value::from(stanza)
    );
    backend
        .commit(&[export::import(&line).unwrap().unwrap()])
        .unwrap();
    let query = Query {
        archive: Some(archive.parse().unwrap()),
        words: words.to_owned(),
        classes: vec![Class::Message],
        limit: 9,
        ..Query::default()
    };
    backend
        .page(&query)
        .is_ok_and(|page| !page.entries.is_empty())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn search_finds_words_of_the_worlds_languages() {
    let server = Postgres::start().await;
    let folder = Folder::new("search");
    let address = server.address();
    let tested = tokio::task::spawn_blocking(move || {
        let mut sqlite = SqliteStore::new(folder.path().join("logger.db"))
            .open(true)
            .unwrap();
        let mut postgres = PostgresStore::new(&address).unwrap().open(true).unwrap();
        let mut wrong = Vec::new();
        for (number, (language, words, text, expected)) in TABLE.iter().enumerate() {
            let found = [
                is_found(&mut *sqlite, number, words, text),
                is_found(&mut *postgres, number, words, text),
            ];
            if found != [*expected; 2] {
                wrong.push(format!(
                    "{language}: {words} in {text}: SQLite {}, PostgreSQL {}, expected {expected}",
                    found[0], found[1]
                ));
            }
        }
        wrong
    });
    let wrong = tested.await.unwrap();
    drop(server);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn database_of_version_2_is_reindexed_while_in_use() {
    let server = Postgres::start().await;
    let address = server.address();
    let tested = tokio::task::spawn_blocking(move || {
        let mut store = PostgresStore::new(&address).unwrap().open(true).unwrap();
        for number in 0..5 {
            assert!(is_found(&mut *store, number, "lodz", "jutro Łódź"));
        }
        let mut client = Database::new(&address).unwrap().connect_blocking().unwrap();
        client
            .batch_execute(
                "SET search_path = campanile_logger; \
                 UPDATE entry SET terms = array_to_tsvector(array['łodz']); \
                 INSERT INTO reindex SELECT max(place) + 1 FROM entry",
            )
            .unwrap();
        let query = Query {
            words: "lodz".to_owned(),
            limit: 9,
            ..Query::default()
        };
        let mut found = Vec::new();
        loop {
            found.push(store.page(&query).unwrap().entries.len());
            if store.reindex(2).unwrap() == 0 {
                return found;
            }
        }
    });
    assert_eq!(tested.await.unwrap(), [0, 2, 4, 5]);
    drop(server);
}
