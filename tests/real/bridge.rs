//! The JSON bridge in the daemon: a user writes, an example bot answers.

use std::process::{Child, Command, Stdio};

use campanile_tests::{Daemon, Person, Server, Setup, on_both, ports};

const HOOK_SECRET: &str = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";

/// An example bot, ended with the test.
struct Bot(Child);

impl Bot {
    fn start(program: &str, script: &str, argument: &str, environment: &[(&str, &str)]) -> Self {
        let script = format!("{}/../components/json-bridge/examples/bots/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(program);
        command.arg(script).arg(argument).envs(environment.iter().copied()).stderr(Stdio::null());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn a_bot_answers(server: Server) {
    let (python, node, api) = (ports::free(), ports::free(), ports::free());
    let configuration = format!(
        "[[component]]\njid = 'bridge.localhost'\naddress = '{}'\nsecret = 'a secret for tests'\n[component.json_bridge]\n\
         api = {{ listen = '127.0.0.1:{api}', token = 'whole' }}\n\
         [component.json_bridge.bots.python]\nwebhook = {{ url = 'http://127.0.0.1:{python}/', secret = '{HOOK_SECRET}' }}\n\
         iq = ['jabber:iq:version']\n\
         [component.json_bridge.bots.node]\nwebhook = {{ url = 'http://127.0.0.1:{node}/', secret = '{HOOK_SECRET}' }}\n\
         [component.json_bridge.bots.reader]\ntoken = 'reader'\n",
        server.component_address()
    );
    let mut daemon = Daemon::start(&configuration);
    daemon.logs("that it is mounted", |line| line.to_string().contains("\"mounted\"")).await;
    let secret = [("HOOK_SECRET", HOOK_SECRET)];
    let url = format!("http://127.0.0.1:{api}");
    // A bot that starts late is no matter: its messages wait.
    let _bots = [
        Bot::start("python3", "echo.py", &python.to_string(), &secret),
        Bot::start("node", "echo.mjs", &node.to_string(), &secret),
        Bot::start("python3", "sse.py", "", &[("API", url.as_str()), ("TOKEN", "reader")]),
    ];
    let mut alice = Person::login(&server, "alice").await;
    for bot in ["python", "node", "reader"] {
        let address = format!("{bot}@bridge.localhost");
        alice.message(&address, "hello & <welcome>").await;
        let answer = alice.message_from(&address).await;
        assert_eq!(answer.body().as_deref(), Some("you said: hello & <welcome>"), "{bot}");
    }
    let version = alice.iq("get", "python@bridge.localhost", "<query xmlns='jabber:iq:version'/>").await.unwrap();
    let query = version.child("query", "jabber:iq:version");
    let name = query.and_then(|query| query.get_child("name", "jabber:iq:version"));
    assert_eq!(name.map(|name| name.text()).as_deref(), Some("echo.py"), "{}", version.xml);
    let info = alice.disco_info("python@bridge.localhost", None).await.unwrap();
    assert!(info.xml.contains("jabber:iq:version"), "{}", info.xml);
    alice.logout().await;
    assert!(daemon.stop().await.success());
}
on_both!(a_bot_answers, Setup::new().component("bridge.localhost"));
