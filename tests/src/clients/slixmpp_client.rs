//! A person on slixmpp, in another process (`python/slixmpp_client.py` says what the two tell each other).

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::output::Output;
use crate::process::Process;
use crate::received::Received;
use crate::server::Server;
use crate::setup::password;
use crate::wait::TIMEOUT;

/// Events between the reading thread and the test; beyond it slixmpp waits, as with a slow socket.
const EVENTS: usize = 4096;
/// Stanzas that came and were not asked for.
const INBOX: usize = 200_000;

/// What a person was told about an IQ: the answer, be it a result or an error, or why there is
/// none.
pub type Answer = Result<Received, String>;

/// A client of slixmpp, logged in.
#[derive(Debug)]
pub struct SlixmppClient {
    jid: String,
    process: Process,
    output: Output,
    input: ChildStdin,
    events: mpsc::Receiver<Value>,
    inbox: VecDeque<Received>,
    count: u64,
}

impl SlixmppClient {
    /// Logs a user of the server's set-up in, without presence.
    pub async fn login(server: &Server, user: &str) -> Self {
        Self::login_as(server, &format!("{user}@localhost"), &password(user)).await
    }

    /// Logs in by address (`alice@localhost/home` asks for a resource) and password.
    pub async fn login_as(server: &Server, jid: &str, password: &str) -> Self {
        Self::login_at(&server.client_address(), jid, password).await
    }

    /// Logs in at a server that listens on `host:port`.
    pub async fn login_at(address: &str, jid: &str, password: &str) -> Self {
        let mut client = Self::begin();
        let (host, port) = address.rsplit_once(':').expect("host and port");
        let port: u16 = port.parse().expect("a port");
        client.tell(
            &json!({"do": "login", "jid": jid, "password": password, "host": host, "port": port}),
        );
        let online = client
            .event("the login", |event| {
                event["event"] == "online" || event["event"] == "offline"
            })
            .await;
        match online["jid"].as_str() {
            Some(full) => full.clone_into(&mut client.jid),
            None => panic!("{jid} could not log in: {online}\n{}", client.output.tail()),
        }
        client
    }

    /// The full address.
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// Sends a chat message and returns its id.
    pub async fn message(&mut self, to: &str, body: &str) -> String {
        self.message_with(to, "chat", Some(body), "").await
    }

    /// Sends a message with any type and children (XML without an own namespace is in
    /// `jabber:client`).
    pub async fn message_with(
        &mut self,
        to: &str,
        kind: &str,
        body: Option<&str>,
        children: &str,
    ) -> String {
        let id = format!("m{}", self.number());
        self.tell(&json!({"do": "message", "id": id, "to": to, "type": kind, "body": body, "children": children}));
        id
    }

    /// Sends presence: to all, or to one address; of a type, or available.
    pub async fn presence(&mut self, to: Option<&str>, kind: Option<&str>, children: &str) {
        self.tell(&json!({"do": "presence", "to": to, "type": kind, "children": children}));
    }

    /// Asks by an IQ (`get` or `set`) and waits for the answer.
    ///
    /// # Errors
    /// When there was no answer within 15 s.
    pub async fn iq(&mut self, kind: &str, to: &str, payload: &str) -> Answer {
        let tag = self.number();
        self.tell(&json!({"do": "iq", "tag": tag, "type": kind, "to": to, "payload": payload}));
        self.answer(tag).await
    }

    /// Asks for disco#info as slixmpp does it.
    ///
    /// # Errors
    /// As [`SlixmppClient::iq`].
    pub async fn disco_info(&mut self, to: &str, node: Option<&str>) -> Answer {
        self.disco("info", to, node).await
    }

    /// Asks for disco#items as slixmpp does it.
    ///
    /// # Errors
    /// As [`SlixmppClient::iq`].
    pub async fn disco_items(&mut self, to: &str, node: Option<&str>) -> Answer {
        self.disco("items", to, node).await
    }

    /// Writes text into the stream as it is: one stanza, many, or something worse.
    pub async fn raw(&mut self, xml: &str) {
        self.tell(&json!({"do": "raw", "xml": xml}));
    }

    /// The first stanza that fits, of those that came and were not yet taken, or of those to come.
    pub async fn next(&mut self, what: &str, fits: impl Fn(&Received) -> bool) -> Received {
        self.next_within(TIMEOUT, fits).await.unwrap_or_else(|| {
            let inbox: Vec<&str> = self
                .inbox
                .iter()
                .map(|received| received.xml.as_str())
                .collect();
            panic!(
                "{}: no {what}; came: {inbox:#?}\n{}",
                self.jid,
                self.output.tail()
            )
        })
    }

    /// The next message from an address, with or without its resource.
    pub async fn message_from(&mut self, from: &str) -> Received {
        let bare = |jid: &str| jid.split('/').next().unwrap_or_default().to_owned();
        let wanted = |received: &Received| {
            received.is("message")
                && (received.attr("from") == from || bare(received.attr("from")) == from)
        };
        self.next(&format!("message from {from}"), wanted).await
    }

    /// As [`SlixmppClient::next`]; none when nothing that fits came in time.
    pub async fn next_within(
        &mut self,
        within: Duration,
        fits: impl Fn(&Received) -> bool,
    ) -> Option<Received> {
        let end = Instant::now() + within;
        loop {
            if let Some(at) = self.inbox.iter().position(&fits) {
                return self.inbox.remove(at);
            }
            let event = timeout_at(end, self.events.recv()).await.ok()??;
            self.keep(&event);
        }
    }

    /// Takes all stanzas that have come so far.
    pub fn take_all(&mut self) -> Vec<Received> {
        while let Ok(event) = self.events.try_recv() {
            self.keep(&event);
        }
        self.inbox.drain(..).collect()
    }

    /// Logs out and ends the process.
    pub async fn logout(mut self) {
        self.tell(&json!({"do": "logout"}));
        self.event("the end of the stream", |event| event["event"] == "offline")
            .await;
    }

    fn begin() -> Self {
        let output = Output::default();
        let mut command = Command::new(interpreter());
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/slixmpp_client.py"));
        let (process, input, spoken) = Process::start_piped("slixmpp", command, &output);
        let events = listen(spoken);
        Self {
            jid: String::new(),
            process,
            output,
            input,
            events,
            inbox: VecDeque::new(),
            count: 0,
        }
    }

    async fn disco(&mut self, what: &str, to: &str, node: Option<&str>) -> Answer {
        let tag = self.number();
        self.tell(&json!({"do": "disco", "tag": tag, "what": what, "to": to, "node": node}));
        self.answer(tag).await
    }

    async fn answer(&mut self, tag: u64) -> Answer {
        let event = self.event("an answer", |event| event["tag"] == tag).await;
        match event["xml"].as_str() {
            Some(xml) => Ok(Received::new(xml.to_owned())),
            None => Err(event["reason"].to_string()),
        }
    }

    async fn event(&mut self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + TIMEOUT;
        loop {
            match timeout_at(end, self.events.recv()).await {
                Ok(Some(event)) if fits(&event) => return event,
                Ok(Some(event)) => self.keep(&event),
                Ok(None) => panic!(
                    "{}: slixmpp ended before {what}\n{}",
                    self.jid,
                    self.output.tail()
                ),
                Err(_) => panic!(
                    "{}: no {what} within {TIMEOUT:?}\n{}",
                    self.jid,
                    self.output.tail()
                ),
            }
        }
    }

    fn keep(&mut self, event: &Value) {
        match event["xml"].as_str() {
            Some(xml) if event["event"] == "stanza" => {
                assert!(
                    self.inbox.len() < INBOX,
                    "{}: nobody takes the stanzas",
                    self.jid
                );
                self.inbox.push_back(Received::new(xml.to_owned()));
            }
            _ => self.output.push(event.to_string()),
        }
    }

    fn tell(&mut self, command: &Value) {
        let told = writeln!(self.input, "{command}").and_then(|()| self.input.flush());
        if let Err(error) = told {
            panic!(
                "slixmpp (pid {}) does not listen: {error}\n{}",
                self.process.pid(),
                self.output.tail()
            );
        }
    }

    fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }
}

/// Passes what slixmpp says on, from a thread that ends with the pipe.
fn listen(spoken: ChildStdout) -> mpsc::Receiver<Value> {
    let (sender, events) = mpsc::channel(EVENTS);
    std::thread::spawn(move || {
        for line in BufReader::new(spoken).lines().map_while(Result::ok) {
            let event = serde_json::from_str(&line)
                .unwrap_or_else(|_| json!({"event": "noise", "line": line}));
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    events
}

/// The virtual environment that `tests/run` makes in the target directory, or what
/// `CAMPANILE_TESTS_PYTHON` names.
pub fn interpreter() -> PathBuf {
    if let Some(path) = std::env::var_os("CAMPANILE_TESTS_PYTHON") {
        return path.into();
    }
    let path = crate::target_directory().join("tests-venv/bin/python");
    assert!(
        path.exists(),
        "no {}: `tests/run venv` makes it",
        path.display()
    );
    path
}
