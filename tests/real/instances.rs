//! Two daemons with the same components on one ejabberd, with a shared database and NATS server.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use campanile::client::Client;
use campanile::component::{Component, Status};
use campanile::extract::StanzaRef;
use campanile::form::Definition;
use campanile::jid::Jid;
use campanile::router::{Filter, Router};
use campanile::stanza::{Kind, PresenceType, Stanza};
use campanile_logger::store::{Open, PostgresStore, Query};
use campanile_tests::setup::SECRET;
use campanile_tests::{
    Daemon, Ejabberd, Nats, Postgres, Server, Setup, WebhookEndpoint, http, ports, wait,
};
use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, watch};

use crate::chaos::{BRIDGE, HOOK_SECRET, USERS, Users, id, post, text, write};
use crate::support::{LIMITS, mounted};

const LOGGER: &str = "logger.localhost";
const ECHO: &str = "echo.localhost";
const BOT: &str = "bot@bridge.localhost";
/// Number of requests per instance.
const REQUESTS: usize = 1000;
/// Number of requests in flight.
const WINDOW: usize = 32;

/// One of the two daemons.
struct Instance {
    daemon: Daemon,
    api: u16,
    admin: u16,
}

impl Instance {
    async fn start(
        server: &Server,
        postgres: &Postgres,
        nats: &Nats,
        hook: &WebhookEndpoint,
    ) -> Self {
        let api = ports::free();
        let admin = ports::free();
        let configuration = format!(
            "[admin]\nlisten = '127.0.0.1:{admin}'\n[server]\naddress = '{server}'\n\
             [[component]]\njid = '{LOGGER}'\nsecret = '{SECRET}'\n{LIMITS}\nallow = \
             ['{USERS}']\n[component.logger]\nstore = '{store}'\nadmins = ['{USERS}']\n\
             [[component]]\njid = '{BRIDGE}'\nsecret = '{SECRET}'\n{LIMITS}\nallow = ['{USERS}']\n\
             [component.json_bridge]\nwebhook = {{ url = 'http://{hook}/', secret = \
             '{HOOK_SECRET}' }}\n\
             api = {{ listen = '127.0.0.1:{api}', token = 'whole-token-of-the-api', to = 'anybody' }}\n\
             [component.json_bridge.nats]\nurl = '{nats}'\nshared = true\n",
            server = server.component_address(),
            store = postgres.address(),
            hook = hook.address,
            nats = nats.url(),
        );
        let mut daemon = Daemon::start(&configuration);
        for jid in [LOGGER, BRIDGE] {
            mounted(&mut daemon, jid).await;
        }
        Self { daemon, api, admin }
    }

    /// Sends the requests. Returns the number of responses.
    async fn asks(&self) -> usize {
        let ask = |number| async move {
            let path = format!("/v1/ping/{USERS}?{number}");
            let answer = http::get(
                self.api,
                &path,
                "Authorization: Bearer whole-token-of-the-api\r\n",
            )
            .await;
            usize::from(answer.is_some_and(|answer| answer.starts_with("HTTP/1.1 200")))
        };
        stream::iter(0..REQUESTS)
            .map(ask)
            .buffer_unordered(WINDOW)
            .fold(0, |sum, one| async move { sum + one })
            .await
    }

    async fn knows_of_the_other(&mut self, jid: &str) {
        knows_of_the_other(&mut self.daemon, jid).await;
    }

    async fn metric(&self, beginning: &str) -> f64 {
        metric(self.admin, beginning).await
    }
}

async fn knows_of_the_other(daemon: &mut Daemon, jid: &str) {
    let warned = |line: &serde_json::Value| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with("another process is connected with this JID") && line["jid"] == jid
    };
    daemon.logs("another process on the JID", warned).await;
}

/// Returns the sum of all series with this prefix.
async fn metric(admin: u16, beginning: &str) -> f64 {
    let text = http::get(admin, "/metrics", "").await.unwrap();
    let value = |line: &str| {
        line.starts_with(beginning)
            .then(|| line.rsplit(' ').next()?.parse::<f64>().ok())
    };
    text.lines().filter_map(value).flatten().sum()
}

/// Returns the ids of all archived stanzas.
async fn archived(postgres: &Postgres) -> HashSet<String> {
    let address = postgres.address();
    let read =
        tokio::task::spawn_blocking(move || {
            let mut store = PostgresStore::new(&address).unwrap().open(false).unwrap();
            let mut query = Query {
                limit: 1000,
                ..Query::default()
            };
            let mut ids = HashSet::new();
            loop {
                let page = store.page(&query).unwrap();
                let stanzas = page
                    .entries
                    .iter()
                    .filter_map(|entry| entry.stanza.as_deref());
                ids.extend(stanzas.filter_map(|xml| {
                    Some(xml.split_once(" id='")?.1.split_once('\'')?.0.to_owned())
                }));
                query.after = page.entries.last().map(|entry| entry.place);
                if !page.more {
                    return ids;
                }
            }
        });
    read.await.unwrap()
}

/// ejabberd distributes stanzas at random, including responses to the instances' own requests. Both
/// instances share the work, each request gets its response whichever instance receives it, and
/// nothing acknowledged is lost when one instance is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_share_work() {
    let setup = [LOGGER, BRIDGE, USERS]
        .into_iter()
        .fold(Setup::new(), Setup::component);
    let server = Ejabberd::start(&setup).await;
    let postgres = Postgres::start().await;
    let nats = Nats::start().await;
    let hook = WebhookEndpoint::start(None).await;
    let (users, client): (_, Client) = Users::start(&server, USERS).await;
    let mut one = Instance::start(&server, &postgres, &nats, &hook).await;
    let mut other = Instance::start(&server, &postgres, &nats, &hook).await;

    assert_eq!(tokio::join!(one.asks(), other.asks()), (REQUESTS, REQUESTS));
    let handed = "campanile_iq_responses_forwarded_total{component=\"bridge.localhost\"}";
    let handed = (one.metric(handed).await, other.metric(handed).await);
    assert!(handed.0 > 100.0 && handed.1 > 100.0, "{handed:?}");

    for instance in [&mut one, &mut other] {
        instance.knows_of_the_other(LOGGER).await;
    }
    for _ in 0..20 {
        // The second step of each command may reach either instance, too.
        let step = client
            .command(LOGGER.parse::<Jid>().unwrap(), "search")
            .await
            .unwrap();
        let words = Definition::new()
            .submit(&HashMap::from([("words", "nothing")]))
            .unwrap();
        assert!(step.complete(Some(words)).await.unwrap().is_completed());
    }

    let (stop, stopped) = watch::channel(false);
    let addresses = [(0, BOT), (1, BOT), (2, LOGGER), (3, LOGGER)];
    let writing = addresses.map(|who| write(users.clone(), client.clone(), who, stopped.clone()));
    let inbox = format!("inbox@{USERS}");
    let posting =
        [(one.api, "one"), (other.api, "other")].map(|to| post(to, inbox.clone(), stopped.clone()));
    let progress = async |count: usize| {
        let receipts = || users.receipted.lock().unwrap().len();
        let goal = receipts() + count;
        wait::until("receipts", Duration::from_secs(60), async || {
            (receipts() >= goal).then_some(())
        })
        .await
        .unwrap();
    };
    progress(2000).await;
    let mut shares = Vec::new();
    for component in [LOGGER, BRIDGE] {
        let series = format!("campanile_stanzas_total{{component=\"{component}\",kind=\"message\"");
        shares.push((
            component,
            one.metric(&series).await,
            other.metric(&series).await,
        ));
    }
    assert!(
        shares.iter().all(|(_, one, other)| one.min(*other) > 20.0),
        "{shares:?}"
    );
    other.daemon.kill();
    progress(1500).await;
    other.daemon.start_again();
    progress(1500).await;
    stop.send(true).unwrap();
    for writing in writing {
        writing.await.unwrap();
    }
    let mut accepted = Vec::new();
    for posting in posting {
        accepted.extend(posting.await.unwrap());
    }

    let receipted = users.receipted.lock().unwrap().clone();
    let (bots, logged): (HashSet<_>, HashSet<_>) = receipted
        .into_iter()
        .partition(|id| id.starts_with("s0-") || id.starts_with("s1-"));
    let missing = || {
        let came: HashSet<_> = hook
            .posted()
            .iter()
            .filter(|posted| text(posted) == id(posted))
            .filter_map(id)
            .collect();
        let came_in = users.inbox.lock().unwrap();
        let bots = bots.difference(&came).cloned();
        bots.chain(
            accepted
                .iter()
                .map(|(text, _)| text)
                .filter(|text| !came_in.contains_key(*text))
                .cloned(),
        )
        .collect()
    };
    let all = async || Vec::is_empty(&missing()).then_some(());
    let all = wait::until("all messages", Duration::from_secs(90), all).await;
    assert!(
        all.is_ok(),
        "missing: {:?}\n{}",
        missing(),
        one.daemon.output().tail()
    );
    let archived = archived(&postgres).await;
    assert!(
        !logged.is_empty() && logged.is_subset(&archived),
        "not in the archive: {:?}",
        logged.difference(&archived).collect::<Vec<_>>()
    );
    for (text, ids) in &accepted {
        assert!(
            ids.len() == 1 && users.inbox.lock().unwrap()[text].is_subset(ids),
            "{text}: {ids:?}"
        );
    }
    eprintln!(
        "{} requests answered, {handed:?} of them handed over; stanzas by instance: {shares:?}; \
        receipted {} for the bot, {} \
         archived, {} accepted: none missing",
        2 * REQUESTS,
        bots.len(),
        logged.len(),
        accepted.len()
    );
    for mut instance in [one, other] {
        assert!(instance.daemon.stop().await.success());
    }
}

/// Test user Ann, on a separate component: sends presence, and records the presence she receives.
struct Ann {
    client: Client,
    seen: mpsc::UnboundedReceiver<PresenceType>,
}

impl Ann {
    async fn start(server: &Server) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let see = move |stanza: StanzaRef| {
            if let Kind::Presence(kind) = stanza.kind() {
                let _ = sender.send(kind);
            }
            async {}
        };
        let kinds = [
            PresenceType::Available,
            PresenceType::Unavailable,
            PresenceType::Subscribed,
            PresenceType::Unsubscribed,
        ];
        let router = Router::new().on(Filter::kinds(kinds.map(Kind::Presence)), see);
        let builder = Component::builder(USERS)
            .server(server.component_address())
            .secret(SECRET)
            .router(router);
        let component = builder.build().unwrap();
        let client = component.client();
        let mut status = component.status();
        tokio::spawn(component.run());
        status.wait_for(Status::is_ready).await.unwrap();
        Self { client, seen }
    }

    async fn send(&self, kind: PresenceType) {
        let ann = format!("ann@{USERS}").parse::<Jid>().unwrap();
        let stanza = Stanza::new(Kind::Presence(kind))
            .with_from(ann)
            .with_to(ECHO.parse::<Jid>().unwrap());
        self.client.send(stanza).await.unwrap();
    }

    /// Waits for presence of this type. Available presence may arrive in between, because each
    /// instance announces itself.
    async fn sees(&mut self, wanted: PresenceType) {
        loop {
            let seen = tokio::time::timeout(wait::TIMEOUT, self.seen.recv()).await;
            let seen = seen.expect("presence in time").unwrap();
            if seen == wanted {
                return;
            }
            assert_eq!(
                seen,
                PresenceType::Available,
                "while waiting for {wanted:?}"
            );
        }
    }
}

/// A subscription is known to both instances, and an instance that stops does not announce the
/// address as offline.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_share_contacts() {
    let setup = [ECHO, USERS]
        .into_iter()
        .fold(Setup::new(), Setup::component);
    let server = Ejabberd::start(&setup).await;
    let postgres = Postgres::start().await;
    let mut ann = Ann::start(&server).await;
    let admins = [ports::free(), ports::free()];
    let mut daemons = Vec::new();
    for admin in admins {
        let server = server.component_address();
        let store = postgres.address();
        let mut daemon = Daemon::start(&format!(
            "[admin]\nlisten = '127.0.0.1:{admin}'\n[[component]]\njid = '{ECHO}'\naddress = \
            '{server}'\nsecret = '{SECRET}'\n\
             {LIMITS}\n[component.echo]\n[component.presence]\nstore = '{store}'\n"
        ));
        mounted(&mut daemon, ECHO).await;
        daemons.push(daemon);
    }
    ann.send(PresenceType::Subscribe).await;
    ann.sees(PresenceType::Subscribed).await;
    ann.sees(PresenceType::Available).await;
    let probes = async || {
        let mut counts = Vec::new();
        for admin in admins {
            let series = format!(
                "campanile_stanzas_total{{component=\"{ECHO}\",kind=\"presence\",type=\"probe\""
            );
            counts.push(metric(admin, &series).await);
        }
        counts
    };
    // Repeats until each instance has received a probe.
    while probes().await.contains(&0.0) {
        ann.send(PresenceType::Probe).await;
        ann.sees(PresenceType::Available).await;
    }
    let mut other = daemons.pop().unwrap();
    knows_of_the_other(&mut other, ECHO).await;
    assert!(other.stop().await.success());
    for _ in 0..20 {
        ann.send(PresenceType::Probe).await;
        // No unavailable presence is sent.
        ann.sees(PresenceType::Available).await;
    }
    assert!(daemons.pop().unwrap().stop().await.success());
}
