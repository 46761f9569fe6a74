//! Runs the output of `campanile init` unchanged.

use std::os::unix::fs::PermissionsExt;

use campanile_tests::daemon::{self, Daemon};
use campanile_tests::folder::Folder;
use campanile_tests::{Kind, Server, Setup, SlixmppClient, on_both, ports};

use crate::support::mounted;

const JID: &str = "fresh.localhost";

/// Generates the configuration of both sides, for a component that is new to the server. It works
/// without edits.
async fn generated_configuration_works(server: Server) {
    let folder = Folder::new("init");
    let (kind, address) = match server.kind() {
        Kind::Prosody => ("prosody", server.component_address()),
        // A second listener on its own port.
        Kind::Ejabberd => ("ejabberd", format!("127.0.0.1:{}", ports::free())),
    };
    let written = daemon::command(
        &folder,
        &["init", kind, "--jid", JID, "--address", &address],
    )
    .await;
    assert_eq!(written.code, Some(0), "{}", written.stderr);
    assert!(
        written.stderr.contains("campanile check --config"),
        "{}",
        written.stderr
    );
    let secret_file = folder.path().join("fresh.localhost.secret");
    let mode = std::fs::metadata(&secret_file)
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let secret = std::fs::read_to_string(&secret_file).unwrap();
    assert!(
        secret.trim().len() == 64 && written.stdout.contains(secret.trim()),
        "{}",
        written.stdout
    );
    assert!(!written.stderr.contains(secret.trim()));

    server.add(&written.stdout);
    match server.kind() {
        Kind::Prosody => {
            server.shell("config:reload()");
            assert!(
                server
                    .shell(&format!("host:activate(\"{JID}\")"))
                    .contains("Result: true")
            );
        }
        Kind::Ejabberd => {
            server.shell("reload_config");
        }
    }
    let checked = daemon::command(&folder, &["check", "--connect"]).await;
    assert_eq!(
        (checked.code, checked.stderr.as_str()),
        (Some(0), ""),
        "{}",
        checked.stdout
    );
    assert!(
        checked
            .stdout
            .contains("fresh.localhost: mounted and unmounted; 20 pings"),
        "{}",
        checked.stdout
    );

    let configuration = std::fs::read_to_string(folder.path().join("campanile.toml")).unwrap();
    let absolute = configuration.replace(
        "fresh.localhost.secret",
        &folder.at("fresh.localhost.secret"),
    );
    let mut running = Daemon::start(&absolute);
    mounted(&mut running, JID).await;
    let mut alice = SlixmppClient::login(&server, "alice").await;
    alice.message(JID, "is this on?").await;
    assert_eq!(
        alice.message_from(JID).await.body().as_deref(),
        Some("is this on?")
    );
    assert!(running.stop().await.success());
}
on_both!(generated_configuration_works, Setup::new());
