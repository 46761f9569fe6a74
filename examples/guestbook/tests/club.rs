//! Tests of the daemon as a process: configuration errors, and a module on a server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "tests fail by panicking"
)]

use std::io::Write;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use campanile_testing::host::Host;

const CLUB: &str = include_str!("../club.toml");

/// The running daemon, killed at the end of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Usually it has already ended.
        let _ = self.0.kill();
    }
}

/// Starts a command with a configuration from stdin.
fn start(command: &str, configuration: &str) -> Child {
    let mut program = Command::new(env!("CARGO_BIN_EXE_club-daemon"));
    program
        .args([command, "--config", "-"])
        .env_remove("RUST_LOG");
    program.env("XDG_RUNTIME_DIR", env!("CARGO_TARGET_TMPDIR"));
    let pipes = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = pipes.spawn().expect("the program starts");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(configuration.as_bytes())
        .unwrap();
    child
}

fn check(configuration: &str) -> Output {
    start("check", configuration).wait_with_output().unwrap()
}

#[test]
fn configuration_table_enables_module() {
    let checked = check(CLUB);
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(
        said.contains("club.localhost on 127.0.0.1:5347: guestbook, disco, ping"),
        "{said}"
    );
    // The built-in modules are still available.
    let said = String::from_utf8(
        check(&CLUB.replace(
            "[component.guestbook]",
            "[component.echo]\n[component.guestbook]",
        ))
        .stdout,
    );
    assert!(
        said.as_ref().unwrap().contains("echo, guestbook, disco"),
        "{said:?}"
    );
}

#[test]
fn invalid_table_reports_position_and_remedy() {
    let rows = [
        (
            "[component.guestbok]",
            "stdin:8:12: unknown key \"guestbok\" in [[component]]\n    help: did you mean \
            `guestbook`?\n",
        ),
        (
            "[component.guestbook]\nlocalpart = 'guests'\nentires = 1",
            "stdin:10:1: unknown key \"entires\" in [component.guestbook]\n    help: did you mean \
            `entries`?\n",
        ),
        (
            "[component.guestbook]\nlocalpart = 7",
            "stdin:9:13: `localpart` cannot be a number\n    help: write a string in quotation marks\n",
        ),
        (
            "[component.guestbook]",
            "stdin:8:12: [component.guestbook] has no localpart\n    help: add localpart = …\n",
        ),
        (
            "[component.guestbook]\nlocalpart = 'guests'\nentries = 0",
            "stdin:10:11: `entries` is out of range\n    help: write a value from 1 to 100000\n",
        ),
        (
            // Both were reported when the file was converted; neither is missing as well.
            "[component.guestbook]\nlocalpart = 99999999999999999999\nentries = nan",
            "stdin:9:13: `localpart` has a number out of range\n    help: write a smaller number\n\
             stdin:10:11: `entries` has a number out of range\n    help: write a smaller number\n\
             2 faults\n",
        ),
        (
            "[component.guestbook]\nlocalpart = 'a b'",
            "stdin:8:12: invalid localpart \"a b\": localpart doesn’t pass nodeprep validation\n    \
             help: see the documentation of the module\n",
        ),
        (
            "[component.guestbook]\nentries = '5'\nlocalprat = 'guests'",
            "stdin:8:12: [component.guestbook] has no localpart\n    help: add localpart = …\n\
             stdin:9:11: `entries` cannot be \"5\"\n    help: write a whole number\n\
             stdin:10:1: unknown key \"localprat\" in [component.guestbook]\n    help: did you mean \
             `localpart`?\n3 faults\n",
        ),
    ];
    let (head, _) = CLUB.split_once("[component.guestbook]").unwrap();
    for (table, wanted) in rows {
        let checked = check(&format!("{head}{table}"));
        let said = String::from_utf8(checked.stderr).unwrap();
        assert!(said.starts_with(wanted), "{table}: {said}");
        assert_eq!(checked.status.code(), Some(78), "{table}: {said}");
    }
    let top = check(&format!("{CLUB}\n[guestbook]\nlocalpart = 'guests'"));
    let said = String::from_utf8(top.stderr).unwrap();
    assert!(
        said.contains("[guestbook] belongs to a component\n    help: write [component.guestbook]"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn module_replies_on_server() {
    let host = Host::new("secret");
    let address = host.listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let mut club = Running(start(
        "run",
        &CLUB.replace("127.0.0.1:5347", &address.to_string()),
    ));
    let alice = host.user("alice@localhost").unwrap();
    let answered = async {
        host.mounted("club.localhost").await;
        alice
            .say("guests@club.localhost", "!sign What a nice place")
            .await
            .unwrap();
        alice.recv().await.unwrap().to_xml()
    };
    let answer = tokio::time::timeout(Duration::from_secs(30), answered)
        .await
        .expect("a reply in time");
    assert!(
        answer.contains("<body>Thank you. Entries: 1.</body>"),
        "{answer}"
    );
    let killed = Command::new("kill")
        .args(["-TERM", &club.0.id().to_string()])
        .status();
    assert!(killed.expect("kill runs").success());
    let ended = tokio::task::spawn_blocking(move || club.0.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended.code(), Some(0));
}
