//! Nothing is lost between XMPP and a bot, whatever is killed: the bridge, the server, the webhook,
//! the broker.

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
/// Messages that a sender has under way at a time.
const BURST: usize = 8;
/// Longer than a receipt takes that comes at all.
const WORD: Duration = Duration::from_millis(500);

/// How often something is killed; `CAMPANILE_CHAOS` says otherwise.
fn rounds() -> usize {
    std::env::var("CAMPANILE_CHAOS").map_or(6, |rounds| rounds.parse().unwrap())
}

/// How long the webhook is down while everybody goes on, in seconds; `CAMPANILE_CHAOS_DOWN` says
/// otherwise.
fn down() -> Duration {
    Duration::from_secs(
        std::env::var("CAMPANILE_CHAOS_DOWN").map_or(2, |seconds| seconds.parse().unwrap()),
    )
}

fn setup() -> Setup {
    Setup::new().component(BRIDGE).component(USERS)
}

/// People who write to a bot, on a component of their own: what they were told.
#[derive(Debug, Default)]
pub(crate) struct Users {
    /// Ids of messages that have a receipt.
    pub(crate) receipted: Mutex<HashSet<String>>,
    /// The messages that came for `inbox`: the ids under which each text came.
    pub(crate) inbox: Mutex<HashMap<String, HashSet<String>>>,
    /// Answers of any kind.
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

    /// Waits for so many more answers, and no longer than they take.
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
        // What was written to a bridge that is dead is not always answered.
        let _ = timeout(WORD, enough).await;
    }

    pub(crate) async fn start(server: &Server) -> (Arc<Self>, Client) {
        let this = Arc::new(Self::default());
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
        let builder = Component::builder(USERS)
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

/// Writes to one address until told to stop: how many.
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
                    "<message xmlns='jabber:client' from='s{sender}@{USERS}/desk' to='{to}' \
                    type='chat' \
                     id='{id}'><body>{id}</body><request xmlns='urn:xmpp:receipts'/></message>"
                );
                // While there is no stream it waits for one.
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

/// Asks for messages to be sent until told to stop, each until it is accepted: those that were, and
/// what each was called.
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
            let headers =
                format!("Authorization: Bearer whole\r\nIdempotency-Key: {name}-{number}\r\n");
            let body = json!({"to": to, "body": text}).to_string();
            let ids: &mut HashSet<String> = accepted.entry(text).or_default();
            // Twice over: a key that is repeated sends nothing more.
            for _ in 0..2 {
                ids.insert(accept(api, &headers, &body).await);
            }
            number += 1;
        }
        accepted
    })
}

/// Asks until it is accepted, and gives the stanza's id.
async fn accept(api: u16, headers: &str, body: &str) -> String {
    let begun = Instant::now();
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
                begun.elapsed() < Duration::from_secs(60),
                "{body} is not accepted"
            ),
        }
        // As `wait::until` does it, which would make this future one that cannot be spawned.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The id of the stanza when it was accepted; what is in the way for now is said by a 503 or a 409.
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

struct Chaos {
    users: Arc<Users>,
    hook: WebhookEndpoint,
    stop: watch::Sender<bool>,
    writing: Vec<JoinHandle<usize>>,
    posting: JoinHandle<HashMap<String, HashSet<String>>>,
    daemon: Daemon,
}

impl Chaos {
    async fn start(server: &Server, more: &str, to: &str) -> Self {
        let hook = WebhookEndpoint::start(None).await;
        let api = ports::free();
        let webhook = format!(
            "webhook = {{ url = 'http://{}/', secret = '{HOOK_SECRET}' }}",
            hook.address
        );
        let configuration = format!(
            "[[component]]\njid = '{BRIDGE}'\naddress = '{}'\nsecret = '{SECRET}'\n{LIMITS}\nallow \
            = ['{USERS}', '{BRIDGE}']\n[component.json_bridge]\n\
             {webhook}\napi = {{ listen = '127.0.0.1:{api}', token = 'whole', to = 'anybody' \
             }}\n{more}",
            server.component_address()
        );
        let (users, client) = Users::start(server).await;
        let mut daemon = Daemon::start(&configuration);
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

    /// Goes on until so many more receipts have come.
    async fn progress(&self, count: usize) {
        let goal = self.receipts() + count;
        let come = async || (self.receipts() >= goal).then_some(());
        let come = wait::until("receipts", Duration::from_secs(60), come).await;
        come.unwrap_or_else(|error| panic!("{error}\n{}", self.daemon.output().tail()));
    }

    /// Goes on until so many more answers have come: a receipt, or a refusal when too much waits
    /// for the webhook.
    async fn answers(&self, count: usize) {
        let counted = || self.users.answers.load(Ordering::Relaxed);
        let goal = counted() + count;
        let come = wait::until("answers", Duration::from_secs(60), async || {
            (counted() >= goal).then_some(())
        })
        .await;
        come.unwrap_or_else(|error| panic!("{error}\n{}", self.daemon.output().tail()));
    }

    /// Ends it, and looks whether all is there.
    async fn end(mut self, what: &str) {
        self.stop.send(true).unwrap();
        let mut sent = 0;
        for writing in self.writing {
            sent += writing.await.unwrap();
        }
        let accepted = self.posting.await.unwrap();
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
        // Attempts are up to a minute apart behind a webhook that was down for one.
        let all = wait::until("all of them", Duration::from_secs(60) + 2 * down(), all).await;
        let tail = self.daemon.output().tail();
        assert!(
            all.is_ok(),
            "{} receipted: missing {:?}; not sent {:?}\n{tail}",
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
                "{text} was accepted as {ids:?} and came as {came:?}"
            );
        }
        eprintln!(
            "{what}: {sent} written, {} receipted, 0 of them missing, {again} posted again; {} \
            accepted, 0 not sent",
            receipted.len(),
            accepted.len()
        );
        assert!(self.daemon.stop().await.success());
    }
}

pub(crate) fn id(posted: &Posted) -> Option<String> {
    posted.json()["id"].as_str().map(str::to_owned)
}

pub(crate) fn text(posted: &Posted) -> Option<String> {
    posted.json()["body"].as_str().map(str::to_owned)
}

/// Each sender's messages came in their order at first, and each under one id of the webhook; how
/// many came again.
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
            assert_eq!(before, name, "{id} came under two ids");
            again += 1;
            continue;
        }
        let before = last.insert(sender.to_owned(), number);
        assert!(
            before.is_none_or(|before| before < number),
            "{id} came behind {before:?}"
        );
    }
    again
}

/// The bridge is killed with -9 again and again, and in between the webhook is down.
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

/// The same behind a broker, which is killed, too.
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
            "{:?} behind a broker, {} kills",
            server.kind(),
            rounds()
        ))
        .await;
}
on_both!(bridge_loses_nothing_when_broker_is_killed, setup());

/// The server goes and comes back. What is accepted goes to a bot of the same bridge: it has no
/// other way than the server.
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
