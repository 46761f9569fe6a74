//! The JSON bridge and `campanile outbox`.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{Running, campanile, end};
use crate::server::{self, Answer};

const SENT: &str = "<message from='alice@localhost/r' to='bot@bridge.localhost' id='q1' \
    type='chat'>\
    <body>hello</body><request xmlns='urn:xmpp:receipts'/></message>";

/// Runs `campanile outbox` with these arguments while the daemon runs.
fn outbox(running: &Running, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_campanile"));
    command
        .arg("outbox")
        .args(arguments)
        .args(["--config", "campanile.toml"])
        .current_dir(running.folder());
    let ended = end(&mut command, "");
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{arguments:?}"
    );
    ended.stdout
}

fn until(running: &Running, wanted: &str) -> String {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let listed = outbox(running, &["list"]);
        if listed.contains(wanted) {
            return listed;
        }
        assert!(Instant::now() < end, "{listed}");
    }
}

#[test]
fn undeliverable_message_is_acknowledged_stored_replayed_and_dropped() {
    let (address, events) = server::start(&[Answer::Ask(SENT)]);
    // Nothing listens on port 1.
    let configuration = format!(
        "[[component]]\njid = 'bridge.localhost'\naddress = '{address}'\nsecret = \
        'x'\n[component.json_bridge]\nmax_age = '1s'\n\
         [component.json_bridge.bots.bot]\nwebhook = {{ url = 'http://127.0.0.1:1/hook' }}\n"
    );
    let mut running = Running::start(&configuration, &[]);
    assert!(server::said(&events).contains("<received xmlns='urn:xmpp:receipts' id='q1'/>"));
    let listed = until(&running, "dead");
    assert!(
        listed.starts_with("1\tdead\tbot\talice@localhost\tmsg_"),
        "{listed}"
    );
    assert!(
        listed.contains("\tattempts ")
            && listed.contains("nothing listens at http://127.0.0.1:1/hook"),
        "{listed}"
    );
    let received = |listed: &str| listed.split('\t').nth(5).unwrap().to_owned();
    for command in ["replay", "drop"] {
        let mut none = Command::new(env!("CARGO_BIN_EXE_campanile"));
        none.args(["outbox", command, "99", "--config", "campanile.toml"])
            .current_dir(running.folder());
        let ended = end(&mut none, "");
        assert_eq!((ended.code, &*ended.stdout), (Some(64), ""));
        assert!(
            ended.stderr.contains("no dead letter has the number 99"),
            "{}",
            ended.stderr
        );
    }
    assert_eq!(
        outbox(&running, &["replay", "1"]),
        "1 scheduled for retry\n"
    );
    assert_eq!(received(&until(&running, "dead")), received(&listed));
    let listed = outbox(&running, &["list", "--json"]);
    let json: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert!(
        json["xml"].as_str().unwrap().contains("<body>hello</body>"),
        "{json}"
    );
    assert_eq!(
        outbox(
            &running,
            &["drop", "--all", "--component", "bridge.localhost"]
        ),
        "1 dropped\n"
    );
    // The replies to the sender wait for confirmation by the server, which answers no pings here.
    let rest = outbox(&running, &["list"]);
    assert!(
        rest.lines()
            .all(|line| line.contains("\twaiting\tbot\talice@localhost\tq1\t")),
        "{rest}"
    );
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn missing_outbox_is_reported() {
    let (mut command, folder) = campanile(&["outbox", "list"]);
    let bridge = "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n\
        [component.json_bridge]\napi={ listen='127.0.0.1:0' }\n";
    folder.write("campanile.toml", bridge);
    let ended = end(&mut command, "");
    assert_eq!(ended.code, Some(71));
    assert!(ended.stderr.contains("no outbox at"), "{}", ended.stderr);
    folder.write("campanile.toml", &format!("{bridge}outbox=false\n"));
    let (mut command, other) = campanile(&["outbox", "list"]);
    other.write("campanile.toml", &format!("{bridge}outbox=false\n"));
    let ended = end(&mut command, "");
    assert_eq!(ended.code, Some(78));
}
