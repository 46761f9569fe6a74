//! Diagnoses of `campanile check --connect` for broken setups.

use campanile_tests::daemon::{self, CommandOutput, Daemon};
use campanile_tests::folder::Folder;
use campanile_tests::setup::SECRET;
use campanile_tests::{
    Component, Ejabberd, Kind, Prosody, RawComponent, Server, Setup, on_both, ports, wait,
};

use crate::support::mounted;

/// Returns the configuration of an echo component with short timeouts.
fn component(jid: &str, address: &str, more: &str) -> String {
    format!(
        "[[component]]\njid = \"{jid}\"\naddress = \"{address}\"\nsecret \
        = \"{SECRET}\"\n{more}\n[component.echo]\n\
         [component.limits]\nconnect_timeout = \"2s\"\n"
    )
}

async fn check(configuration: &str) -> CommandOutput {
    let folder = Folder::new("doctor");
    folder.write("check.toml", configuration);
    folder.permit("check.toml", 0o600);
    daemon::command(&folder, &["check", "--config", "check.toml", "--connect"]).await
}

/// Asserts that the check fails, prints these fragments, and does not reveal the secret.
async fn assert_finding(name: &str, configuration: &str, words: &[&str]) {
    let checked = check(configuration).await;
    assert_report(name, &checked, 69, words);
}

fn assert_report(name: &str, checked: &CommandOutput, code: i32, words: &[&str]) {
    eprintln!("--- {name}\n{}{}", checked.stdout, checked.stderr);
    assert_eq!(
        checked.code,
        Some(code),
        "{name}: {}{}",
        checked.stdout,
        checked.stderr
    );
    for word in words {
        assert!(
            checked.stdout.contains(word),
            "{name}: missing {word:?} in {}",
            checked.stdout
        );
    }
    assert!(
        !checked.stdout.contains(SECRET),
        "{name}: the secret was printed: {}",
        checked.stdout
    );
}

fn setup() -> Setup {
    Setup::new()
        .component("echo.localhost")
        .component("other.localhost")
        .tls()
        .federated()
}

/// A healthy setup passes, which gives the other diagnoses their meaning.
async fn doctor_passes_healthy_setup(server: Server) {
    let checked = check(&component(
        "echo.localhost",
        &server.component_address(),
        "",
    ))
    .await;
    let words = [
        "Connecting briefly as each component.",
        "echo.localhost: mounted and unmounted; 20 pings to itself returned",
        "stanzas up to 524288 bytes pass",
        "note: other servers cannot reach it: localhost is a reserved name without public DNS",
    ];
    assert_report("sound", &checked, 0, &words);
    let secure = format!(
        "tls = {{ server_name = \"localhost\", ca_file = \"{}\" }}",
        server.ca_file()
    );
    let checked = check(&component(
        "echo.localhost",
        &server.component_tls_address(),
        &secure,
    ))
    .await;
    assert_report("sound, over TLS", &checked, 0, &words);
}
on_both!(doctor_passes_healthy_setup, setup());

async fn doctor_explains_wrong_address(server: Server) {
    let plain = server.component_address();
    let secure = server.component_tls_address();
    let closed = format!("127.0.0.1:{}", ports::free());
    let echo = |address: &str, more: &str| component("echo.localhost", address, more);
    assert_finding(
        "nothing listens",
        &echo(&closed, ""),
        &[
            "FAILED: nothing listens at ",
            "component_ports = { ",
            "module: ejabberd_service",
            "global_routes: false",
        ],
    )
    .await;
    assert_finding(
        "no such host",
        &echo("server.invalid:5347", ""),
        &["FAILED: cannot reach server.invalid:5347: "],
    )
    .await;
    assert_finding(
        "no such socket",
        &echo("unix:/nowhere/component.sock", ""),
        &[
            "FAILED: cannot connect to unix:/nowhere/component.sock: ",
            "port: \"unix:/nowhere/component.sock\"",
        ],
    )
    .await;
    assert_finding(
        "TLS on a plain port",
        &echo(&plain, "tls = { server_name = \"localhost\" }"),
        &[
            "does not speak TLS, but this component has tls",
            "tls = false",
            "\"net_multiplex\"",
            "tls: true",
        ],
    )
    .await;
    assert_finding(
        "plain on a TLS port",
        &echo(&secure, ""),
        &[
            "expects TLS, but this component has no tls",
            "tls = { server_name = \"localhost\" }",
        ],
    )
    .await;
    let unknown_issuer = "tls = { server_name = \"localhost\" }";
    assert_finding(
        "a certificate of an unknown issuer",
        &echo(&secure, unknown_issuer),
        &["certificate is not from a trusted CA", "ca_file ="],
    )
    .await;
    let other_name = format!(
        "tls = {{ server_name = \"example.org\", ca_file = \"{}\" }}",
        server.ca_file()
    );
    // Prosody rejects an unknown server name, ejabberd presents its certificate anyway.
    let said = if server.kind() == Kind::Prosody {
        "UnrecognisedName"
    } else {
        "certificate is for another name"
    };
    assert_finding(
        "a certificate for another name",
        &echo(&secure, &other_name),
        &[said, "server_name = \"localhost\""],
    )
    .await;
    let wrong = ["component_ports = { 5347 }", "module: ejabberd_service"];
    let clients = [&["is the port for clients, not for components"], &wrong[..]].concat();
    assert_finding(
        "the port for clients",
        &echo(&server.client_address(), ""),
        &clients,
    )
    .await;
    let servers = [
        &["is the port for other servers, not for components"],
        &wrong[..],
    ]
    .concat();
    assert_finding(
        "the port for servers",
        &echo(&server.server_address(), ""),
        &servers,
    )
    .await;
}
on_both!(doctor_explains_wrong_address, setup());

async fn refusals(server: Server) {
    let kind = server.kind();
    let address = server.component_address();
    let by_kind = |prosody: &'static [&'static str], ejabberd: &'static [&'static str]| match kind {
        Kind::Prosody => prosody,
        Kind::Ejabberd => ejabberd,
    };
    let unknown = by_kind(
        &[
            "answered host-unknown: it has no component new.localhost",
            "Component \"new.localhost\"",
            "component_secret = \"…\"",
            "prosodyctl shell 'host:activate(\"new.localhost\")'",
        ],
        &[
            "new.localhost is not among the `hosts` of this listener; ejabberd gives the same \
            answer for both",
            "new.localhost: {password: ",
        ],
    );
    assert_finding(
        "an unknown domain",
        &component("new.localhost", &address, ""),
        unknown,
    )
    .await;
    let secret = by_kind(
        &[
            "the secret does not match component_secret of the Component",
            "Component \"echo.localhost\"",
        ],
        &[
            "the secret is wrong, or echo.localhost is not among",
            "hosts:",
            "echo.localhost: {password: ",
        ],
    );
    let wrong = component("echo.localhost", &address, "").replace(SECRET, "not the secret");
    assert_finding("a wrong secret", &wrong, secret).await;
    let host = by_kind(
        &[
            "answered host-unknown: it has no component localhost",
            "a virtual host must not have that name either",
        ],
        &[
            "answered conflict: localhost is a virtual host of this server",
            "remove this line",
        ],
    );
    assert_finding(
        "a virtual host",
        &component("localhost", &address, ""),
        host,
    )
    .await;

    let other = RawComponent::attach(&address, "echo.localhost", SECRET).await;
    let conflict = by_kind(
        &[
            "answered conflict: another connection is mounted on echo.localhost",
            "component_conflict_resolve = \"kick_old\"",
        ],
        &[
            "pings of echo.localhost to itself returned: the others went to another connection",
            "ss -tnp",
        ],
    );
    assert_finding(
        "another connection",
        &component("echo.localhost", &address, ""),
        conflict,
    )
    .await;
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_explains_prosody_rejections() {
    refusals(Prosody::start(&setup()).await).await;
}

/// Only ejabberd accepts a listener's host with the name of a virtual host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_explains_ejabberd_rejections() {
    refusals(Ejabberd::start(&setup().component("localhost")).await).await;
}

/// The doctor queries a running daemon instead of connecting, before and after the server stops
/// routing.
async fn doctor_queries_running_daemon(mut server: Server) {
    let admin = format!("[admin]\nlisten = \"127.0.0.1:{}\"\n", ports::free());
    let bounds = "keepalive = \"1s\"\nkeepalive_deadline = \"3s\"\n";
    let configuration =
        admin + &component("echo.localhost", &server.component_address(), "") + bounds;
    let mut running = Daemon::start(&configuration);
    mounted(&mut running, "echo.localhost").await;
    let folder = Folder::new("beside");
    folder.write("check.toml", &configuration);
    folder.permit("check.toml", 0o600);
    let locks = running.folder().path().display().to_string();
    let beside = async || {
        let arguments = ["check", "--config", "check.toml", "--connect"];
        let environment = [("XDG_RUNTIME_DIR", &*locks)];
        daemon::command_with(&folder, &arguments, &environment).await
    };
    let well = "on this machine: mounted, and stanzas reach it";
    let ready = wait::until("readiness", wait::TIMEOUT, async || {
        let checked = beside().await;
        checked.stdout.contains(well).then_some(checked)
    });
    assert_report(
        "a running daemon",
        &ready.await.unwrap(),
        0,
        &["echo.localhost is already served by process", well],
    );
    let (broken, words) = match server.kind() {
        Kind::Prosody => {
            server.shell("host:deactivate(\"echo.localhost\")");
            (
                "answered host-unknown",
                [
                    "Component \"echo.localhost\"",
                    "host:activate(\"echo.localhost\")",
                ],
            )
        }
        Kind::Ejabberd => {
            server.stop().await;
            (
                "nothing listens at ",
                ["component_ports = { ", "module: ejabberd_service"],
            )
        }
    };
    let found = wait::until("the reason", wait::TIMEOUT, async || {
        let checked = beside().await;
        checked.stdout.contains(broken).then_some(checked)
    });
    assert_report(
        "a running daemon without a route",
        &found.await.unwrap(),
        69,
        &words,
    );
    assert!(running.stop().await.success());
}
on_both!(doctor_queries_running_daemon, setup());

async fn doctor_finds_low_stanza_size_limit(server: Server) {
    assert_finding(
        "a limit on stanzas below ours",
        &component("echo.localhost", &server.component_address(), ""),
        &[
            "FAULT: the server accepts a stanza of 65536 bytes but not 524288, which \
            max_stanza_out allows",
            "max_stanza_out = \"64KiB\"",
            "component_stanza_size_limit = 524288",
            "max_stanza_size: 524288",
        ],
    )
    .await;
}
on_both!(
    doctor_finds_low_stanza_size_limit,
    setup().max_stanza_size(100_000)
);

/// A stopped server: the kernel still accepts connections for it.
async fn doctor_finds_hanging_server(server: Server) {
    let process = server.process().expect("it runs").pid().to_string();
    let signal = |name: &str| {
        let sent = std::process::Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "sh", name, &process])
            .status();
        assert!(sent.is_ok_and(|status| status.success()));
    };
    signal("STOP");
    let configuration = component("echo.localhost", &server.component_address(), "");
    let checked = check(&configuration).await;
    signal("CONT");
    assert_report(
        "a server that hangs",
        &checked,
        69,
        &["accepts connections but sends nothing"],
    );
}
on_both!(doctor_finds_hanging_server, setup());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_finds_ejabberd_global_routes() {
    let setup = Setup::new()
        .component("echo.localhost")
        .component("other.localhost")
        .global_routes();
    let server = Ejabberd::start(&setup).await;
    assert_finding(
        "global_routes",
        &component("echo.localhost", &server.component_address(), ""),
        &[
            "FAULT: the connection of echo.localhost received stanzas for another domain",
            "global_routes: false",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_finds_ejabberd_standby_connection() {
    let balancing = "domain_balancing:\n  echo.localhost: {type: random, component_number: 2}\n";
    let server = Ejabberd::start(&setup().ejabberd(balancing, "")).await;
    let _first = RawComponent::attach(&server.component_address(), "echo.localhost", SECRET).await;
    let _second = RawComponent::attach(&server.component_address(), "echo.localhost", SECRET).await;
    assert_finding(
        "a spare of domain_balancing",
        &component("echo.localhost", &server.component_address(), ""),
        &[
            "accepted the handshake but routes nothing here",
            "domain_balancing:",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_finds_prosody_component_without_secret() {
    let server = Prosody::start(&setup().prosody("Component \"open.localhost\"\n")).await;
    assert_finding(
        "a Component without a secret",
        &component("open.localhost", &server.component_address(), ""),
        &[
            "the secret does not match component_secret of the Component, or the Component has \
            none",
            "component_secret = \"…\"",
        ],
    )
    .await;
}

/// With `kick_old` the doctor replaces the existing connection, and warns before it connects.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_replaces_connection_with_kick_old() {
    let server =
        Prosody::start(&Setup::new().component(Component::from("echo.localhost").kick_old())).await;
    let mut other =
        RawComponent::attach(&server.component_address(), "echo.localhost", SECRET).await;
    let checked = check(&component(
        "echo.localhost",
        &server.component_address(),
        "",
    ))
    .await;
    assert_report(
        "kick_old",
        &checked,
        0,
        &["(with component_conflict_resolve = \"kick_old\" it closes the\nother one)"],
    );
    assert!(
        other
            .read_past("<stream:error>", "</stream:error>")
            .await
            .contains("<conflict")
    );
}

/// From ejabberd 24.10 on, `mod_privilege` of any virtual host drops IQs to bare addresses.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_explains_ejabberd_with_mod_privilege() {
    let privilege = "  mod_privilege: {roster: {both: admin}}\n";
    let server = Ejabberd::start(&setup().ejabberd(privilege, "")).await;
    let configuration = component("echo.localhost", &server.component_address(), "");
    if server.release() < (24, 10) {
        let passes = ["20 pings to itself returned"];
        assert_report("mod_privilege", &check(&configuration).await, 0, &passes);
        return;
    }
    assert_finding(
        "mod_privilege",
        &configuration,
        &[
            "FAULT: the server drops IQs of echo.localhost to addresses without a resource: pings \
            to echo.localhost and localhost did not return, those to echo.localhost/check did",
            "ejabberd 24.10 and later does this if a virtual host has mod_privilege",
            "mod_privilege: …      # remove it from the modules of all virtual hosts",
        ],
    )
    .await;
}
