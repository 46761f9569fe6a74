//! The example bots, each run as a process.

use std::net::SocketAddr;
use std::time::Duration;

use campanile_json_bridge::{Api, Grant, Secret, Settings};
use campanile_testing::host::User;
use tokio::process::{Child, Command};

use crate::setup::{Folder, SECRET, bot, mounted, webhook};

const TIMEOUT: Duration = Duration::from_secs(60);

fn run(program: &str, script: &str, argument: &str, environment: &[(&str, &str)]) -> Child {
    let script = format!("{}/examples/bots/{script}", env!("CARGO_MANIFEST_DIR"));
    let mut command = Command::new(program);
    command
        .arg(script)
        .arg(argument)
        .envs(environment.iter().copied())
        .kill_on_drop(true);
    command
        .spawn()
        .unwrap_or_else(|error| panic!("{program}: {error}"))
}

async fn free_port() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
}

async fn listens(address: SocketAddr) {
    crate::setup::eventually(async || tokio::net::TcpStream::connect(address).await.is_ok()).await;
}

/// Returns the next stanza for alice. The timeout keeps a silent bot from blocking other tests.
async fn heard(alice: &User) -> String {
    tokio::time::timeout(TIMEOUT, alice.recv())
        .await
        .expect("reply in time")
        .unwrap()
        .to_xml()
}

/// Tests a bot with a webhook: messages and IQs.
async fn answers(program: &str, script: &str) {
    let address = free_port().await;
    let _bot = run(
        program,
        script,
        &address.port().to_string(),
        &[("HOOK_SECRET", SECRET)],
    );
    listens(address).await;
    let (mounted, _) = mounted(Settings {
        bots: vec![bot(Some(webhook(address)))],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    alice.say("bot@bridge.localhost", "hello").await.unwrap();
    assert!(heard(&alice).await.contains("<body>you said: hello</body>"));
    let version =
        "<iq type='get' to='bot@bridge.localhost'><query xmlns='jabber:iq:version'/></iq>";
    let version = alice.request(version).await.unwrap().to_xml();
    assert!(
        version.contains(&format!("<name>{script}</name>")),
        "{version}"
    );
}

#[tokio::test]
async fn python_webhook_bot_replies() {
    answers("python3", "echo.py").await;
}

#[tokio::test]
async fn node_webhook_bot_replies() {
    answers("node", "echo.mjs").await;
}

/// Tests a bot that reads events and listens on no port.
async fn reads(program: &str, script: &str) {
    let folder = Folder::new(script);
    let api = Api {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        token: Some(Secret::new("t")),
        to: Grant::Anybody,
    };
    let settings = Settings {
        bots: vec![bot(None)],
        api: Some(api),
        outbox: Some(folder.file("outbox.db")),
        ..Settings::default()
    };
    let (mounted, bridge) = mounted(settings).await;
    let alice = mounted.user("alice@localhost/phone");
    alice.say("bot@bridge.localhost", "before").await.unwrap();
    let url = format!("http://{}", bridge.listening().unwrap());
    let cursor = folder.file("cursor");
    let environment = [
        ("API", url.as_str()),
        ("TOKEN", "bot-token"),
        ("CURSOR", cursor.to_str().unwrap()),
    ];
    let _bot = run(program, script, "", &environment);
    for text in ["before", "after"] {
        if text == "after" {
            alice.say("bot@bridge.localhost", text).await.unwrap();
        }
        let reply = heard(&alice).await;
        assert!(
            reply.contains(&format!("<body>you said: {text}</body>")),
            "{reply}"
        );
    }
}

#[tokio::test]
async fn shell_event_bot_replies() {
    reads("sh", "echo.sh").await;
}

#[tokio::test]
async fn python_sse_bot_replies() {
    reads("python3", "sse.py").await;
}

#[test]
fn example_bots_stay_under_40_lines() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples/bots")).unwrap() {
        let path = entry.unwrap().path();
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 40, "{} has {lines} lines", path.display());
    }
}
