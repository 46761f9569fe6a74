//! Broken set-ups, and what `campanile check --connect` makes of them.

use campanile_tests::daemon::{self, Daemon, Ended};
use campanile_tests::folder::Folder;
use campanile_tests::setup::SECRET;
use campanile_tests::{
    Component, Ejabberd, HandMade, Kind, Prosody, Server, Setup, on_both, ports, wait,
};

use crate::support::mounted;

/// A component with the echo on it, and short waits.
fn component(jid: &str, address: &str, more: &str) -> String {
    format!(
        "[[component]]\njid = \"{jid}\"\naddress = \"{address}\"\nsecret \
        = \"{SECRET}\"\n{more}\n[component.echo]\n\
         [component.limits]\nopen = \"2s\"\n"
    )
}

async fn check(configuration: &str) -> Ended {
    let folder = Folder::new("doctor");
    folder.write("check.toml", configuration);
    folder.permit("check.toml", 0o600);
    daemon::command(&folder, &["check", "--config", "check.toml", "--connect"]).await
}

/// Runs the doctor on a set-up; it must find the fault, say all of this, and not show the secret.
async fn says(name: &str, configuration: &str, words: &[&str]) {
    let checked = check(configuration).await;
    judge(name, &checked, 69, words);
}

fn judge(name: &str, checked: &Ended, code: i32, words: &[&str]) {
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
            "{name}: no {word:?} in {}",
            checked.stdout
        );
    }
    assert!(
        !checked.stdout.contains(SECRET),
        "{name}: a secret was shown: {}",
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

/// A set-up without a fault: what the doctor says of all others means something.
async fn a_sound_one_is_sound(server: Server) {
    let checked = check(&component(
        "echo.localhost",
        &server.component_address(),
        "",
    ))
    .await;
    let words = [
        "Connecting as each of them for a moment.",
        "echo.localhost: mounted, and left again; 20 pings to itself came back",
        "stanzas up to 524288 bytes pass",
        "note: other servers cannot reach it: localhost is a name that DNS gives to nobody",
    ];
    judge("sound", &checked, 0, &words);
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
    judge("sound, over TLS", &checked, 0, &words);
}
on_both!(a_sound_one_is_sound, setup());

async fn wrong_places(server: Server) {
    let plain = server.component_address();
    let secure = server.component_tls_address();
    let closed = format!("127.0.0.1:{}", ports::free());
    let echo = |address: &str, more: &str| component("echo.localhost", address, more);
    says(
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
    says(
        "no such host",
        &echo("server.invalid:5347", ""),
        &["FAILED: server.invalid:5347 cannot be reached: "],
    )
    .await;
    says(
        "no such socket",
        &echo("unix:/nowhere/component.sock", ""),
        &[
            "FAILED: unix:/nowhere/component.sock cannot be connected to: ",
            "port: \"unix:/nowhere/component.sock\"",
        ],
    )
    .await;
    says(
        "TLS on a plain port",
        &echo(&plain, "tls = { server_name = \"localhost\" }"),
        &[
            "speaks no TLS, and this component has tls",
            "tls = false",
            "\"net_multiplex\"",
            "tls: true",
        ],
    )
    .await;
    says(
        "plain on a TLS port",
        &echo(&secure, ""),
        &[
            "expects TLS, and this component has no tls",
            "tls = { server_name = \"localhost\" }",
        ],
    )
    .await;
    let unknown_issuer = "tls = { server_name = \"localhost\" }";
    says(
        "a certificate of an unknown issuer",
        &echo(&secure, unknown_issuer),
        &["invalid peer certificate", "ca_file ="],
    )
    .await;
    let other_name = format!(
        "tls = {{ server_name = \"example.org\", ca_file = \"{}\" }}",
        server.ca_file()
    );
    // Prosody refuses to begin under a name that it does not have, ejabberd shows the certificate
    // that it has.
    let said = if server.kind() == Kind::Prosody {
        "UnrecognisedName"
    } else {
        "invalid peer certificate"
    };
    says(
        "a certificate for another name",
        &echo(&secure, &other_name),
        &[said, "server_name = \"localhost\""],
    )
    .await;
    let wrong = ["component_ports = { 5347 }", "module: ejabberd_service"];
    let clients = [&["is the port for clients, not for components"], &wrong[..]].concat();
    says(
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
    says(
        "the port for servers",
        &echo(&server.server_address(), ""),
        &servers,
    )
    .await;
}
on_both!(wrong_places, setup());

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
            "new.localhost is not among the `hosts` of this listener; ejabberd says the same of \
            both",
            "new.localhost: {password: ",
        ],
    );
    says(
        "an unknown domain",
        &component("new.localhost", &address, ""),
        unknown,
    )
    .await;
    let secret = by_kind(
        &[
            "the secret is not the one of the Component",
            "Component \"echo.localhost\"",
        ],
        &[
            "the secret is wrong, or echo.localhost is not among",
            "hosts:",
            "echo.localhost: {password: ",
        ],
    );
    let wrong = component("echo.localhost", &address, "").replace(SECRET, "not the secret");
    says("a wrong secret", &wrong, secret).await;
    let host = by_kind(
        &[
            "answered host-unknown: it has no component localhost",
            "nor may a virtual host have that name",
        ],
        &[
            "answered conflict: localhost is a virtual host of this server",
            "take this line out",
        ],
    );
    says(
        "a virtual host",
        &component("localhost", &address, ""),
        host,
    )
    .await;

    let other = HandMade::attach(&address, "echo.localhost", SECRET).await;
    let conflict = by_kind(
        &[
            "answered conflict: another connection is mounted on echo.localhost",
            "component_conflict_resolve = \"kick_old\"",
        ],
        &[
            "pings of echo.localhost to itself came back: the others went to another connection",
            "ss -tnp",
        ],
    );
    says(
        "another connection",
        &component("echo.localhost", &address, ""),
        conflict,
    )
    .await;
    drop(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_prosody() {
    refusals(Prosody::start(&setup()).await).await;
}

/// Only ejabberd takes a listener's host of the same name as a virtual host.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_of_ejabberd() {
    refusals(Ejabberd::start(&setup().component("localhost")).await).await;
}

/// Nothing connects beside it; it says itself how it stands, before and after the server has
/// stopped to route.
async fn a_running_daemon_is_asked(mut server: Server) {
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
    let ready = wait::until("that it is ready", wait::PATIENCE, async || {
        let checked = beside().await;
        checked.stdout.contains(well).then_some(checked)
    });
    judge(
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
    let found = wait::until("that it says why", wait::PATIENCE, async || {
        let checked = beside().await;
        checked.stdout.contains(broken).then_some(checked)
    });
    judge(
        "a running daemon without a route",
        &found.await.unwrap(),
        69,
        &words,
    );
    assert!(running.stop().await.success());
}
on_both!(a_running_daemon_is_asked, setup());

async fn a_limit_below_ours(server: Server) {
    says(
        "a limit on stanzas below ours",
        &component("echo.localhost", &server.component_address(), ""),
        &[
            "FAULT: it takes a stanza of 65536 bytes and none of 524288, which max_stanza_out \
            allows",
            "max_stanza_out = \"64KiB\"",
            "component_stanza_size_limit = 524288",
            "max_stanza_size: 524288",
        ],
    )
    .await;
}
on_both!(a_limit_below_ours, setup().max_stanza_size(100_000));

/// It takes connections and does not go on: the kernel answers for a process that is stopped.
async fn a_server_that_hangs(server: Server) {
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
    judge(
        "a server that hangs",
        &checked,
        69,
        &["takes connections and says nothing"],
    );
}
on_both!(a_server_that_hangs, setup());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ejabberd_gives_one_connection_the_stanzas_of_all() {
    let setup = Setup::new()
        .component("echo.localhost")
        .component("other.localhost")
        .global_routes();
    let server = Ejabberd::start(&setup).await;
    says(
        "global_routes",
        &component("echo.localhost", &server.component_address(), ""),
        &[
            "FAULT: the connection of echo.localhost was given stanzas for another domain",
            "global_routes: false",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ejabberd_routes_nothing_to_a_spare() {
    let balancing = "domain_balancing:\n  echo.localhost: {type: random, component_number: 2}\n";
    let server = Ejabberd::start(&setup().ejabberd(balancing, "")).await;
    let _first = HandMade::attach(&server.component_address(), "echo.localhost", SECRET).await;
    let _second = HandMade::attach(&server.component_address(), "echo.localhost", SECRET).await;
    says(
        "a spare of domain_balancing",
        &component("echo.localhost", &server.component_address(), ""),
        &[
            "has taken the handshake, and routes nothing here",
            "domain_balancing:",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prosody_has_a_component_without_a_secret() {
    let server = Prosody::start(&setup().prosody("Component \"open.localhost\"\n")).await;
    says(
        "a Component without a secret",
        &component("open.localhost", &server.component_address(), ""),
        &[
            "the secret is not the one of the Component, or that has none",
            "component_secret = \"…\"",
        ],
    )
    .await;
}

/// The new one wins there: the doctor says so before it connects, and the old one comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn prosody_lets_the_doctor_win_over_a_stranger() {
    let server =
        Prosody::start(&Setup::new().component(Component::from("echo.localhost").kick_old())).await;
    let mut other = HandMade::attach(&server.component_address(), "echo.localhost", SECRET).await;
    let checked = check(&component(
        "echo.localhost",
        &server.component_address(),
        "",
    ))
    .await;
    judge(
        "kick_old",
        &checked,
        0,
        &["(with component_conflict_resolve = \"kick_old\" it ends the\nother)"],
    );
    assert!(
        other
            .read_past("<stream:error>", "</stream:error>")
            .await
            .contains("<conflict")
    );
}
