//! What the tests of the daemon share: a configuration with short waits, so that a test sees what a
//! day would show, and what the daemon says about it.

use campanile_tests::{Daemon, Setup};
use serde_json::Value;

/// The bounds of every component here.
pub(crate) const LIMITS: &str = "limits = { keepalive = \"1s\", keepalive_deadline = \"3s\", \
    back_off = [\"200ms\", \"1s\"], slow_retry = [\"1s\", \"2s\"] }";

/// A server that knows an echo and a disco component.
pub(crate) fn setup() -> Setup {
    setup_for(&["echo.localhost", "disco.localhost"])
}

/// A server that knows these components.
pub(crate) fn setup_for(jids: &[impl AsRef<str>]) -> Setup {
    jids.iter()
        .fold(Setup::new(), |setup, jid| setup.component(jid.as_ref()))
}

/// Those two components at the server with this address.
pub(crate) fn components(address: &str) -> String {
    let echo = component("echo.localhost", address, "[component.echo]");
    let disco = component(
        "disco.localhost",
        address,
        "[component.disco]\nname = \"A test\"",
    );
    echo + &disco
}

/// One component, with the tables that are mounted on it.
pub(crate) fn component(jid: &str, address: &str, tables: &str) -> String {
    format!(
        "[[component]]\njid = \"{jid}\"\naddress = \"{address}\"\nsecret = \"a secret for \
        tests\"\n{LIMITS}\n{tables}\n"
    )
}

/// Waits until the daemon has said that this component is mounted.
pub(crate) async fn mounted(daemon: &mut Daemon, jid: &str) {
    daemon
        .logs(&format!("that {jid} is mounted"), |line| {
            log_is(line, "mounted", jid)
        })
        .await;
}

/// Whether a log line is exactly this message about this component.
pub(crate) fn log_is(line: &Value, message: &str, jid: &str) -> bool {
    line["message"] == message && line["jid"] == jid
}

/// Whether the message of a log line about this component holds these words.
pub(crate) fn log_contains(line: &Value, words: &str, jid: &str) -> bool {
    line["jid"] == jid
        && line["message"]
            .as_str()
            .is_some_and(|message| message.contains(words))
}
