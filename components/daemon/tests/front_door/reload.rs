//! Reload on SIGHUP: changes are logged, streams stay open, and a faulty file changes nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;

use crate::admin::{component, start, table, until};
use crate::http::{self, TOKEN};
use crate::process::{Running, campanile};
use crate::server::{self, Answer};

fn echo(address: SocketAddr, more: &str) -> String {
    table() + &component("echo.example.org", address) + more
}

/// Returns the number of streams that each component has opened.
fn streams(admin: SocketAddr) -> Vec<u64> {
    let state = http::get(admin, "/api/state").json();
    let components = state["components"].as_array().expect("a list").iter();
    components
        .map(|component| component["streams"].as_u64().expect("a number"))
        .collect()
}

#[test]
fn reload_logs_changes_and_keeps_the_stream() {
    let (address, _events) = server::start(&[Answer::Route]);
    let (mut running, admin) = start(&echo(address, ""));
    until(admin, "/readyz", |answer| answer.status == 200);

    running.signal("HUP");
    assert_eq!(running.says("reload finished")["outcome"], "unchanged");

    running.configure(&echo(
        address,
        "[component.disco]\nname = 'Echo'\n[component.rate]\nper_sender = '9/s'\n",
    ));
    running.signal("HUP");
    assert_eq!(
        running.says("settings changed: disco, rate")["jid"],
        "echo.example.org"
    );
    assert_eq!(running.says("reload finished")["outcome"], "applied");

    let elsewhere =
        echo(address, "[component.limits]\nwaiting = 17\n").replace("hunter2", "another secret");
    running.configure(&elsewhere);
    running.signal("HUP");
    running.says("settings changed: disco, rate");
    running.says("settings changed: secret; they apply to the next connection");
    running.says("settings changed: limits; they apply after a restart");
    running.says("reload finished");
    assert_eq!(streams(admin), [1]);

    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("another secret"), "{}", ended.stderr);
}

/// Two spellings of one localpart, which once ended the daemon at a reload.
const BOTS: &str = "[component.json_bridge.bots.helpdesk]\nwebhook = { url = 'http://127.0.0.1:9/' }\n\
    [component.json_bridge.bots.HelpDesk]\nwebhook = { url = 'http://127.0.0.1:9/' }\n";

#[test]
fn faulty_file_changes_nothing() {
    let (address, _events) = server::start(&[Answer::Route]);
    let (mut running, admin) = start(&echo(address, ""));
    until(admin, "/readyz", |answer| answer.status == 200);
    for (faulty, said) in [
        (
            echo(address, "[component.disko]\n"),
            "unknown key \"disko\" in [[component]]",
        ),
        (
            echo(address, "").replace("secret = 'hunter2'", "secret_file = 'no'"),
            "cannot read no: ",
        ),
        ("this is no TOML".to_owned(), "invalid TOML"),
        (
            echo(address, BOTS),
            "json_bridge.bots] has two keys for helpdesk",
        ),
        (
            echo(address, "[component.logger]\nstore = 'sqlite:a.db'\n"),
            "logger cannot be mounted beside echo",
        ),
    ] {
        running.configure(&faulty);
        running.signal("HUP");
        running.says(said);
        assert_eq!(running.says("reload finished")["outcome"], "refused");
    }
    let metrics = http::get(admin, "/metrics").body;
    assert!(
        metrics.contains("campanile_config_last_reload_successful 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("campanile_config_reloads_total{outcome=\"refused\"} 5\n"),
        "{metrics}"
    );
    assert_eq!(
        (streams(admin), http::get(admin, "/readyz").status),
        (vec![1], 200)
    );
    running.configure(&echo(address, ""));
    running.signal("HUP");
    assert_eq!(running.says("reload finished")["outcome"], "unchanged");
}

#[test]
fn reload_request_returns_the_outcome_and_the_faults() {
    let (address, _events) = server::start(&[Answer::Route]);
    let (running, admin) = start(&echo(address, ""));
    until(admin, "/readyz", |answer| answer.status == 200);
    let reload = || http::post(admin, "/api/reload", "");
    assert_eq!(reload().json()["outcome"], "unchanged");

    running.configure(&echo(address, "[component.disko]\n"));
    let refused = reload();
    assert_eq!(refused.status, 422, "{refused:?}");
    let problem = refused.json();
    assert_eq!(problem["outcome"], "refused");
    assert_eq!(
        problem["faults"],
        serde_json::json!([{
            "file": "campanile.toml", "line": 9, "column": 12,
            "what": "unknown key \"disko\" in [[component]]", "remedy": "did you mean `disco`?",
        }])
    );

    // Another token is a change, and applies at once.
    let other = echo(address, "").replace(TOKEN, "another-token-than-that");
    running.configure(&other);
    assert_eq!(reload().json()["outcome"], "applied");
    assert_eq!(reload().status, 401);
}

#[test]
fn reload_adds_and_removes_components() {
    let (address, _events) = server::start(&[Answer::Route]);
    let (other, gone) = server::start(&[Answer::Route]);
    let (mut running, admin) = start(&echo(address, ""));
    until(admin, "/readyz", |answer| answer.status == 200);

    running.configure(&echo(address, &component("more.example.org", other)));
    running.signal("HUP");
    assert_eq!(
        running.says("component added: echo")["jid"],
        "more.example.org"
    );
    running.logs("the mount", |event| {
        event["message"] == "mounted" && event["jid"] == "more.example.org"
    });

    running.configure(&echo(address, ""));
    running.signal("HUP");
    assert_eq!(
        running.says("component removed; its stream closes")["jid"],
        "more.example.org"
    );
    assert!(server::ended(&gone).ends_with("</stream:stream>"));
    running.logs("its end", |event| {
        event["message"] == "component stopped" && event["jid"] == "more.example.org"
    });
    assert_eq!(streams(admin), [1]);

    // Add it once more, now that its lock is free.
    running.configure(&echo(address, &component("more.example.org", other)));
    let asked = http::post(admin, "/api/reload", "");
    assert_eq!(asked.status, 200, "{asked:?}");
    assert_eq!(asked.json()["outcome"], "applied");
    running.logs("the mount", |event| {
        event["message"] == "mounted" && event["jid"] == "more.example.org"
    });
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn bridge_keeps_its_port_across_reloads() {
    let bridge = |api: &str, name: &str| {
        format!(
            "[component.json_bridge]\nname = '{name}'\napi = {{ listen = '{api}', token = \
            'a-token-of-the-api' }}\n"
        )
    };
    let free = || {
        std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .to_string()
    };
    let api = free();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, _events) = server::start(&[Answer::Route]);
    let on = |bridge: String| echo(address, "").replace("[component.echo]\n", &bridge);
    let (mut running, admin) = start(&on(bridge(&api, "One")));
    until(admin, "/readyz", |answer| answer.status == 200);
    let health = |api: &str| http::get(api.parse().unwrap(), "/healthz").status;
    assert_eq!(health(&api), 200);

    // The new bridge takes over the same port.
    running.configure(&on(bridge(&api, "Two")));
    running.signal("HUP");
    running.says("settings changed: json_bridge");
    assert_eq!((health(&api), streams(admin)), (200, vec![1]));

    // A port in use: the change is rolled back, and the old bridge serves again.
    running.configure(&on(bridge(
        &taken.local_addr().unwrap().to_string(),
        "Three",
    )));
    running.signal("HUP");
    running.says("change failed, rolling back: json-bridge: ");
    assert_eq!(running.says("reload finished")["outcome"], "refused");
    assert_eq!((health(&api), streams(admin)), (200, vec![1]));
}

#[test]
fn reload_of_stdin_configuration_is_refused() {
    let (address, _events) = server::start(&[Answer::Route]);
    let (mut command, folder) = campanile(&["run", "--config", "-", "--log-format", "json"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(component("echo.example.org", address).as_bytes())
        .unwrap();
    let mut running = Running::of(child, folder);
    running.logs("the mount", |event| event["message"] == "mounted");
    running.signal("HUP");
    running.says("the configuration came from stdin, which cannot be read again");
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}
