//! SIGHUP: what changed is said, streams stay, and a faulty file changes nothing.

use std::io::Write;
use std::net::SocketAddr;
use std::process::Stdio;

use crate::admin::{component, start, table, until};
use crate::http;
use crate::process::{Running, campanile};
use crate::server::{self, Answer};

fn echo(address: SocketAddr, more: &str) -> String {
    table() + &component("echo.example.org", address) + more
}

/// How many streams each component has opened.
fn streams(admin: SocketAddr) -> Vec<u64> {
    let state = http::get(admin, "/api/state").json();
    let components = state["components"].as_array().expect("a list").iter();
    components
        .map(|component| component["streams"].as_u64().expect("a number"))
        .collect()
}

#[test]
fn what_changed_is_said_and_the_stream_stays() {
    let (address, _events) = server::start(&[Answer::Route]);
    let (mut running, admin) = start(&echo(address, ""));
    until(admin, "/readyz", |answer| answer.status == 200);

    running.signal("HUP");
    assert_eq!(
        running.says("the configuration was read anew")["outcome"],
        "unchanged"
    );

    running.configure(&echo(
        address,
        "[component.disco]\nname = 'Echo'\n[component.rate]\nper_sender = '9/s'\n",
    ));
    running.signal("HUP");
    assert_eq!(
        running.says("changed: disco, rate")["jid"],
        "echo.example.org"
    );
    assert_eq!(
        running.says("the configuration was read anew")["outcome"],
        "applied"
    );

    let elsewhere =
        echo(address, "[component.limits]\nwaiting = 17\n").replace("hunter2", "another secret");
    running.configure(&elsewhere);
    running.signal("HUP");
    running.says("changed: disco, rate");
    running
        .says("changed with the next connection: secret; the stream that is open goes on as it is");
    running.says("changed only when campanile is started anew: limits");
    running.says("the configuration was read anew");
    assert_eq!(streams(admin), [1]);

    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("another secret"), "{}", ended.stderr);
}

#[test]
fn a_faulty_file_changes_nothing() {
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
            "no cannot be read",
        ),
        ("this is no TOML".to_owned(), "this is no TOML"),
    ] {
        running.configure(&faulty);
        running.signal("HUP");
        running.says(said);
        assert_eq!(
            running.says("the configuration was read anew")["outcome"],
            "refused"
        );
    }
    let metrics = http::get(admin, "/metrics").body;
    assert!(
        metrics.contains("campanile_config_last_reload_successful 0\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("campanile_config_reloads_total{outcome=\"refused\"} 3\n"),
        "{metrics}"
    );
    assert_eq!(
        (streams(admin), http::get(admin, "/readyz").status),
        (vec![1], 200)
    );
    running.configure(&echo(address, ""));
    running.signal("HUP");
    assert_eq!(
        running.says("the configuration was read anew")["outcome"],
        "unchanged"
    );
}

#[test]
fn components_come_and_go() {
    let (address, _events) = server::start(&[Answer::Route]);
    let (other, gone) = server::start(&[Answer::Route]);
    let (mut running, admin) = start(&echo(address, ""));
    until(admin, "/readyz", |answer| answer.status == 200);

    running.configure(&echo(address, &component("more.example.org", other)));
    running.signal("HUP");
    assert_eq!(
        running.says("added: serving echo")["jid"],
        "more.example.org"
    );
    running.logs("the mount", |event| {
        event["message"] == "mounted" && event["jid"] == "more.example.org"
    });

    running.configure(&echo(address, ""));
    running.signal("HUP");
    assert_eq!(
        running.says("removed: its stream is closed")["jid"],
        "more.example.org"
    );
    assert!(server::ended(&gone).ends_with("</stream:stream>"));
    running.logs("its end", |event| {
        event["message"] == "stopped" && event["jid"] == "more.example.org"
    });
    assert_eq!(streams(admin), [1]);

    // And once more, now that its lock is free again.
    running.configure(&echo(address, &component("more.example.org", other)));
    let asked = http::post(admin, "/api/reload", "");
    assert_eq!(asked.status, 200, "{asked:?}");
    running.logs("the mount", |event| {
        event["message"] == "mounted" && event["jid"] == "more.example.org"
    });
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn a_bridge_keeps_its_port_or_takes_another() {
    let bridge = |api: &str, name: &str| {
        format!(
            "[component.json_bridge]\nname = '{name}'\napi = {{ listen = '{api}', token = \
            'a-token' }}\n"
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

    // The same port, taken over by the new one.
    running.configure(&on(bridge(&api, "Two")));
    running.signal("HUP");
    running.says("changed: json_bridge");
    assert_eq!((health(&api), streams(admin)), (200, vec![1]));

    // One that somebody else has: the change is taken back, and the old one is there again.
    running.configure(&on(bridge(
        &taken.local_addr().unwrap().to_string(),
        "Three",
    )));
    running.signal("HUP");
    running.says("the change is taken back: json-bridge: ");
    assert_eq!(
        running.says("the configuration was read anew")["outcome"],
        "refused"
    );
    assert_eq!((health(&api), streams(admin)), (200, vec![1]));
}

#[test]
fn what_came_from_stdin_is_not_read_again() {
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
    running.says("it came from stdin, which has been read");
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}
