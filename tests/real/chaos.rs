//! Chaos tests: no message between XMPP and a bot is lost when the bridge, the server, the webhook
//! or the NATS server is killed.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use campanile::client::Client;
use campanile::component::Component;
use campanile::extract::StanzaRef;
use campanile::limits::Limits;
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile_tests::setup::SECRET;
use campanile_tests::webhook_endpoint::Posted;
use campanile_tests::{Daemon, Nats, Server, Setup, WebhookEndpoint, http, on_both, ports, wait};
use serde_json::json;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::LIMITS;

pub(crate) const BRIDGE: &str = "bridge.localhost";
const BOT: &str = "bot@bridge.localhost";
pub(crate) const USERS: &str = "users.localhost";
pub(crate) const HOOK_SECRET: &str = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0";
const SENDERS: usize = 3;
/// Number of messages in flight per sender.
const BURST: usize = 8;
/// Time limit for replies to a burst, some of which may never arrive.
const WORD: Duration = Duration::from_millis(500);

/// Returns the number of kills: 6, unless `CAMPANILE_CHAOS` is set.
fn rounds() -> usize {
    std::env::var("CAMPANILE_CHAOS").map_or(6, |rounds| rounds.parse().unwrap())
}

/// Returns how long the webhook is down while senders continue: 2 seconds, unless
/// `CAMPANILE_CHAOS_DOWN` is set.
fn down() -> Duration {
    Duration::from_secs(
        std::env::var("CAMPANILE_CHAOS_DOWN").map_or(2, |seconds| seconds.parse().unwrap()),
    )
}

fn setup() -> Setup {
    Setup::new().component(BRIDGE).component(USERS)
}

/// Users who write to a bot, on a separate component, and the replies they received.
#[derive(Debug)]
pub(crate) struct Users {
    domain: &'static str,
    /// Ids of messages with a receipt.
    pub(crate) receipted: Mutex<HashSet<String>>,
    /// Messages received by `inbox`: the ids with which each text arrived.
    pub(crate) inbox: Mutex<HashMap<String, HashSet<String>>>,
    /// Number of replies of any kind.
    answers: AtomicUsize,
    news: Notify,
}

impl Users {
    fn see(&self, stanza: &Stanza) {
        if let Some(received) = stanza.children().find("urn:xmpp:receipts", "received") {
            self.receipted
                .lock()
                .unwrap()
                .insert(received.attribute("id").unwrap().into_owned());
        } else if let Some(body) = stanza.children().find("jabber:client", "body") {
            let mut inbox = self.inbox.lock().unwrap();
            inbox
                .entry(body.text().into_owned())
                .or_default()
                .insert(stanza.id().unwrap().to_owned());
        }
        self.answered();
    }

    fn answered(&self) {
        self.answers.fetch_add(1, Ordering::Relaxed);
        self.news.notify_waiters();
    }

    /// Waits until `goal` replies have arrived, or for the time limit.
    async fn answers(&self, goal: usize) {
        let enough = async {
            loop {
                let news = self.news.notified();
                if self.answers.load(Ordering::Relaxed) >= goal {
                    return;
                }
                news.await;
            }
        };
        // Messages to a killed bridge are not always answered.
        let _ = timeout(WORD, enough).await;
    }

    /// Starts the component of these users.
    pub(crate) async fn start(server: &Server, domain: &'static str) -> (Arc<Self>, Client) {
        let this = Arc::new(Self {
            domain,
            receipted: Mutex::default(),
            inbox: Mutex::default(),
            answers: AtomicUsize::new(0),
            news: Notify::new(),
        });
        let own = Arc::clone(&this);
        let refused = Arc::clone(&this);
        let see = move |message: StanzaRef| {
            own.see(&message);
            async {}
        };
        let refused = move || {
            refused.answered();
            async {}
        };
        let mut limits = Limits::default();
        limits.back_off = (Duration::from_millis(50), Duration::from_millis(300));
        limits.slow_retry = limits.back_off;
        let builder = Component::builder(domain)
            .server(server.component_address())
            .secret(SECRET)
            .limits(limits);
        let component = builder
            .router(Router::new().message(see).bounced(refused))
            .build()
            .unwrap();
        let client = component.client();
        let mut status = component.status();
        tokio::spawn(component.run());
        status
            .wait_for(campanile::component::Status::is_ready)
            .await
            .unwrap();
        (this, client)
    }
}

/// Sends messages to one address until stopped. Returns their number.
pub(crate) fn write(
    users: Arc<Users>,
    client: Client,
    (sender, to): (usize, &'static str),
    stop: watch::Receiver<bool>,
) -> JoinHandle<usize> {
    tokio::spawn(async move {
        let mut number = 0;
        while !*stop.borrow() {
            let goal = users.answers.load(Ordering::Relaxed) + BURST;
            for _ in 0..BURST {
                let id = format!("s{sender}-{number}");
                let xml = format!(
                    "<message xmlns='jabber:client' from='s{sender}@{}/desk' to='{to}' \
                    type='chat' \
                     id='{id}'><body>{id}</body><request xmlns='urn:xmpp:receipts'/></message>",
                    users.domain
                );
                // Waits while there is no stream.
                client.send(stanza(&xml)).await.unwrap();
                number += 1;
            }
            users.answers(goal).await;
        }
        number
    })
}

fn stanza(xml: &str) -> Stanza {
    xml.parse::<minidom::Element>()
        .map(|element| Stanza::try_from(&element).unwrap())
        .unwrap()
}

/// Posts messages to the API until stopped, each until it is accepted. Returns the accepted texts
/// with their stanza ids.
pub(crate) fn post(
    (api, name): (u16, &'static str),
    to: String,
    stop: watch::Receiver<bool>,
) -> JoinHandle<HashMap<String, HashSet<String>>> {
    tokio::spawn(async move {
        let mut accepted = HashMap::new();
        let mut number = 0;
        while !*stop.borrow() {
            let text = format!("{name}-{number}");
            let headers = format!(
                "Authorization: Bearer whole-token-of-the-api\r\nIdempotency-Key: {name}-{number}\r\n"
            );
            let body = json!({"to": to, "body": text}).to_string();
            let ids: &mut HashSet<String> = accepted.entry(text).or_default();
            // Twice: a repeated idempotency key must not send again.
            for _ in 0..2 {
                ids.insert(accept(api, &headers, &body).await);
            }
            number += 1;
        }
        accepted
    })
}

/// Posts a message until it is accepted. Returns the stanza's id.
async fn accept(api: u16, headers: &str, body: &str) -> String {
    let started = Instant::now();
    loop {
        let answer = timeout(
            Duration::from_secs(5),
            http::post(api, "/v1/messages", headers, body),
        )
        .await;
        match answer
            .ok()
            .flatten()
            .and_then(|answer| accepted_id(&answer))
        {
            Some(id) => return id,
            None => assert!(
                started.elapsed() < Duration::from_secs(60),
                "{body} is not accepted"
            ),
        }
        // Like `wait::until`, which would make this future `!Send`.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns the id of an accepted stanza. Temporary failures are a 503 or a 409.
fn accepted_id(answer: &str) -> Option<String> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?;
    if status != "202" {
        assert!(["503", "409"].contains(&status), "{answer}");
        return None;
    }
    let json: serde_json::Value = serde_json::from_str(body).ok()?;
    Some(json["id"].as_str().unwrap().to_owned())
}

pub(crate) struct Chaos {
    users: Arc<Users>,
    hook: WebhookEndpoint,
    pub(crate) stop: watch::Sender<bool>,
    writing: Vec<JoinHandle<usize>>,
    posting: JoinHandle<HashMap<String, HashSet<String>>>,
    pub(crate) daemon: Daemon,
}

impl Chaos {
    async fn start(server: &Server, more: &str, to: &str) -> Self {
        Self::start_with(server, more, to, &[]).await
    }

    /// Starts the bridge, with more tables of configuration and environment variables, and all
    /// senders.
    pub(crate) async fn start_with(
        server: &Server,
        more: &str,
        to: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let hook = WebhookEndpoint::start(None).await;
        let api = ports::free();
        let webhook = format!(
            "webhook = {{ url = 'http://{}/', secret = '{HOOK_SECRET}' }}",
            hook.address
        );
        let configuration = format!(
            "[[component]]\njid = '{BRIDGE}'\naddress = '{}'\nsecret = '{SECRET}'\n{LIMITS}\nallow \
            = ['{USERS}', '{BRIDGE}']\n[component.json_bridge]\n\
             {webhook}\napi = {{ listen = '127.0.0.1:{api}', token = 'whole-token-of-the-api', to = 'anybody' \
             }}\n{more}",
            server.component_address()
        );
        let (users, client) = Users::start(server, USERS).await;
        let mut daemon = Daemon::start_with(&configuration, environment);
        daemon
            .logs("that it is mounted", |line| line["message"] == "mounted")
            .await;
        let (stop, stopped) = watch::channel(false);
        let writing = (0..SENDERS)
            .map(|sender| {
                write(
                    Arc::clone(&users),
                    client.clone(),
                    (sender, BOT),
                    stopped.clone(),
                )
            })
            .collect();
        let posting = post((api, "post"), to.to_owned(), stopped);
        Self {
            users,
            hook,
            stop,
            writing,
            posting,
            daemon,
        }
    }

    fn receipts(&self) -> usize {
        self.users.receipted.lock().unwrap().len()
    }

    /// Waits for this many more receipts.
    pub(crate) async fn progress(&self, count: usize) {
        let goal = self.receipts() + count;
        let come = async || (self.receipts() >= goal).then_some(());
        let come = wait::until("receipts", Duration::from_secs(60), come).await;
        come.unwrap_or_else(|error| panic!("{error}\n{}", self.daemon.output().tail()));
    }

    /// Waits for this many more replies: receipts, or errors when the queue for the webhook is
    /// full.
    async fn answers(&self, count: usize) {
        let counted = || self.users.answers.load(Ordering::Relaxed);
        let goal = counted() + count;
        let come = wait::until("answers", Duration::from_secs(60), async || {
            (counted() >= goal).then_some(())
        })
        .await;
        come.unwrap_or_else(|error| panic!("{error}\n{}", self.daemon.output().tail()));
    }

    /// Stops the senders, asserts that nothing is missing, and stops the daemon.
    async fn end(mut self, what: &str) {
        self.settle(what).await;
        assert!(self.daemon.stop().await.success());
    }

    /// Stops the senders and asserts that nothing is missing.
    pub(crate) async fn settle(&mut self, what: &str) {
        self.stop.send(true).unwrap();
        let mut sent = 0;
        for writing in self.writing.drain(..) {
            sent += writing.await.unwrap();
        }
        let accepted = (&mut self.posting).await.unwrap();
        let users = &self.users;
        let hook = &self.hook;
        let receipted = users.receipted.lock().unwrap().clone();
        let missing = || {
            let came: HashSet<String> = hook.posted().iter().filter_map(id).collect();
            receipted.difference(&came).cloned().collect::<Vec<_>>()
        };
        let unsent = || {
            let inbox = users.inbox.lock().unwrap();
            let posted = hook.posted();
            let looped: HashSet<String> = posted.iter().filter_map(text).collect();
            let is_there = |text: &&String| inbox.contains_key(*text) || looped.contains(*text);
            accepted
                .keys()
                .filter(|text| !is_there(text))
                .cloned()
                .collect::<Vec<_>>()
        };
        let all = async || (missing().is_empty() && unsent().is_empty()).then_some(());
        // Retries are up to a minute apart after long downtime of the webhook. A long load leaves a
        // backlog, which may take any time as long as it gets shorter.
        let pause = Duration::from_secs(60) + 2 * down();
        let all = loop {
            let before = hook.posted().len();
            let arrived = wait::until("all messages", pause, all).await;
            if arrived.is_ok() || hook.posted().len() == before {
                break arrived;
            }
        };
        let tail = self.daemon.output().tail();
        assert!(
            all.is_ok(),
            "{} receipts: missing {:?}; not sent {:?}\n{tail}",
            receipted.len(),
            missing(),
            unsent()
        );
        let again = in_order(&hook.posted());
        for (text, ids) in &accepted {
            let came = users
                .inbox
                .lock()
                .unwrap()
                .get(text)
                .cloned()
                .unwrap_or_default();
            assert!(
                ids.len() == 1 && came.is_subset(ids),
                "{text} was accepted as {ids:?} and arrived as {came:?}"
            );
        }
        eprintln!(
            "{what}: {sent} written, {} with receipt, 0 of them missing, {again} posted again; {} \
            accepted, 0 not sent",
            receipted.len(),
            accepted.len()
        );
    }
}

pub(crate) fn id(posted: &Posted) -> Option<String> {
    posted.json()["id"].as_str().map(str::to_owned)
}

pub(crate) fn text(posted: &Posted) -> Option<String> {
    posted.json()["body"].as_str().map(str::to_owned)
}

/// Asserts that first deliveries are in order per sender, and that each message has one webhook id.
/// Returns the number of repeated deliveries.
fn in_order(posted: &[Posted]) -> usize {
    let mut names = HashMap::new();
    let mut last = HashMap::new();
    let mut again = 0;
    for posted in posted {
        let Some(id) = id(posted).filter(|id| text(posted).as_ref() == Some(id)) else {
            continue;
        };
        let Some((sender, number)) = id
            .split_once('-')
            .and_then(|(s, n)| Some((s, n.parse::<usize>().ok()?)))
        else {
            continue;
        };
        let name = posted.head["webhook-id"].clone();
        if let Some(before) = names.insert(id.clone(), name.clone()) {
            assert_eq!(before, name, "{id} has two webhook ids");
            again += 1;
            continue;
        }
        let before = last.insert(sender.to_owned(), number);
        assert!(
            before.is_none_or(|before| before < number),
            "{id} arrived after {before:?}"
        );
    }
    again
}

/// Kills the bridge repeatedly with SIGKILL, with webhook downtime in between.
async fn bridge_loses_nothing_when_killed(server: Server) {
    let mut chaos = Chaos::start(&server, "", &format!("inbox@{USERS}")).await;
    for round in 0..rounds() {
        chaos.progress(50).await;
        chaos.hook.set_down(round % 3 == 1);
        chaos.daemon.kill();
        chaos.daemon.start_again();
    }
    let refused = chaos.hook.refused();
    let since = Instant::now();
    chaos.hook.set_down(true);
    while since.elapsed() < down() {
        chaos.answers(50).await;
    }
    let tried = async || (chaos.hook.refused() > refused).then_some(());
    let tried = wait::until("an attempt", wait::TIMEOUT, tried).await;
    tried.unwrap_or_else(|error| panic!("{error}\n{}", chaos.daemon.output().tail()));
    chaos.hook.set_down(false);
    chaos
        .end(&format!("{:?}, {} kills", server.kind(), rounds()))
        .await;
}
on_both!(bridge_loses_nothing_when_killed, setup());

/// The same with a NATS server, which is killed, too.
async fn bridge_loses_nothing_when_broker_is_killed(server: Server) {
    let mut nats = Nats::start().await;
    let table = format!("[component.json_bridge.nats]\nurl = '{}'\n", nats.url());
    let mut chaos = Chaos::start(&server, &table, &format!("inbox@{USERS}")).await;
    for round in 0..rounds() {
        chaos.progress(50).await;
        if round % 2 == 0 {
            nats.kill();
            nats.start_again().await;
        } else {
            chaos.daemon.kill();
            chaos.daemon.start_again();
        }
    }
    chaos.progress(50).await;
    chaos
        .end(&format!(
            "{:?} with NATS, {} kills",
            server.kind(),
            rounds()
        ))
        .await;
}
on_both!(bridge_loses_nothing_when_broker_is_killed, setup());

/// Restarts the server. Posted messages go to a bot of the same bridge, so they pass through the
/// server.
async fn bridge_loses_nothing_when_server_restarts(mut server: Server) {
    let chaos = Chaos::start(&server, "", &format!("other@{BRIDGE}")).await;
    for round in 0..rounds() {
        chaos.progress(50).await;
        if round % 2 == 0 {
            server.kill();
        } else {
            server.stop().await;
        }
        server.start_again().await;
    }
    chaos.progress(50).await;
    chaos
        .end(&format!("{:?}, {} restarts of it", server.kind(), rounds()))
        .await;
}
on_both!(bridge_loses_nothing_when_server_restarts, setup());
