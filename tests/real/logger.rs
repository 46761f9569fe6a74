//! The logger on real servers: slixmpp's MAM plugin, outages, shared databases, and the README.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use campanile_tests::clients::interpreter;
use campanile_tests::output::Output;
use campanile_tests::process::Process;
use campanile_tests::tree::{self, Tree};
use campanile_tests::{
    Daemon, Ejabberd, Postgres, RawClient, Server, Setup, SlixmppClient, on_both,
};

const LOGGER: &str = "logger.localhost";
const DATA: &str =
    "<data xmlns='MY-FORMAT-NS'>vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo ===</data>";
const TEXT: &str = "vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo ===";

fn setup() -> Setup {
    Setup::new().component(LOGGER)
}

fn configuration(address: &str) -> String {
    let limits = "limits = { back_off = [\"200ms\", \"1s\"], slow_retry = [\"1s\", \"2s\"] }";
    format!(
        "[server]\naddress = \"{address}\"\n\
         [[component]]\njid = \"{LOGGER}\"\nsecret = \"a secret for tests\"\n{limits}\n\
         [component.logger]\nstore = \"sqlite:logger.db\"\nformats = [\"MY-FORMAT-NS\"]\nadmins = \
         [\"bob@localhost\"]\n"
    )
}

async fn logger(server: &Server) -> Daemon {
    logger_on(server, "sqlite:logger.db").await
}

async fn logger_on(server: &Server, store: &str) -> Daemon {
    let configuration =
        configuration(&server.component_address()).replace("sqlite:logger.db", store);
    let mut daemon = Daemon::start(&configuration);
    daemon
        .logs("that it is mounted", |line| {
            line.to_string().contains("\"mounted\"")
        })
        .await;
    daemon
}

async fn slixmpp_mam_plugin_works_with_sqlite(server: Server) {
    let daemon = logger(&server).await;
    asked_by_slixmpp(&server, daemon).await;
}
on_both!(slixmpp_mam_plugin_works_with_sqlite, setup());

async fn slixmpp_mam_plugin_works_with_postgres(server: Server) {
    let postgres = Postgres::start().await;
    let daemon = logger_on(&server, &postgres.address()).await;
    asked_by_slixmpp(&server, daemon).await;
}
on_both!(slixmpp_mam_plugin_works_with_postgres, setup());

async fn asked_by_slixmpp(server: &Server, mut daemon: Daemon) {
    let address = server.client_address();
    let (host, port) = address.rsplit_once(':').expect("host and port");
    let mut command = Command::new(interpreter());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/mam.py"));
    command.args([host, port, "alice@localhost", "alice-pw", LOGGER, "10000"]);
    let output = Output::default();
    let mut asker = Process::start("mam.py", command, &output);
    let status = asker.end(Duration::from_secs(300)).await;
    assert!(
        status.success(),
        "{}\n{}",
        output.tail(),
        daemon.output().tail()
    );
    assert!(daemon.stop().await.success());
}

/// A database outage: senders get an error, no receipt is false, and the logger recovers.
async fn logger_recovers_from_database_outage(server: Server) {
    const ASKED: &str = "<request xmlns='urn:xmpp:receipts'/>";
    let mut postgres = Postgres::start().await;
    let mut daemon = logger_on(&server, &postgres.address()).await;
    let mut alice = SlixmppClient::login(&server, "alice").await;
    let receipt =
        |it: &campanile_tests::Received| it.child("received", "urn:xmpp:receipts").is_some();
    alice
        .message_with(LOGGER, "chat", Some("before"), ASKED)
        .await;
    assert!(receipt(&alice.message_from(LOGGER).await));
    postgres.stop().await;
    alice
        .message_with(LOGGER, "chat", Some("lost"), ASKED)
        .await;
    let refused = alice.message_from(LOGGER).await;
    assert_eq!(
        refused.error().as_deref(),
        Some("wait/resource-constraint"),
        "{}",
        refused.xml
    );
    postgres.start_again().await;
    let started = Instant::now();
    loop {
        alice
            .message_with(LOGGER, "chat", Some("after"), ASKED)
            .await;
        if receipt(&alice.message_from(LOGGER).await) {
            break;
        }
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "the logger does not recover\n{}",
            daemon.output().tail()
        );
    }
    alice
        .message_with(LOGGER, "chat", Some("!search lost"), "")
        .await;
    assert_eq!(
        alice.message_from(LOGGER).await.body().as_deref(),
        Some("Nothing found for \"lost\".")
    );
    assert!(daemon.stop().await.success());
}
on_both!(logger_recovers_from_database_outage, setup());

/// ejabberd distributes stanzas among all connections of a domain: each instance stores its share,
/// and each finds all entries.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_share_database() {
    const MESSAGES: usize = 200;
    let server = Ejabberd::start(&setup()).await;
    let postgres = Postgres::start().await;
    let mut one = logger_on(&server, &postgres.address()).await;
    let mut other = logger_on(&server, &postgres.address()).await;
    let mut alice = SlixmppClient::login(&server, "alice").await;
    let mut waiting = BTreeSet::new();
    for number in 0..MESSAGES {
        let body = format!("word{number}");
        waiting.insert(
            alice
                .message_with(
                    LOGGER,
                    "chat",
                    Some(&body),
                    "<request xmlns='urn:xmpp:receipts'/>",
                )
                .await,
        );
    }
    for _ in 0..MESSAGES {
        let receipt = alice.message_from(LOGGER).await;
        let received = receipt
            .child("received", "urn:xmpp:receipts")
            .unwrap_or_else(|| panic!("{}", receipt.xml));
        assert!(
            waiting.remove(received.attr("id").unwrap()),
            "{}",
            receipt.xml
        );
    }
    // Each instance reports all entries, and so does the remaining one.
    for _ in 0..4 {
        alice.message(LOGGER, "!stats").await;
        let stats = alice.message_from(LOGGER).await.body().unwrap();
        assert!(stats.starts_with(&format!("{MESSAGES} entries")), "{stats}");
    }
    assert!(one.stop().await.success());
    alice.message(LOGGER, "!search word7 ").await;
    assert!(
        alice
            .message_from(LOGGER)
            .await
            .body()
            .unwrap()
            .ends_with(": word7")
    );
    assert!(other.stop().await.success());
}

const README: &str = "../components/logger/README.md";
const BEGIN: &str = "<!-- The test `readme_transcript_matches_server` writes this, with \
    CAMPANILE_BLESS=1. -->\n```text\n";

/// The transcript in the component's README matches the traffic on either server.
async fn readme_transcript_matches_server(server: Server) {
    let mut daemon = logger(&server).await;
    let mut alice = RawClient::login(&server, "alice", "phone").await;
    let sent = [
        format!(
            "<message to='{LOGGER}' id='m1'><data xmlns='MY-FORMAT-NS'>any text</data><request \
            xmlns='urn:xmpp:receipts'/></message>"
        ),
        format!("<iq type='get' to='{LOGGER}' id='q1'><data xmlns='MY-FORMAT-NS'/></iq>"),
    ];
    let mut transcript = String::new();
    alice.reader.wire();
    for stanza in sent {
        alice
            .writer
            .write(&stanza)
            .await
            .expect("the connection is open");
        alice.reader.next().await.expect("a reply");
        transcript += &format!("C: {stanza}\nS: {}\n", alice.reader.wire().trim());
    }
    assert!(daemon.stop().await.success());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(README);
    let readme = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = readme
        .split_once(BEGIN)
        .expect("a transcript in the README");
    let (shown, after) = rest.split_once("```").expect("its end");
    if std::env::var_os("CAMPANILE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{transcript}```{after}")).unwrap();
        return;
    }
    assert_eq!(meaning(shown), meaning(&transcript), "{transcript}");
}
on_both!(readme_transcript_matches_server, setup());

/// Parses a transcript for comparison by meaning. Servers order attributes freely, may add the
/// stream's language, and may omit the default message type.
fn meaning(transcript: &str) -> Vec<(String, Tree)> {
    let lines = transcript.lines().filter_map(|line| line.split_once(": "));
    let stanza = |xml: &str| {
        let mut stanza = tree::read(xml);
        stanza.attributes.retain(|(namespace, name), value| {
            namespace.is_empty() && !(name == "type" && value == "normal")
        });
        stanza
    };
    lines
        .map(|(side, xml)| (side.to_owned(), stanza(xml)))
        .collect()
}

/// The two stanzas in the component's README.
async fn logger_stores_and_returns_payload(server: Server) {
    let mut daemon = logger(&server).await;
    let mut alice = SlixmppClient::login(&server, "alice").await;
    let asked = "<data xmlns='MY-FORMAT-NS'/>";
    let none = alice.iq("get", LOGGER, asked).await.unwrap();
    assert_eq!(none.error().as_deref(), Some("cancel/item-not-found"));
    alice
        .message_with(
            LOGGER,
            "normal",
            None,
            &format!("{DATA}<request xmlns='urn:xmpp:receipts'/>"),
        )
        .await;
    let receipt = alice.message_from(LOGGER).await;
    assert!(
        receipt.child("received", "urn:xmpp:receipts").is_some(),
        "{}",
        receipt.xml
    );
    let answer = alice.iq("get", LOGGER, asked).await.unwrap();
    let data = answer
        .child("data", "MY-FORMAT-NS")
        .unwrap_or_else(|| panic!("no data in {}", answer.xml));
    assert_eq!(data.text(), TEXT);
    let stored = alice
        .iq("set", LOGGER, "<data xmlns='MY-FORMAT-NS'>newer</data>")
        .await
        .unwrap();
    assert_eq!((stored.attr("type"), stored.error()), ("result", None));
    let answer = alice.iq("get", LOGGER, asked).await.unwrap();
    assert_eq!(
        answer
            .child("data", "MY-FORMAT-NS")
            .map(|data| data.text())
            .as_deref(),
        Some("newer")
    );
    assert!(daemon.stop().await.success());
}
on_both!(logger_stores_and_returns_payload, setup());
