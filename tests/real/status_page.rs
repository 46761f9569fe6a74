//! The status page with hostile text in a real browser: headless Chromium driven by a script, which
//! also runs axe-core.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use campanile_tests::{Daemon, Prosody, RawClient, http, ports, target_directory, wait};

use crate::support::setup_for;

const TOKEN: &str = "a-token-that-is-hard-to-guess";
/// Script injection by a remote user.
const HOSTILE: &str = "&lt;img src=x \
    onerror=\"window.pwned=1\"&gt;&lt;script&gt;window.pwned=1&lt;/script&gt;\u{202e}bell";

/// Returns the folder of the script's Node modules: the one that `tests/run` creates, or the one
/// named by `CAMPANILE_TESTS_NODE`.
fn modules() -> PathBuf {
    std::env::var_os("CAMPANILE_TESTS_NODE")
        .map_or_else(|| target_directory().join("tests-page"), PathBuf::from)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn status_page_escapes_hostile_text() {
    let server = Prosody::start(&setup_for(&[
        "logger.localhost",
        "bridge.localhost",
        "absent.localhost",
    ]))
    .await;
    let admin = ports::free();
    let hook = ports::free();
    let address = server.component_address();
    let closed = ports::free();
    let head = |jid: &str, address: &str| {
        format!(
            "[[component]]\njid = '{jid}'\naddress = '{address}'\nsecret = 'a secret for \
            tests'\nallow = ['localhost']\n"
        )
    };
    let configuration = format!(
        "[admin]\nlisten = '127.0.0.1:{admin}'\ntoken = '{TOKEN}'\n{}[component.logger]\nstore = \
        'sqlite:l.db'\n\
         {}[component.json_bridge]\nwebhook = {{ url = 'http://127.0.0.1:{hook}/' }}\nmax_age = \
         '1s'\n{}[component.echo]\n",
        head("logger.localhost", &address),
        head("bridge.localhost", &address),
        head("absent.localhost", &format!("127.0.0.1:{closed}")),
    );
    let mut daemon = Daemon::start(&configuration);
    let mut alice = RawClient::login(&server, "alice", "&lt;svg onload=window.pwned=1&gt;").await;
    for jid in ["logger.localhost", "bridge.localhost"] {
        alice
            .get_until_answered(jid, "<ping xmlns='urn:xmpp:ping'/>", |_| {})
            .await
            .unwrap();
        let message = format!(
            "<message to='bot@{jid}' type='chat' id='&lt;b&gt;'><body>{HOSTILE}</body></message>"
        );
        alice.writer.write(&message).await.unwrap();
    }
    let headers = format!("Authorization: Bearer {TOKEN}\r\n");
    let dead = async || {
        http::get(admin, "/api/undelivered", &headers)
            .await
            .filter(|text| text.contains("\"dead\":true"))
    };
    wait::until("a dead letter", Duration::from_secs(30), dead)
        .await
        .unwrap();

    let shots = target_directory().join("tests-page/screenshots");
    std::fs::create_dir_all(&shots).unwrap();
    let script = format!("{}/page/page.mjs", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new("node");
    command
        .arg(script)
        .arg(format!("http://127.0.0.1:{admin}/"))
        .arg(TOKEN)
        .arg(&shots)
        .arg(modules());
    let output =
        tokio::task::spawn_blocking(move || command.stdin(Stdio::null()).output().unwrap())
            .await
            .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n{wrong}\n{}",
        daemon.output().tail()
    );
    println!("{said}");
    assert_eq!(daemon.stop().await.code(), Some(0));
}
