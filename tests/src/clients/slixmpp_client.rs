//! A slixmpp client in another process. `python/slixmpp_client.py` documents the protocol between
//! the two.

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

/// Capacity between the reading thread and the test, in events. Beyond it slixmpp waits, as for a
/// slow socket.
const EVENTS: usize = 4096;
/// Maximum number of received stanzas that the test has not taken.
const INBOX: usize = 200_000;

/// Response to an IQ, a result or an error, or the reason why there is none.
pub type Answer = Result<Received, String>;

/// A slixmpp client, logged in.
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
    /// Logs in a configured user, without presence.
    pub async fn login(server: &Server, user: &str) -> Self {
        Self::login_as(server, &format!("{user}@localhost"), &password(user)).await
    }

    /// Logs in with a JID and password. A full JID (`alice@localhost/home`) requests a resource.
    pub async fn login_as(server: &Server, jid: &str, password: &str) -> Self {
        Self::login_at(&server.client_address(), jid, password).await
    }

    /// Logs in at a server on `host:port`.
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

    /// Returns the full JID.
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// Sends a chat message and returns its id.
    pub async fn message(&mut self, to: &str, body: &str) -> String {
        self.message_with(to, "chat", Some(body), "").await
    }

    /// Sends a message of any type with any children. XML without a namespace is in
    /// `jabber:client`.
    pub async fn message_with(
        &mut self,
        to: &str,
        kind: &str,
        body: Option<&str>,
        children: &str,
    ) -> String {
        let id = format!("m{}", self.number());
        self.tell(&json!({
            "do": "message", "id": id, "to": to, "type": kind, "body": body, "children": children
        }));
        id
    }

    /// Sends presence, broadcast or directed, of a type or available.
    pub async fn presence(&mut self, to: Option<&str>, kind: Option<&str>, children: &str) {
        self.tell(&json!({"do": "presence", "to": to, "type": kind, "children": children}));
    }

    /// Sends an IQ (`get` or `set`) and waits for the response.
    ///
    /// # Errors
    /// Returns an error if there is no response within 15 s.
    pub async fn iq(&mut self, kind: &str, to: &str, payload: &str) -> Answer {
        let tag = self.number();
        self.tell(&json!({"do": "iq", "tag": tag, "type": kind, "to": to, "payload": payload}));
        self.answer(tag).await
    }

    /// Queries disco#info with slixmpp's plugin.
    ///
    /// # Errors
    /// As [`SlixmppClient::iq`].
    pub async fn disco_info(&mut self, to: &str, node: Option<&str>) -> Answer {
        self.disco("info", to, node).await
    }

    /// Queries disco#items with slixmpp's plugin.
    ///
    /// # Errors
    /// As [`SlixmppClient::iq`].
    pub async fn disco_items(&mut self, to: &str, node: Option<&str>) -> Answer {
        self.disco("items", to, node).await
    }

    /// Writes raw text to the stream, which need not be a single stanza.
    pub async fn raw(&mut self, xml: &str) {
        self.tell(&json!({"do": "raw", "xml": xml}));
    }

    /// Waits for the first matching stanza among those received and not yet taken.
    pub async fn next(&mut self, what: &str, fits: impl Fn(&Received) -> bool) -> Received {
        self.next_within(TIMEOUT, fits).await.unwrap_or_else(|| {
            let inbox: Vec<&str> = self
                .inbox
                .iter()
                .map(|received| received.xml.as_str())
                .collect();
            panic!(
                "{}: no {what}; received: {inbox:#?}\n{}",
                self.jid,
                self.output.tail()
            )
        })
    }

    /// Waits for the next message from a bare or full JID.
    pub async fn message_from(&mut self, from: &str) -> Received {
        let bare = |jid: &str| jid.split('/').next().unwrap_or_default().to_owned();
        let wanted = |received: &Received| {
            received.is("message")
                && (received.attr("from") == from || bare(received.attr("from")) == from)
        };
        self.next(&format!("message from {from}"), wanted).await
    }

    /// Like [`SlixmppClient::next`], but returns `None` if no stanza matches in time.
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

    /// Removes and returns all stanzas received so far.
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
                    "{}: too many stanzas have not been taken",
                    self.jid
                );
                self.inbox.push_back(Received::new(xml.to_owned()));
            }
            _ => self.output.push(event.to_string()),
        }
    }

    fn tell(&mut self, command: &Value) {
        let sent = writeln!(self.input, "{command}").and_then(|()| self.input.flush());
        if let Err(error) = sent {
            panic!(
                "writing to slixmpp (pid {}) failed: {error}\n{}",
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

/// Forwards events from slixmpp, in a thread that ends with the pipe.
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

/// Returns the Python interpreter: that of the virtual environment that `tests/run` creates in the
/// target directory, or the one named by `CAMPANILE_TESTS_PYTHON`.
pub fn interpreter() -> PathBuf {
    if let Some(path) = std::env::var_os("CAMPANILE_TESTS_PYTHON") {
        return path.into();
    }
    let path = crate::target_directory().join("tests-venv/bin/python");
    assert!(
        path.exists(),
        "missing {}: run `tests/run venv`",
        path.display()
    );
    path
}
