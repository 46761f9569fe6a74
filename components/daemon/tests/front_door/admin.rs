//! The admin port: access control, readiness and metrics.

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

/// Returns the table of the admin port.
pub(crate) fn table() -> String {
    format!("[admin]\nlisten = '127.0.0.1:0'\ntoken = '{TOKEN}'\n")
}

pub(crate) fn component(jid: &str, address: SocketAddr) -> String {
    format!(
        "[[component]]\njid = '{jid}'\naddress = '{address}'\nsecret = \
        'hunter2'\n[component.echo]\n"
    )
}

/// Starts the daemon, and returns the address of its admin port.
pub(crate) fn start(configuration: &str) -> (Running, SocketAddr) {
    let mut running = Running::start(configuration, &["--log-format", "json"]);
    let address = running.says("admin port listening")["address"]
        .as_str()
        .map(str::parse);
    (
        running,
        address.expect("an address").expect("a valid address"),
    )
}

/// Repeats a request until the response is as wanted.
pub(crate) fn until(address: SocketAddr, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let answer = http::with_token(address, path);
        if wanted(&answer) {
            return answer;
        }
        assert!(
            Instant::now() < until,
            "{path} does not reach the wanted state: {answer:?}"
        );
        std::thread::yield_now();
    }
}

#[test]
fn readyz_succeeds_once_stanzas_reach_every_component() {
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

    // Remove the silent component from the configuration: the rest is ready.
    running.configure(&(table() + &component("good.example.org", routing)));
    running.signal("HUP");
    until(admin, "/readyz", |answer| answer.status == 200);
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn readyz_fails_while_a_database_file_is_missing() {
    let (address, _events) = server::start(&[server::Answer::Route]);
    let configuration = table()
        + &format!(
            "[[component]]\njid = 'logger.example.org'\naddress = '{address}'\nsecret = \
            'hunter2'\n[component.logger]\nstore = 'sqlite:logger.db'\n"
        );
    let (mut running, admin) = start(&configuration);
    until(admin, "/readyz", |answer| answer.status == 200);
    let file = running.folder().join("logger.db");
    let aside = running.folder().join("aside");
    std::fs::rename(&file, &aside).unwrap();
    let failed = http::with_token(admin, "/readyz");
    assert_eq!(failed.status, 503);
    assert!(
        failed
            .body
            .contains("logger.db was removed or replaced while in use: NOT READY"),
        "{}",
        failed.body
    );
    let logged = running.says("database file replaced; nothing is stored");
    assert!(
        logged["help"]
            .as_str()
            .is_some_and(|help| help.starts_with("move the original file back")),
        "{logged}"
    );
    let metrics = http::with_token(admin, "/metrics").body;
    assert!(
        metrics.contains("\ncampanile_database_files_replaced 1\n"),
        "{metrics}"
    );
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(http::with_token(admin, "/readyz").status, 200);
}

#[test]
fn access_depends_on_client_and_token() {
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
    // Clients without access to the status get one word.
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
    // No inline styles or scripts, and no foreign content.
    assert!(
        !page.body.contains("://")
            && !page.body.contains("style=")
            && !page.body.contains("<script>")
    );
}

#[test]
fn metrics_are_documented() {
    let (address, _events) = server::start(&[server::Answer::Ask(SAID)]);
    let archive = "[component.logger]\nstore = 'sqlite:l.db'\n";
    let configuration =
        table() + &component("echo.example.org", address).replace("[component.echo]\n", archive);
    let (mut running, admin) = start(&configuration);
    let stanzas = "campanile_stanzas_total{component=\"echo.example.org\",kind=\"message\"";
    let done = format!("{stanzas},type=\"chat\",outcome=\"done\"}} 1");
    let failed = format!("{stanzas},type=\"chat\",outcome=\"failed\"}} 0");
    let wanted = [
        "campanile_store_entries_total{component=\"echo.example.org\",outcome=\"kept\"} 1",
        &done,
        &failed,
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
fn log_filter_changes_at_run_time() {
    let (address, _events) = server::start(&[server::Answer::Route]);
    let echo = table() + &component("echo.example.org", address);
    let (mut running, admin) = start(&echo);
    until(admin, "/readyz", |answer| answer.status == 200);
    assert_eq!(http::with_token(admin, "/api/log").json()["filter"], "info");
    let wrong = http::post(admin, "/api/log", "{\"filter\":\"campanile=loud\"}");
    assert_eq!(wrong.status, 422, "{wrong:?}");
    let unknown = http::post(admin, "/api/log", "{\"level\":\"debug\"}");
    assert!(
        unknown.status == 422 && unknown.body.contains("unknown field `level`"),
        "{unknown:?}"
    );
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
    for line in [
        "log filter: debug,campanile::wire=trace, for 1h 0m; changed",
        "log filter: info, until restart; changed",
    ] {
        assert!(ended.stderr.contains(line), "{line}\n{}", ended.stderr);
    }
    assert!(
        !ended.stderr.contains("hunter2") && !ended.stderr.contains(TOKEN),
        "{}",
        ended.stderr
    );
}

#[test]
fn debug_level_opens_a_span_per_stanza() {
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
fn recent_errors_are_kept_with_text() {
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
fn admin_port_in_use_is_reported() {
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
