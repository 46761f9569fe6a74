//! The admin port: who is told what, and what the figures are.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::http::{self, Answer, TOKEN};
use crate::process::Running;
use crate::server;

const METRICS: &str = include_str!("../../METRICS.md");
const SAID: &str = "<message from='alice@example.org/a' to='bot@echo.example.org' id='q1' \
    type='chat'><body>hi</body></message>";

/// The table of the admin port.
pub(crate) fn table() -> String {
    format!("[admin]\nlisten = '127.0.0.1:0'\ntoken = '{TOKEN}'\n")
}

pub(crate) fn component(jid: &str, address: SocketAddr) -> String {
    format!(
        "[[component]]\njid = '{jid}'\naddress = '{address}'\nsecret = \
        'hunter2'\n[component.echo]\n"
    )
}

/// Starts it, and tells where the admin port listens.
pub(crate) fn start(configuration: &str) -> (Running, SocketAddr) {
    let mut running = Running::start(configuration, &["--log-format", "json"]);
    let address = running.says("health, metrics and the status page")["address"]
        .as_str()
        .map(str::parse);
    (
        running,
        address.expect("it has an address").expect("which is one"),
    )
}

/// Asks again until the answer is as wanted.
pub(crate) fn until(address: SocketAddr, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = http::with_token(address, path);
        if wanted(&answer) {
            return answer;
        }
        assert!(
            Instant::now() < until,
            "{path} does not come to that: {answer:?}"
        );
        std::thread::yield_now();
    }
}

#[test]
fn it_is_ready_when_stanzas_reach_every_component() {
    let (routing, _events) = server::start(&[server::Answer::Route]);
    let (silent, _others) = server::start(&[server::Answer::Mount]);
    let configuration = table()
        + &component("good.example.org", routing)
        + &component("silent.example.org", silent);
    let (mut running, admin) = start(&configuration);
    let half = until(admin, "/readyz", |answer| {
        answer.body.contains("good.example.org: ready")
    });
    assert_eq!(half.status, 503);
    assert!(
        half.body.contains("silent.example.org: NOT READY"),
        "{}",
        half.body
    );
    assert_eq!(http::get(admin, "/livez").body, "alive\n");

    let state = until(admin, "/api/state", |answer| {
        answer.json()["components"][1]["state"] == "mounted"
    })
    .json();
    assert_eq!(state["ready"], false);
    assert_eq!(
        (
            &state["components"][0]["ready"],
            &state["components"][1]["ready"]
        ),
        (&json!(true), &json!(false))
    );
    assert_eq!(
        state["components"][0]["mounted"],
        "echo, disco, ping, version, time, last"
    );

    // The silent one is taken out of the configuration: what is left is ready.
    running.configure(&(table() + &component("good.example.org", routing)));
    running.signal("HUP");
    until(admin, "/readyz", |answer| answer.status == 200);
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn who_asks_is_looked_at() {
    let (address, _events) = server::start(&[server::Answer::Route]);
    let (_running, admin) = start(&(table() + &component("echo.example.org", address)));
    let ask = |path: &str, headers: &str| http::ask(admin, &format!("GET {path}"), headers, "");
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    for (path, headers, status) in [
        ("/metrics", "", 200),
        ("/api/state", "", 200),
        ("/metrics", "Host: evil.example\r\n", 403),
        ("/metrics", "X-Forwarded-For: 192.0.2.1\r\n", 401),
        ("/api/state", "Origin: https://evil.example\r\n", 403),
        ("/api/errors", "", 401),
        ("/api/log", "", 401),
        ("/api/undelivered", "", 401),
        ("/api/archive?component=x", "", 401),
        ("/api/errors", &bearer, 200),
        (
            "/api/errors",
            &format!("{bearer}Host: evil.example\r\n"),
            403,
        ),
        (
            "/api/errors",
            &format!("{bearer}Origin: https://evil.example\r\n"),
            403,
        ),
        (
            "/api/errors",
            "Authorization: Bearer another-token-than-that\r\n",
            401,
        ),
        ("/livez", "Host: 10.0.0.7:5390\r\n", 200),
        ("/nothing", "", 404),
    ] {
        assert_eq!(ask(path, headers).status, status, "{path} {headers}");
    }
    // Whoever may not see figures is told one word.
    let ready = until(admin, "/readyz", |answer| answer.status == 200);
    assert!(ready.body.contains("echo.example.org"));
    assert_eq!(ask("/readyz", "Host: 10.0.0.7\r\n").body, "ready\n");
    for path in [
        "/api/reload",
        "/api/log",
        "/api/undelivered/replay",
        "/api/undelivered/drop",
    ] {
        assert_eq!(
            http::ask(admin, &format!("POST {path}"), "", "{}").status,
            401,
            "{path}"
        );
    }
    let page = ask("/", "");
    for header in [
        "content-security-policy: default-src 'none'; script-src 'self'",
        "x-content-type-options: nosniff",
    ] {
        assert!(page.head.contains(header), "{}", page.head);
    }
    // Nothing is inline, and nothing comes from elsewhere.
    assert!(
        !page.body.contains("://")
            && !page.body.contains("style=")
            && !page.body.contains("<script>")
    );
}

#[test]
fn metrics_are_those_of_the_list() {
    let (address, _events) = server::start(&[server::Answer::Ask(SAID)]);
    let archive = "[component.logger]\nstore = 'sqlite:l.db'\n";
    let configuration =
        table() + &component("echo.example.org", address).replace("[component.echo]\n", archive);
    let (mut running, admin) = start(&configuration);
    let wanted = [
        "campanile_store_entries_total{component=\"echo.example.org\",outcome=\"kept\"} 1",
        "campanile_stanzas_total{component=\"echo.example.org\",kind=\"message\",type=\"chat\",outcome=\"done\"} 1",
        "campanile_stanzas_total{component=\"echo.example.org\",kind=\"message\",type=\"chat\",outcome=\"failed\"} 0",
        "campanile_handler_seconds_count{component=\"echo.example.org\",kind=\"message\"} 1",
        "campanile_component_mounted{component=\"echo.example.org\"} 1",
        "campanile_component_ready{component=\"echo.example.org\"} 0",
        "campanile_queue_limit{component=\"echo.example.org\",queue=\"waiting\"} 16384",
        "campanile_store_commit_seconds_count{component=\"echo.example.org\"} 1",
        "campanile_config_last_reload_successful 1",
    ];
    let answer = until(admin, "/metrics", |answer| {
        wanted
            .iter()
            .all(|wanted| answer.body.lines().any(|line| line == *wanted))
    });
    assert!(
        answer
            .head
            .contains("content-type: text/plain; version=0.0.4"),
        "{}",
        answer.head
    );
    let names = answer
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let missing: BTreeSet<_> = names
        .filter(|name| !METRICS.contains(&format!("`{name}`")))
        .collect();
    assert!(missing.is_empty(), "METRICS.md does not list {missing:?}");
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn what_is_logged_changes_while_it_runs() {
    let (address, _events) = server::start(&[server::Answer::Route]);
    let echo = table() + &component("echo.example.org", address);
    let (mut running, admin) = start(&echo);
    until(admin, "/readyz", |answer| answer.status == 200);
    assert_eq!(http::with_token(admin, "/api/log").json()["filter"], "info");
    let wrong = http::post(admin, "/api/log", "{\"filter\":\"campanile=loud\"}");
    assert_eq!(wrong.status, 422, "{wrong:?}");
    let changed = http::post(
        admin,
        "/api/log",
        "{\"filter\":\"debug,campanile::wire=trace\",\"for\":\"1h\"}",
    );
    assert_eq!(
        (changed.status, &changed.json()["filter"]),
        (200, &json!("debug,campanile::wire=trace"))
    );
    // A second connection pings itself.
    running.configure(&(echo + &component("more.example.org", address)));
    running.signal("HUP");
    let wire = running.logs("what is on the wire", |event| {
        event["target"] == "campanile::wire"
            && event["jid"] == "more.example.org"
            && event["message"] == "received"
    });
    assert!(
        wire["xml"]
            .as_str()
            .is_some_and(|xml| xml.contains("<ping xmlns='urn:xmpp:ping'/>")),
        "{wire}"
    );
    let back = http::post(admin, "/api/log", "{}");
    assert_eq!(back.json()["filter"], "info");
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(0));
    assert!(
        !ended.stderr.contains("hunter2") && !ended.stderr.contains(TOKEN),
        "{}",
        ended.stderr
    );
}

#[test]
fn at_debug_there_is_a_span_for_each_stanza() {
    let (address, _events) = server::start(&[server::Answer::Ask(SAID)]);
    let configuration = component("echo.example.org", address);
    let mut running = Running::start_with(
        &configuration,
        &["--log-format", "json"],
        &[("RUST_LOG", "debug")],
    );
    let over = running.logs("that a stanza is over", |event| {
        event["span"]["name"] == "stanza"
    });
    assert_eq!(
        (&over["message"], &over["level"]),
        (&json!("close"), &json!("DEBUG"))
    );
    let span = &over["span"];
    assert_eq!(
        (&span["kind"], &span["from"]),
        (&json!("message chat"), &json!("alice@example.org/a")),
        "{over}"
    );
    assert!(over["time.busy"].is_string(), "{over}");
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn last_errors_are_kept_in_words() {
    let (address, _events) = server::start(&[server::Answer::Refuse("conflict")]);
    let (_running, admin) = start(&(table() + &component("echo.example.org", address)));
    let errors = until(admin, "/api/errors", |answer| {
        answer.body.contains("answered conflict")
    })
    .json();
    assert_eq!(errors[0]["level"], "warn", "{errors}");
    let state = http::get(admin, "/api/state").json();
    assert!(
        state["components"][0]["why"]
            .as_str()
            .is_some_and(|why| why.contains("another connection is mounted"))
    );
    assert_eq!(state["components"][0]["reconnects"]["conflict"], 1);
}

#[test]
fn a_port_that_is_taken_is_said() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let (address, _events) = server::start(&[server::Answer::Mount]);
    let configuration =
        format!("[admin]\nlisten = '{listen}'\n") + &component("echo.example.org", address);
    let ended = Running::start(&configuration, &[]).end();
    assert_eq!(ended.code, Some(71), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains(&format!("campanile: [admin] cannot listen on {listen}: ")),
        "{}",
        ended.stderr
    );
}
