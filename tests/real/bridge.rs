//! The JSON bridge in the daemon, with the example bots.

use std::ffi::OsStr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use campanile_tests::clients::interpreter;
use campanile_tests::{
    Daemon, Nats, Server, Setup, SlixmppClient, TokioXmppClient, WebhookEndpoint, on_both, ports,
};

const HOOK_SECRET: &str = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";

/// An example bot, killed at the end of the test.
struct Bot(Child);

impl Bot {
    fn start(
        program: impl AsRef<OsStr>,
        script: &str,
        argument: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let script = format!(
            "{}/../components/json-bridge/examples/bots/{script}",
            env!("CARGO_MANIFEST_DIR")
        );
        let mut command = Command::new(program);
        command
            .arg(script)
            .arg(argument)
            .envs(environment.iter().copied())
            .stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // The bot may already have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn bots_reply_over_every_transport(server: Server) {
    let python = ports::free();
    let node = ports::free();
    let api = ports::free();
    let configuration = format!(
        "[[component]]\njid = 'bridge.localhost'\naddress = '{}'\nsecret = 'a secret for \
        tests'\n[component.json_bridge]\n\
         api = {{ listen = '127.0.0.1:{api}', token = 'whole-token-of-the-api' }}\n\
         [component.json_bridge.bots.python]\nwebhook = {{ url = 'http://127.0.0.1:{python}/', \
         secret = '{HOOK_SECRET}' }}\n\
         iq = ['jabber:iq:version']\n\
         [component.json_bridge.bots.node]\nwebhook = {{ url = 'http://127.0.0.1:{node}/', secret \
         = '{HOOK_SECRET}' }}\n\
         [component.json_bridge.bots.reader]\ntoken = 'token-of-the-reader'\n\
         [component.json_bridge.bots.shell]\ntoken = 'token-of-the-shell'\nname = 'Shell'\nstatus = 'at the \
         prompt'\n",
        server.component_address()
    );
    let mut daemon = Daemon::start(&configuration);
    daemon
        .logs("that it is mounted", |line| {
            line.to_string().contains("\"mounted\"")
        })
        .await;
    let secret = [("HOOK_SECRET", HOOK_SECRET)];
    let url = format!("http://127.0.0.1:{api}");
    let cursor = daemon.folder().at("cursor");
    // Messages to a bot that starts later are queued.
    let _bots = [
        Bot::start("python3", "echo.py", &python.to_string(), &secret),
        Bot::start("node", "echo.mjs", &node.to_string(), &secret),
        Bot::start(
            "python3",
            "sse.py",
            "",
            &[("API", url.as_str()), ("TOKEN", "token-of-the-reader")],
        ),
        Bot::start(
            "sh",
            "echo.sh",
            "",
            &[
                ("API", url.as_str()),
                ("TOKEN", "token-of-the-shell"),
                ("CURSOR", &cursor),
            ],
        ),
    ];
    let mut alice = SlixmppClient::login(&server, "alice").await;
    for bot in ["python", "node", "reader", "shell"] {
        let address = format!("{bot}@bridge.localhost");
        alice.message(&address, "hello & <welcome>").await;
        let answer = alice.message_from(&address).await;
        assert_eq!(
            answer.body().as_deref(),
            Some("you said: hello & <welcome>"),
            "{bot}"
        );
    }
    let version = alice
        .iq(
            "get",
            "python@bridge.localhost",
            "<query xmlns='jabber:iq:version'/>",
        )
        .await
        .unwrap();
    let query = version.child("query", "jabber:iq:version");
    let name = query.and_then(|query| query.get_child("name", "jabber:iq:version"));
    assert_eq!(
        name.map(|name| name.text()).as_deref(),
        Some("echo.py"),
        "{}",
        version.xml
    );
    let info = alice
        .disco_info("python@bridge.localhost", None)
        .await
        .unwrap();
    assert!(info.xml.contains("jabber:iq:version"), "{}", info.xml);
    // The bot has presence.
    alice.presence(None, None, "").await;
    alice
        .presence(Some("shell@bridge.localhost"), Some("subscribe"), "")
        .await;
    let shown = alice
        .next("presence", |stanza| {
            stanza.is("presence") && stanza.xml.contains("at the prompt")
        })
        .await;
    assert!(
        shown.attr("from").starts_with("shell@bridge.localhost"),
        "{}",
        shown.xml
    );
    let card = alice
        .iq(
            "get",
            "shell@bridge.localhost",
            "<vCard xmlns='vcard-temp'/>",
        )
        .await
        .unwrap();
    assert!(card.xml.contains("Shell"), "{}", card.xml);
    alice.logout().await;
    assert!(daemon.stop().await.success());
}
on_both!(
    bots_reply_over_every_transport,
    Setup::new().component("bridge.localhost")
);

async fn bot_replies_through_nats(server: Server) {
    let nats = Nats::start().await;
    let configuration = format!(
        "[[component]]\njid = 'bridge.localhost'\naddress = '{}'\nsecret = 'a secret for \
        tests'\n[component.json_bridge]\n\
         [component.json_bridge.nats]\nurl = '{}'\n[component.json_bridge.bots.bot]\niq = \
         ['jabber:iq:version']\n",
        server.component_address(),
        nats.url()
    );
    let mut daemon = Daemon::start(&configuration);
    daemon
        .logs("that it is mounted", |line| {
            line.to_string().contains("\"mounted\"")
        })
        .await;
    let mut alice = SlixmppClient::login(&server, "alice").await;
    // Before any bot runs: the message is queued in the stream.
    alice.message("bot@bridge.localhost", "early").await;
    let _bots =
        [(); 2].map(|()| Bot::start(interpreter(), "on_nats.py", &nats.url(), &[("BOT", "bot")]));
    let early = alice.message_from("bot@bridge.localhost").await;
    assert_eq!(early.body().as_deref(), Some("you said: early"));
    alice.message("bot@bridge.localhost", "late").await;
    assert_eq!(
        alice
            .message_from("bot@bridge.localhost")
            .await
            .body()
            .as_deref(),
        Some("you said: late")
    );
    let version = alice
        .iq(
            "get",
            "bot@bridge.localhost",
            "<query xmlns='jabber:iq:version'/>",
        )
        .await
        .unwrap();
    assert!(version.xml.contains("on_nats.py"), "{}", version.xml);
    alice.logout().await;
    assert!(daemon.stop().await.success());
}
on_both!(
    bot_replies_through_nats,
    Setup::new().component("bridge.localhost")
);

/// Returns the median round-trip time of a message.
async fn median(alice: &mut TokioXmppClient, to: &str) -> Duration {
    let mut times = Vec::new();
    for number in 0..200 {
        let started = Instant::now();
        alice.message(to, &format!("hello {number}")).await;
        alice.message_from(to).await;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2]
}

/// Prints latencies for manual inspection (`--nocapture`; `CAMPANILE_BIN` selects a release build).
/// Nothing is asserted about them.
async fn bridge_latency_is_reported(server: Server) {
    let hook = WebhookEndpoint::start(Some(r#"{"body":"hello"}"#)).await;
    let one = |jid: &str, tables: &str| {
        let address = server.component_address();
        format!(
            "[[component]]\njid = '{jid}'\naddress = '{address}'\nsecret = 'a secret for \
            tests'\n{tables}\n"
        )
    };
    let bridge = format!(
        "[component.json_bridge]\nwebhook = {{ url = 'http://{}/', secret = '{HOOK_SECRET}' }}",
        hook.address
    );
    let configuration =
        one("echo.localhost", "[component.echo]") + &one("bridge.localhost", &bridge);
    let mut daemon = Daemon::start(&configuration);
    crate::support::mounted(&mut daemon, "echo.localhost").await;
    crate::support::mounted(&mut daemon, "bridge.localhost").await;
    let mut alice = TokioXmppClient::login(&server, "alice").await;
    let echo = median(&mut alice, "bot@echo.localhost").await;
    let bot = median(&mut alice, "bot@bridge.localhost").await;
    let bot = bot.min(median(&mut alice, "bot@bridge.localhost").await);
    println!(
        "{:?}: median {echo:?} by the echo, {bot:?} by a bot: {:?} more",
        server.kind(),
        bot.saturating_sub(echo)
    );
    alice.logout().await;
    assert!(daemon.stop().await.success());
}
on_both!(
    bridge_latency_is_reported,
    Setup::new()
        .component("bridge.localhost")
        .component("echo.localhost")
);
