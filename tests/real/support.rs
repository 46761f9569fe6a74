//! Shared helpers: configurations with short timeouts, and assertions on the daemon's log.

use campanile_tests::{Daemon, Setup};
use serde_json::Value;

/// Limits of every component in these tests.
pub(crate) const LIMITS: &str = "limits = { keepalive = \"1s\", keepalive_deadline = \"3s\", \
    back_off = [\"200ms\", \"1s\"], slow_retry = [\"1s\", \"2s\"] }";

/// Returns a setup with an echo and a disco component.
pub(crate) fn setup() -> Setup {
    setup_for(&["echo.localhost", "disco.localhost"])
}

/// Returns a setup with these components.
pub(crate) fn setup_for(jids: &[impl AsRef<str>]) -> Setup {
    jids.iter()
        .fold(Setup::new(), |setup, jid| setup.component(jid.as_ref()))
}

/// Returns the configuration of both components.
pub(crate) fn components(address: &str) -> String {
    let echo = component("echo.localhost", address, "[component.echo]");
    let disco = component(
        "disco.localhost",
        address,
        "[component.disco]\nname = \"A test\"",
    );
    echo + &disco
}

/// Returns the configuration of a component with these tables.
pub(crate) fn component(jid: &str, address: &str, tables: &str) -> String {
    format!(
        "[[component]]\njid = \"{jid}\"\naddress = \"{address}\"\nsecret = \"a secret for \
        tests\"\n{LIMITS}\n{tables}\n"
    )
}

/// Waits until the daemon has logged that a component is connected.
pub(crate) async fn mounted(daemon: &mut Daemon, jid: &str) {
    daemon
        .logs(&format!("that {jid} is mounted"), |line| {
            log_is(line, "mounted", jid)
        })
        .await;
}

/// Returns `true` if a log line has exactly this message for a component.
pub(crate) fn log_is(line: &Value, message: &str, jid: &str) -> bool {
    line["message"] == message && line["jid"] == jid
}

/// Returns `true` if the message of a log line for a component contains this text.
pub(crate) fn log_contains(line: &Value, words: &str, jid: &str) -> bool {
    line["jid"] == jid
        && line["message"]
            .as_str()
            .is_some_and(|message| message.contains(words))
}
