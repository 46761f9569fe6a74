//! End-to-end tests of the logger on the embedded host.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a panic fails the test"
)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use campanile::jid::BareJid;
use campanile::layer::AccessLayer;
use campanile::minidom::Element;
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile_logger::store::{SqliteStore, Store};
use campanile_logger::{AuditLayer, Logger, Settings};
use campanile_testing::host::User;
use campanile_testing::{Mounted, mount};

const LOGGER: &str = "logger.localhost";

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "campanile-logger-door-{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn store(&self) -> Store {
        Store::new(SqliteStore::new(self.0.join("logger.db")))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn settings() -> Settings {
    Settings {
        users: AccessLayer::new().allow("localhost".parse().unwrap()),
        admins: vec![BareJid::new("auditor@localhost").unwrap()],
        formats: vec!["MY-FORMAT-NS".to_owned()],
        ..Settings::default()
    }
}

async fn logger(folder: &Folder, settings: Settings) -> Mounted {
    let logger = Logger::new(folder.store(), settings);
    mount(LOGGER, |builder| {
        builder.router(Router::new()).module(logger)
    })
    .await
}

/// Sends a message and waits for its receipt.
async fn log(user: &User, id: &str, children: &str) {
    let message = format!(
        "<message type='chat' id='{id}' to='{LOGGER}'>{children}<request \
        xmlns='urn:xmpp:receipts'/></message>"
    );
    user.send(message.as_str()).await.unwrap();
    let receipt = user.recv().await.unwrap();
    let received = receipt
        .children()
        .find("urn:xmpp:receipts", "received")
        .expect("a receipt");
    assert_eq!(received.attribute("id").as_deref(), Some(id));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn write_ahead_log_is_emptied_when_idle() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    for number in 0..200 {
        log(&alice, &format!("m{number}"), "<body>The bell rings</body>").await;
    }
    let size = || {
        std::fs::metadata(folder.0.join("logger.db-wal"))
            .unwrap()
            .len()
    };
    let emptied = async || {
        while size() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    assert!(
        tokio::time::timeout(std::time::Duration::from_secs(20), emptied())
            .await
            .is_ok(),
        "{} bytes in the log, {} in the database",
        size(),
        std::fs::metadata(folder.0.join("logger.db")).unwrap().len()
    );
    log(&alice, "last", "<body>again</body>").await;
    let all = ask(&alice, LOGGER, &rsm("<max>1</max><before/>"))
        .await
        .unwrap();
    assert_eq!(all.bodies(), ["again"]);
}

#[tokio::test]
async fn messages_that_only_signal_are_not_archived() {
    let signals = [
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
        "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/><no-copy xmlns='urn:xmpp:hints'/>",
        "<received xmlns='urn:xmpp:receipts' id='x'/><thread>t</thread>",
    ];
    let contents = [
        "<body>text</body><active xmlns='http://jabber.org/protocol/chatstates'/>",
        "<subject>title</subject>",
        "<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>x</reaction></reactions>",
    ];
    for (with_signals, stored) in [(false, 4), (true, 7)] {
        let folder = Folder::new();
        let settings = Settings {
            signals: with_signals,
            ..settings()
        };
        let host = logger(&folder, settings).await;
        let alice = host.user("alice@localhost/phone");
        for children in signals.iter().chain(&contents) {
            let message = format!("<message type='chat' to='{LOGGER}'>{children}</message>");
            alice.send(message.as_str()).await.unwrap();
        }
        log(&alice, "last", "<body>last</body>").await;
        assert_eq!(ask(&alice, LOGGER, "").await.unwrap().ids.len(), stored);
    }
}

/// The results of a query: IDs, forwarded stanzas, and the `<fin/>`.
struct Results {
    ids: Vec<String>,
    stanzas: Vec<String>,
    fin: String,
}

impl Results {
    fn bodies(&self) -> Vec<String> {
        let body = |xml: &String| {
            let element: Element = xml.parse().unwrap();
            element
                .get_child("body", "jabber:client")
                .map(Element::text)
                .unwrap_or_default()
        };
        self.stanzas.iter().map(body).collect()
    }
}

fn field(var: &str, value: &str) -> String {
    format!("<field var='{var}'><value>{value}</value></field>")
}

async fn ask(user: &User, to: &str, inner: &str) -> Result<Results, Stanza> {
    let query = format!(
        "<iq type='set' to='{to}'><query xmlns='urn:xmpp:mam:2' queryid='q1'>{inner}</query></iq>"
    );
    let answer = user.request(query.as_str()).await.unwrap();
    if answer.kind().is_error() {
        return Err(answer);
    }
    let mut ids = Vec::new();
    let mut stanzas = Vec::new();
    // Results are sent before the response, so all have arrived.
    while user.waiting() > 0 {
        let message = user.recv().await.unwrap();
        let result = message
            .children()
            .find("urn:xmpp:mam:2", "result")
            .expect("only results")
            .element()
            .unwrap();
        assert_eq!(result.attr("queryid"), Some("q1"));
        assert_eq!(message.from().unwrap().as_str(), to);
        ids.push(result.attr("id").unwrap().to_owned());
        let forwarded = result.get_child("forwarded", "urn:xmpp:forward:0").unwrap();
        assert!(forwarded.get_child("delay", "urn:xmpp:delay").is_some());
        stanzas.extend(
            forwarded
                .get_child("message", "jabber:client")
                .map(String::from),
        );
    }
    let fin = answer
        .children()
        .first()
        .expect("a fin")
        .as_str()
        .to_owned();
    Ok(Results { ids, stanzas, fin })
}

async fn form(user: &User, fields: &str, rest: &str) -> Result<Results, Stanza> {
    let form_type = "<field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>";
    ask(
        user,
        LOGGER,
        &format!("<x xmlns='jabber:x:data' type='submit'>{form_type}{fields}</x>{rest}"),
    )
    .await
}

fn rsm(inner: &str) -> String {
    format!("<set xmlns='http://jabber.org/protocol/rsm'>{inner}</set>")
}

fn condition(error: Result<Results, Stanza>) -> String {
    let Err(stanza) = error else {
        panic!("no error")
    };
    campanile::error::StanzaError::from_stanza(&stanza)
        .condition()
        .to_string()
}

#[tokio::test]
async fn receipt_confirms_storage_and_query_returns_message() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    let odd = "<data xmlns='MY-FORMAT-NS'>vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo \
        ===</data>";
    log(&alice, "m1", &format!("<body>a &amp; b</body>{odd}")).await;
    let forged = format!("<stanza-id xmlns='urn:xmpp:sid:0' by='{LOGGER}' id='forged'/>");
    log(&alice, "m2", &format!("{forged}<body>second</body>")).await;
    let all = ask(&alice, LOGGER, "").await.unwrap();
    assert_eq!(all.bodies(), ["a & b", "second"]);
    assert!(
        all.stanzas[0].contains("vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo ==="),
        "{}",
        all.stanzas[0]
    );
    assert!(!all.stanzas[1].contains("forged"), "{}", all.stanzas[1]);
    let element: Element = all.stanzas[1].parse().unwrap();
    assert_eq!(
        element
            .get_child("stanza-id", "urn:xmpp:sid:0")
            .unwrap()
            .attr("id"),
        Some(all.ids[1].as_str())
    );
    assert_eq!(
        all.fin,
        format!(
            "<fin xmlns='urn:xmpp:mam:2' complete='true'><set \
            xmlns='http://jabber.org/protocol/rsm'>\
             <first>{}</first><last>{}</last><count>2</count></set></fin>",
            all.ids[0], all.ids[1]
        )
    );
}

#[tokio::test]
async fn replaced_file_stops_receipts_until_it_is_back() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    log(&alice, "m1", "<body>first</body>").await;
    let backup = folder.0.join("backup.db");
    std::fs::copy(folder.0.join("logger.db"), &backup).unwrap();
    let message = format!(
        "<message type='chat' id='m2' to='{LOGGER}'><body>lost?</body><request \
        xmlns='urn:xmpp:receipts'/></message>"
    );
    let refused = async || {
        alice.send(message.as_str()).await.unwrap();
        let reply = alice.recv().await.unwrap();
        assert!(reply.kind().is_error(), "{reply:?}");
        campanile::error::StanzaError::from_stanza(&reply)
            .condition()
            .to_string()
    };
    for file in ["logger.db", "logger.db-wal"] {
        let file = folder.0.join(file);
        let aside = folder.0.join("aside");
        std::fs::rename(&file, &aside).unwrap();
        assert_eq!(
            refused().await,
            "resource-constraint",
            "{file:?} is missing"
        );
        std::fs::copy(&backup, &file).unwrap();
        assert_eq!(
            refused().await,
            "resource-constraint",
            "{file:?} is another file"
        );
        assert_eq!(
            condition(ask(&alice, LOGGER, "").await),
            "resource-constraint"
        );
        std::fs::rename(&aside, &file).unwrap();
    }
    log(&alice, "m3", "<body>third</body>").await;
    let all = ask(&alice, LOGGER, "").await.unwrap();
    assert_eq!(all.bodies(), ["first", "third"]);
}

#[tokio::test]
async fn stanza_that_servers_reject_is_stored_but_not_forwarded() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    // Character references elsewhere are harmless.
    log(
        &alice,
        "m1",
        "<body>a &#128276; b</body><x xmlns='urn:x' k='&#10;'/>",
    )
    .await;
    log(&alice, "m2", "<body>m2</body><x xmlns='urn:a&#10;b'/>").await;
    log(&alice, "m3", "<body>m3</body><x xmlns='urn:a&#38;b'/>").await;
    let all = ask(&alice, LOGGER, "").await.unwrap();
    assert_eq!(
        (all.ids.len(), all.bodies()),
        (3, vec!["a \u{1F514} b".to_owned(), "m3".to_owned()])
    );
}

#[tokio::test]
async fn hints_are_obeyed_and_strangers_are_forbidden() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    let mallory = host.user("mallory@elsewhere/x");
    for hint in ["no-store", "no-permanent-store"] {
        let message = format!(
            "<message type='chat' id='h' to='{LOGGER}'><body>secret</body><{hint} \
            xmlns='urn:xmpp:hints'/>\
             <request xmlns='urn:xmpp:receipts'/></message>"
        );
        alice.send(message.as_str()).await.unwrap();
    }
    mallory.say(LOGGER, "hello").await.unwrap();
    let refused = mallory.recv().await.unwrap();
    assert_eq!(
        campanile::error::StanzaError::from_stanza(&refused)
            .condition()
            .to_string(),
        "forbidden"
    );
    assert_eq!(condition(ask(&mallory, LOGGER, "").await), "forbidden");
    log(&alice, "m1", "<body>kept</body>").await;
    let all = ask(&alice, LOGGER, "").await.unwrap();
    assert_eq!(all.bodies(), ["kept"]);
}

#[tokio::test]
async fn all_message_types_are_stored_and_each_localpart_is_an_archive() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    for kind in ["chat", "normal", "headline", "groupchat"] {
        let message = format!("<message type='{kind}' to='{LOGGER}'><body>{kind}</body></message>");
        alice.send(message.as_str()).await.unwrap();
    }
    alice
        .send(format!("<message to='{LOGGER}'><x xmlns='urn:any'/></message>").as_str())
        .await
        .unwrap();
    alice
        .send(format!("<message to='audit@{LOGGER}'><body>elsewhere</body></message>").as_str())
        .await
        .unwrap();
    log(&alice, "last", "<body>last</body>").await;
    let all = ask(&alice, LOGGER, "").await.unwrap();
    assert_eq!(
        all.bodies(),
        ["chat", "normal", "headline", "groupchat", "", "last"]
    );
    let rooms = form(&alice, &field("include-groupchat", "false"), "")
        .await
        .unwrap();
    assert_eq!(rooms.bodies(), ["chat", "normal", "headline", "", "last"]);
    let audit = ask(&alice, &format!("audit@{LOGGER}"), "").await.unwrap();
    assert_eq!(audit.bodies(), ["elsewhere"]);
    let info = format!(
        "<iq type='get' to='audit@{LOGGER}'><query \
        xmlns='http://jabber.org/protocol/disco#info'/></iq>"
    );
    let info = alice.request(info.as_str()).await.unwrap().to_xml();
    for feature in [
        "urn:xmpp:mam:2",
        "urn:xmpp:mam:2#extended",
        "urn:xmpp:mam:2#groupchat-field",
        "urn:xmpp:fulltext:0",
        "MY-FORMAT-NS",
        "urn:xmpp:receipts",
    ] {
        assert!(
            info.contains(&format!("<feature var='{feature}'/>")),
            "{feature}: {info}"
        );
    }
}

#[tokio::test]
async fn user_sees_own_entries_and_admin_sees_all() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    let bob = host.user("bob@localhost/pc");
    let auditor = host.user("auditor@localhost/desk");
    log(&alice, "1", "<body>the bell of alice</body>").await;
    log(&bob, "2", "<body>the bell of bob</body>").await;
    let of_alice = ask(&alice, LOGGER, "").await.unwrap();
    assert_eq!(of_alice.bodies(), ["the bell of alice"]);
    let all = ask(&auditor, LOGGER, "").await.unwrap();
    assert_eq!(all.bodies(), ["the bell of alice", "the bell of bob"]);
    let with = form(&auditor, &field("with", "bob@localhost"), "")
        .await
        .unwrap();
    assert_eq!(with.bodies(), ["the bell of bob"]);
    let found = form(&alice, &field("{urn:xmpp:fulltext:0}fulltext", "BELL"), "")
        .await
        .unwrap();
    assert_eq!(found.bodies(), ["the bell of alice"]);
    // An ID of another user is as unknown as a forged one.
    for id in [all.ids[1].as_str(), "28482-98726-73623"] {
        for var in ["before-id", "after-id", "ids"] {
            assert_eq!(
                condition(form(&alice, &field(var, id), "").await),
                "item-not-found",
                "{var}"
            );
        }
        assert_eq!(
            condition(ask(&alice, LOGGER, &rsm(&format!("<after>{id}</after>"))).await),
            "item-not-found"
        );
    }
    assert_eq!(
        condition(form(&alice, &field("colour", "blue"), "").await),
        "feature-not-implemented"
    );
    assert_eq!(
        condition(form(&alice, &field("start", "yesterday"), "").await),
        "bad-request"
    );
    assert_eq!(
        condition(ask(&alice, LOGGER, &rsm("<max>x</max>")).await),
        "bad-request"
    );
    assert_eq!(
        condition(ask(&alice, LOGGER, &rsm("<index>3</index>")).await),
        "feature-not-implemented"
    );
    let metadata = format!("<iq type='get' to='{LOGGER}'><metadata xmlns='urn:xmpp:mam:2'/></iq>");
    let metadata = alice.request(metadata.as_str()).await.unwrap().to_xml();
    assert_eq!(metadata.matches(&of_alice.ids[0]).count(), 2, "{metadata}");
    let fields = format!("<iq type='get' to='{LOGGER}'><query xmlns='urn:xmpp:mam:2'/></iq>");
    let fields = alice.request(fields.as_str()).await.unwrap().to_xml();
    for var in [
        "with",
        "start",
        "end",
        "before-id",
        "after-id",
        "ids",
        "include-groupchat",
    ] {
        assert!(fields.contains(&format!("var='{var}'")), "{fields}");
    }
}

#[tokio::test]
async fn search_that_matches_too_much_is_refused_with_words() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    log(&alice, "1", "<body>The bell rings</body>").await;
    let many = "bell ".repeat(33);
    for (words, why) in [
        (
            "a*",
            "a* matches too much: write at least 3 letters before *",
        ),
        ("bell* th*", "th* matches too much"),
        (
            "aaa* bbb* ccc* ddd* eee*",
            "at most 4 words of a search may end with *",
        ),
        (many.as_str(), "a search has at most 32 words"),
    ] {
        let error = form(&alice, &field("{urn:xmpp:fulltext:0}fulltext", words), "").await;
        let Err(stanza) = error else {
            panic!("{words} is accepted")
        };
        let error = campanile::error::StanzaError::from_stanza(&stanza);
        assert_eq!(error.condition().to_string(), "bad-request", "{words}");
        assert!(
            error.text().is_some_and(|text| text.contains(why)),
            "{error:?}"
        );
        alice
            .say(LOGGER, &format!("!search {words}"))
            .await
            .unwrap();
        let reply = alice.recv().await.unwrap().to_xml();
        assert!(reply.contains(why), "{reply}");
    }
    let found = form(
        &alice,
        &field("{urn:xmpp:fulltext:0}fulltext", "bel* rin*"),
        "",
    )
    .await;
    assert_eq!(found.unwrap().bodies(), ["The bell rings"]);
}

#[tokio::test]
async fn pages_can_be_read_in_both_directions() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    for n in 0..7 {
        alice
            .send(format!("<message type='chat' to='{LOGGER}'><body>{n}</body></message>").as_str())
            .await
            .unwrap();
    }
    log(&alice, "last", "<body>7</body>").await;
    let all = ask(&alice, LOGGER, "").await.unwrap();
    assert_eq!(all.bodies(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    let id = |n: usize| &all.ids[n];
    let first = ask(&alice, LOGGER, &rsm("<max>3</max>")).await.unwrap();
    assert_eq!(
        (first.bodies().join(""), first.fin.contains("complete")),
        ("012".to_owned(), false)
    );
    assert!(first.fin.contains("<count>8</count>"), "{}", first.fin);
    let next = ask(
        &alice,
        LOGGER,
        &rsm(&format!("<max>3</max><after>{}</after>", id(2))),
    )
    .await
    .unwrap();
    assert_eq!(next.bodies().join(""), "345");
    let last = ask(&alice, LOGGER, &rsm("<max>3</max><before/>"))
        .await
        .unwrap();
    assert_eq!(last.bodies().join(""), "567");
    let before = ask(
        &alice,
        LOGGER,
        &rsm(&format!("<max>9</max><before>{}</before>", id(2))),
    )
    .await
    .unwrap();
    assert_eq!(
        (
            before.bodies().join(""),
            before.fin.contains("complete='true'")
        ),
        ("01".to_owned(), true)
    );
    let flipped = ask(
        &alice,
        LOGGER,
        &format!("{}<flip-page/>", rsm("<max>3</max><before/>")),
    )
    .await
    .unwrap();
    assert_eq!(flipped.bodies().join(""), "765");
    assert!(
        flipped
            .fin
            .contains(&format!("<first>{}</first><last>{}</last>", id(5), id(7))),
        "{}",
        flipped.fin
    );
    let between = form(
        &alice,
        &(field("after-id", id(1)) + &field("before-id", id(5))),
        &rsm("<max>2</max>"),
    )
    .await
    .unwrap();
    assert_eq!(
        (
            between.bodies().join(""),
            between.fin.contains("<count>3</count>")
        ),
        ("23".to_owned(), true),
        "{}",
        between.fin
    );
    let ids = format!(
        "<field var='ids'><value>{}</value><value>{}</value></field>",
        id(6),
        id(1)
    );
    let ids = form(&alice, &ids, "").await.unwrap();
    assert_eq!(ids.bodies().join(""), "16");
    let none = ask(&alice, LOGGER, &rsm("<max>0</max>")).await.unwrap();
    assert!(
        none.ids.is_empty() && none.fin.contains("<count>8</count>"),
        "{}",
        none.fin
    );
    let past = form(&alice, &field("end", "2020-01-01T00:00:00Z"), "")
        .await
        .unwrap();
    assert!(
        past.ids.is_empty()
            && past.fin.contains("complete='true'")
            && past.fin.contains("<count>0</count>")
    );
}

#[tokio::test]
async fn iq_get_returns_newest_payload() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    let bob = host.user("bob@localhost/pc");
    let get = format!("<iq type='get' to='{LOGGER}'><data xmlns='MY-FORMAT-NS'/></iq>");
    let error = alice.request(get.as_str()).await.unwrap();
    assert_eq!(
        campanile::error::StanzaError::from_stanza(&error)
            .condition()
            .to_string(),
        "item-not-found"
    );
    for value in ["one", "two"] {
        let set =
            format!("<iq type='set' to='{LOGGER}'><data xmlns='MY-FORMAT-NS'>{value}</data></iq>");
        let result = alice.request(set.as_str()).await.unwrap();
        assert!(
            result.kind().is_response()
                && !result.kind().is_error()
                && result.children().is_empty()
        );
    }
    let answer = alice.request(get.as_str()).await.unwrap();
    assert_eq!(
        answer.children().first().unwrap().as_str(),
        "<data xmlns='MY-FORMAT-NS'>two</data>"
    );
    log(&alice, "m", "<data xmlns='MY-FORMAT-NS'>three</data>").await;
    let answer = alice.request(get.as_str()).await.unwrap();
    assert_eq!(answer.children().first().unwrap().text(), "three");
    let error = bob.request(get.as_str()).await.unwrap();
    assert!(error.kind().is_error());
    for number in 0..20 {
        let message =
            format!("<message to='{LOGGER}'><data xmlns='MY-FORMAT-NS'>{number}</data></message>");
        alice.send(message.as_str()).await.unwrap();
        let answer = alice.request(get.as_str()).await.unwrap();
        assert_eq!(
            answer.children().first().unwrap().text(),
            number.to_string(),
            "earlier stanzas are visible"
        );
    }
}

async fn said(user: &User, command: &str) -> String {
    user.say(LOGGER, command).await.unwrap();
    let answer = user.recv().await.unwrap();
    answer
        .children()
        .find("jabber:client", "body")
        .unwrap()
        .text()
        .into_owned()
}

/// Returns the bytes of all files in a directory, in lower case.
fn bytes(folder: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(folder)
        .unwrap()
        // The write-ahead log may be removed meanwhile, when the last connection closes.
        .filter_map(|file| std::fs::read(file.unwrap().path()).ok());
    files
        .flatten()
        .map(|byte| byte.to_ascii_lowercase())
        .collect()
}

#[tokio::test]
async fn users_search_export_opt_out_and_erase_by_chat() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    let bob = host.user("bob@localhost/pc");
    log(&alice, "1", "<body>Quixotic bells</body>").await;
    log(&bob, "2", "<body>the words of bob</body>").await;
    assert!(
        said(&alice, "!search bells")
            .await
            .ends_with("alice@localhost: Quixotic bells")
    );
    assert_eq!(
        said(&alice, "!search bob").await,
        "Nothing found for \"bob\"."
    );
    assert!(
        said(&alice, "!search \"quixotic bells\"")
            .await
            .ends_with("Quixotic bells")
    );
    assert_eq!(
        said(&alice, "!search \"bells quixotic\"").await,
        "Nothing found for \"bells quixotic\"."
    );
    assert!(said(&alice, "!stats").await.starts_with("1 entry, "));
    let export = said(&alice, "!export").await;
    let line: serde_json::Value = serde_json::from_str(&export).unwrap();
    assert_eq!(
        (&line["body"], &line["from"]),
        (&"Quixotic bells".into(), &"alice@localhost".into())
    );
    assert!(said(&alice, "!stop").await.starts_with("Logging stopped"));
    alice.say(LOGGER, "not logged").await.unwrap();
    assert!(said(&alice, "!stats").await.contains("You have opted out"));
    assert!(said(&alice, "!resume").await.starts_with("Logging resumed"));
    assert_eq!(
        said(&alice, "!search logged").await,
        "Nothing found for \"logged\"."
    );
    let asked = said(&alice, "!delete mine").await;
    assert!(
        asked.starts_with("This permanently erases 1 entry, "),
        "{asked}"
    );
    let command = asked.split_once("5 minutes: ").expect("a command").1;
    assert_eq!(said(&alice, "!delete").await, asked);
    assert!(said(&alice, "!stats").await.starts_with("1 entry, "));
    assert!(
        said(&alice, "!delete mine now")
            .await
            .starts_with("This word is wrong or has expired. This permanently erases 1 entry")
    );
    assert!(
        said(&bob, command).await.starts_with("This word is wrong"),
        "a word is valid for one user"
    );
    assert_eq!(said(&alice, command).await, "Erased 1 entry.");
    assert_eq!(
        said(&alice, "!delete mine").await,
        "There are no entries of yours."
    );
    assert_eq!(
        said(&alice, "!search bells").await,
        "Nothing found for \"bells\"."
    );
    let bytes = bytes(&folder.0);
    for gone in ["quixotic", "bells", "alice@localhost", "alice"] {
        assert!(
            !bytes
                .windows(gone.len())
                .any(|window| window == gone.as_bytes()),
            "{gone}"
        );
    }
    assert!(bytes.windows(3).any(|window| window == b"bob"));
    let auditor = host.user("auditor@localhost/desk");
    let all = ask(&auditor, LOGGER, "").await.unwrap();
    assert_eq!(
        (all.ids.len(), all.bodies()),
        (2, vec!["the words of bob".to_owned()])
    );
}

#[tokio::test]
async fn help_lists_commands_and_typos_get_a_hint() {
    let folder = Folder::new();
    let settings = Settings {
        allow_erasure: false,
        ..settings()
    };
    let host = logger(&folder, settings).await;
    let alice = host.user("alice@localhost/phone");
    let help = said(&alice, "!help").await;
    for line in ["\n!search bell: ", "\n!stop: ", "\n!export: "] {
        assert!(help.contains(line), "{help}");
    }
    assert!(!help.contains("!delete"), "{help}");
    assert_eq!(
        said(&alice, "!serach bells").await,
        "There is no command !serach; !help lists the commands. Your message was archived."
    );
    assert_eq!(
        said(&alice, "!delete mine").await,
        "This archive does not offer !delete. Your message was archived."
    );
    // These are no commands.
    for body in ["!", "!? what", "hello !serach"] {
        alice.say(LOGGER, body).await.unwrap();
    }
    log(&alice, "1", "<body>last</body>").await;
    assert_eq!(ask(&alice, LOGGER, "").await.unwrap().ids.len(), 6);
}

#[tokio::test]
async fn export_by_chat_is_paged() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    for number in 0..300 {
        let body = format!("<body>{number} {}</body>", "x".repeat(100));
        log(&alice, &format!("m{number}"), &body).await;
    }
    log(
        &alice,
        "large",
        &format!("<body>{}</body>", "y".repeat(100_000)),
    )
    .await;
    let mut command = "!export".to_owned();
    let mut lines = Vec::new();
    loop {
        let page = said(&alice, &command).await;
        assert!(
            page.len() < 8_200 || page.contains("too_large"),
            "{} bytes",
            page.len()
        );
        let (entries, rest) = page.split_at(page.rfind("There follow ").unwrap_or(page.len()));
        let left = rest
            .split(' ')
            .nth(2)
            .map_or(0, |left| left.parse().expect(rest));
        lines.extend(entries.lines().map(str::to_owned));
        assert_eq!(lines.len() + left, 301, "{rest}");
        match rest.split_once("To continue: ") {
            Some((_, next)) => next.clone_into(&mut command),
            None => break,
        }
    }
    assert_eq!(lines.len(), 301);
    assert!(lines[299].contains("\"body\":\"299 xxx"));
    assert!(lines[300].contains("\"too_large\":100"), "{}", lines[300]);
}

#[tokio::test]
async fn search_by_chat_is_paged_and_has_times_for_people() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    assert_eq!(
        said(&alice, "!search").await,
        "What shall I look for? For example: !search bell"
    );
    for number in 0..45 {
        log(
            &alice,
            &format!("m{number}"),
            &format!("<body>bell {number} rang</body>"),
        )
        .await;
    }
    // Without a receipt, the command may arrive before the message is on disk.
    for number in 0..20 {
        alice.say(LOGGER, &format!("tower{number}")).await.unwrap();
        let found = said(&alice, &format!("!search tower{number}")).await;
        assert!(found.ends_with(&format!(" tower{number}")), "{found}");
    }
    let mut command = "!search \"bell\" rang".to_owned();
    let mut found = Vec::new();
    loop {
        let page = said(&alice, &command).await;
        let (entries, next) = page
            .split_once("\nThere are older ones: ")
            .unwrap_or((&page, ""));
        for line in entries.lines().rev() {
            let (time, body) = line.split_once(" UTC alice@localhost: ").expect(line);
            assert!((10..=13).contains(&time.len()), "{time}");
            found.push(body.to_owned());
        }
        assert_eq!(
            next.is_empty(),
            entries.lines().count() < 20,
            "pages of twenty"
        );
        if next.is_empty() {
            break;
        }
        next.clone_into(&mut command);
    }
    let wanted: Vec<_> = (0..45)
        .rev()
        .map(|number| format!("bell {number} rang"))
        .collect();
    assert_eq!(found, wanted);
}

#[tokio::test]
async fn interrupted_erasure_is_completed_on_startup() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    for number in 0..5 {
        log(&alice, &format!("m{number}"), "<body>Quixotic bells</body>").await;
    }
    drop(host);
    let store = folder.store();
    store
        .write(|backend| backend.erase("alice@localhost", 2))
        .await
        .unwrap();
    drop(store);
    assert!(
        bytes(&folder.0)
            .windows(8)
            .any(|window| window == b"quixotic")
    );
    let _host = logger(&folder, settings()).await;
    let gone = async || {
        while ["quixotic", "bells", "alice"].iter().any(|word| {
            bytes(&folder.0)
                .windows(word.len())
                .any(|window| window == word.as_bytes())
        }) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), gone())
        .await
        .expect("everything is erased");
}

#[tokio::test]
async fn archive_that_must_be_complete_has_no_opt_out_and_no_erasure() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    assert!(said(&alice, "!stop").await.starts_with("Logging stopped"));
    drop((alice, host));
    let complete = Settings {
        honor_hints: false,
        allow_opt_out: false,
        allow_erasure: false,
        ..settings()
    };
    let host = logger(&folder, complete).await;
    let alice = host.user("alice@localhost/phone");
    log(&alice, "1", "<body>kept</body>").await;
    log(
        &alice,
        "2",
        "<body>hint</body><no-store xmlns='urn:xmpp:hints'/>",
    )
    .await;
    let all = ask(&alice, LOGGER, "").await.unwrap();
    assert_eq!(all.bodies(), ["kept", "hint"]);
    let items = format!(
        "<iq type='get' to='{LOGGER}'><query xmlns='http://jabber.org/protocol/disco#items' \
        node='http://jabber.org/protocol/commands'/></iq>"
    );
    let items = alice.request(items.as_str()).await.unwrap().to_xml();
    assert!(items.contains("node='search'"), "{items}");
    for node in ["stop", "resume", "delete"] {
        assert!(!items.contains(&format!("node='{node}'")), "{items}");
    }
}

#[tokio::test]
async fn opt_out_survives_restart() {
    let folder = Folder::new();
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    said(&alice, "!stop").await;
    drop(host);
    let host = logger(&folder, settings()).await;
    let alice = host.user("alice@localhost/phone");
    alice.say(LOGGER, "still not").await.unwrap();
    assert_eq!(
        said(&alice, "!search still").await,
        "Nothing found for \"still\"."
    );
}

#[tokio::test]
async fn presence_and_iqs_are_stored_if_enabled() {
    let folder = Folder::new();
    let host = logger(
        &folder,
        Settings {
            presence: true,
            iq: true,
            ..settings()
        },
    )
    .await;
    let alice = host.user("alice@localhost/phone");
    alice
        .send(format!("<presence to='{LOGGER}'><status>bellringing</status></presence>").as_str())
        .await
        .unwrap();
    let set = format!("<iq type='set' to='{LOGGER}'><any xmlns='urn:any'>value</any></iq>");
    assert!(!alice.request(set.as_str()).await.unwrap().kind().is_error());
    let get = format!("<iq type='get' to='{LOGGER}'><any xmlns='urn:any'/></iq>");
    assert_eq!(
        alice
            .request(get.as_str())
            .await
            .unwrap()
            .children()
            .first()
            .unwrap()
            .text(),
        "value"
    );
    assert_eq!(
        ask(&alice, LOGGER, "").await.unwrap().ids.len(),
        0,
        "MAM returns messages only"
    );
    assert!(said(&alice, "!stats").await.starts_with("2 entries"));
    let ping = format!("<iq type='get' to='{LOGGER}'><ping xmlns='urn:xmpp:ping'/></iq>");
    assert!(
        !alice
            .request(ping.as_str())
            .await
            .unwrap()
            .kind()
            .is_error()
    );
}

#[tokio::test]
async fn audit_layer_records_both_directions() {
    let folder = Folder::new();
    let store = folder.store();
    let audit = AuditLayer::new(
        store.clone(),
        BareJid::new("shop@logger.localhost").unwrap(),
    );
    let shop = mount("shop.localhost", |builder| {
        let router = Router::new().message(async || "hello back");
        builder
            .router(router)
            .layer(audit.clone())
            .outbound(audit.clone())
    })
    .await;
    let alice = shop.user("alice@localhost/phone");
    alice.say("shop.localhost", "hello").await.unwrap();
    alice.recv().await.unwrap();
    let query = campanile_logger::store::Query {
        owner: Some(BareJid::new("alice@localhost").unwrap()),
        limit: 10,
        ..Default::default()
    };
    store.write(|_| Ok(())).await.unwrap();
    let page = store
        .read(move |backend| backend.page(&query))
        .await
        .unwrap();
    let pairs: Vec<_> = page
        .entries
        .iter()
        .map(|entry| (entry.from.as_str(), entry.to.as_str()))
        .collect();
    assert_eq!(
        pairs,
        [
            ("alice@localhost", "shop.localhost"),
            ("shop.localhost", "alice@localhost")
        ]
    );
    assert_eq!(
        (audit.lost(), page.entries[0].archive.as_str()),
        (0, "shop@logger.localhost")
    );
}
