//! Tests of rosters with literal XML over the embedded server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test may say so and fail"
)]

mod appendix_a;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use jid::{BareJid, Jid};
use tokio::time::{Duration, Instant};
use xmpp_parsers::presence::Show;

use appendix_a::{INBOUND, OUTBOUND, named};
use campanile::error::BoxError;
use campanile::presence::*;
use campanile::router::Router;
use campanile::stanza::{Kind, PresenceType, Stanza, WriteError};
use campanile_testing::Mounted;
use campanile_testing::host::User;

const BOT: &str = "bot.localhost";

fn jid(text: &str) -> BareJid {
    text.parse().unwrap()
}

fn key(own: &str, peer: &str) -> SubscriptionKey {
    SubscriptionKey {
        own: jid(own),
        peer: jid(peer),
    }
}

/// Mounts a component with the bot `greeter@` and the given roster.
async fn mounted(build: impl FnOnce(RosterBuilder) -> RosterBuilder) -> (Mounted, Roster) {
    with_store(MemoryStore::new(), build).await
}

async fn with_store(
    store: impl SubscriptionStore,
    build: impl FnOnce(RosterBuilder) -> RosterBuilder,
) -> (Mounted, Roster) {
    let roster = build(Roster::builder(store).without_caps()).build();
    let router = Router::new().at("greeter", Router::new().message(async || ()));
    let bot = campanile_testing::mount(BOT, |bot| bot.router(router).module(roster.clone())).await;
    (bot, roster)
}

/// A store shared by a test and a roster.
#[derive(Clone, Default)]
struct Shared(Arc<MemoryStore>);

#[async_trait::async_trait]
impl SubscriptionStore for Shared {
    async fn get(&self, key: &SubscriptionKey) -> Result<Subscription, BoxError> {
        self.0.get(key).await
    }

    async fn put(
        &self,
        key: &SubscriptionKey,
        change: CompareAndSwap,
        limits: &SubscriptionLimits,
    ) -> Result<PutOutcome, BoxError> {
        self.0.put(key, change, limits).await
    }

    async fn list(
        &self,
        own: Option<&BareJid>,
        after: Option<&SubscriptionKey>,
        most: usize,
    ) -> Result<Vec<(SubscriptionKey, Subscription)>, BoxError> {
        self.0.list(own, after, most).await
    }
}

impl Shared {
    async fn set(&self, key: &SubscriptionKey, state: &str) {
        let before = self.get(key).await.unwrap();
        self.put(
            key,
            CompareAndSwap {
                before,
                after: named(state),
            },
            &SubscriptionLimits::default(),
        )
        .await
        .unwrap();
    }
}

/// A store with problems: another process changes each new subscription first, and the first calls
/// of `list` fail.
struct Troubled {
    store: Shared,
    overtaken: Option<&'static str>,
    failures: AtomicU32,
}

#[async_trait::async_trait]
impl SubscriptionStore for Troubled {
    async fn get(&self, key: &SubscriptionKey) -> Result<Subscription, BoxError> {
        self.store.get(key).await
    }

    async fn put(
        &self,
        key: &SubscriptionKey,
        change: CompareAndSwap,
        limits: &SubscriptionLimits,
    ) -> Result<PutOutcome, BoxError> {
        if let Some(state) = self.overtaken.filter(|_| change.before.is_none()) {
            self.store.set(key, state).await;
        }
        self.store.put(key, change, limits).await
    }

    async fn list(
        &self,
        own: Option<&BareJid>,
        after: Option<&SubscriptionKey>,
        most: usize,
    ) -> Result<Vec<(SubscriptionKey, Subscription)>, BoxError> {
        if self
            .failures
            .fetch_update(Relaxed, Relaxed, |left| left.checked_sub(1))
            .is_ok()
        {
            return Err("disk unavailable".into());
        }
        self.store.list(own, after, most).await
    }
}

/// Wraps a store in which another process sets each new subscription to this state.
fn overtaken(store: &Shared, state: &'static str) -> Troubled {
    Troubled {
        store: store.clone(),
        overtaken: Some(state),
        failures: 0.into(),
    }
}

fn typed(kind: &str, to: &str) -> String {
    format!("<presence type='{kind}' to='{to}'/>")
}

/// Matches presence of this type.
fn is(kind: PresenceType) -> impl Fn(&Stanza) -> bool {
    move |stanza| stanza.kind() == Kind::Presence(kind)
}

#[tokio::test]
async fn inbound_stanzas_follow_appendix_a() {
    let store = Shared::default();
    let (bot, _) = with_store(store.clone(), |roster| roster.policy(Decision::Pending)).await;
    let alice = bot.user("alice@localhost");
    let key = key("greeter@bot.localhost", "alice@localhost");
    for (kind, rows) in INBOUND {
        for (before, _, after) in rows {
            store.set(&key, before).await;
            alice
                .send(typed(kind.as_str(), "greeter@bot.localhost").as_str())
                .await
                .unwrap();
            // The reply to a ping arrives after everything sent before it.
            alice
                .request(
                    "<iq type='get' to='greeter@bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
                )
                .await
                .unwrap();
            assert_eq!(
                store.get(&key).await.unwrap().to_string(),
                after,
                "{before}, {kind}"
            );
            let mut seen = BTreeSet::new();
            while alice.waiting() > 0 {
                seen.insert(alice.recv().await.unwrap().kind().type_str());
            }
            let wanted: &[&str] = match (kind, before) {
                // §A.3.1, note 2: an existing subscription is confirmed.
                (PresenceType::Subscribe, "From" | "From + Pending Out" | "Both") => {
                    &["", "subscribed"]
                }
                (PresenceType::Unsubscribe, _) if before != after => &["unavailable"],
                _ => &[],
            };
            assert!(seen.iter().eq(wanted), "{before}, {kind}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn outbound_changes_follow_appendix_a() {
    let store = Shared::default();
    let (bot, roster) = with_store(store.clone(), |roster| roster).await;
    let alice = bot.user("alice@localhost");
    let key = key("greeter@bot.localhost", "alice@localhost");
    for (kind, rows) in OUTBOUND {
        for (before, passes, after) in rows {
            store.set(&key, before).await;
            match kind {
                PresenceType::Subscribe => roster.subscribe(&key).await.unwrap(),
                PresenceType::Subscribed => roster.accept(&key).await.unwrap(),
                PresenceType::Unsubscribe => roster.unsubscribe(&key).await.unwrap(),
                _ => roster.deny(&key).await.unwrap(),
            }
            assert_eq!(
                store.get(&key).await.unwrap().to_string(),
                after,
                "{before}, {kind}"
            );
            alice
                .request(
                    "<iq type='get' to='greeter@bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
                )
                .await
                .unwrap();
            let mut seen = BTreeSet::new();
            while alice.waiting() > 0 {
                seen.insert(alice.recv().await.unwrap().kind().type_str());
            }
            let wanted: &[&str] = match (kind, passes) {
                (_, false) => &[],
                (PresenceType::Subscribed, true) => &["", "subscribed"],
                (PresenceType::Unsubscribed, true) => &["unavailable", "unsubscribed"],
                (_, true) => &[kind.as_str()],
            };
            assert!(seen.iter().eq(wanted), "{before}, {kind}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn subscriber_receives_presence() {
    let (bot, roster) =
        mounted(|roster| roster.availability(Availability::online().status("at work"))).await;
    let alice = bot.user("alice@localhost/phone");
    alice
        .send(typed("subscribe", "greeter@bot.localhost").as_str())
        .await
        .unwrap();
    alice
        .expect("<presence type='subscribed' from='greeter@bot.localhost' to='alice@localhost'/>")
        .await;
    let here = "<presence from='greeter@bot.localhost'><status>at work</status></presence>";
    alice.expect(here).await;
    alice.expect_nothing("greeter@bot.localhost").await;
    let key = key("greeter@bot.localhost", "alice@localhost");
    assert_eq!(roster.subscription(&key).await.unwrap().to_string(), "From");
    // A server probes on behalf of one resource, which gets the reply.
    alice
        .send(typed("probe", "greeter@bot.localhost").as_str())
        .await
        .unwrap();
    alice
        .expect(&here.replace("<presence", "<presence to='alice@localhost/phone'"))
        .await;
    alice
        .send(typed("unsubscribe", "greeter@bot.localhost").as_str())
        .await
        .unwrap();
    alice
        .expect("<presence type='unavailable' from='greeter@bot.localhost' to='alice@localhost'/>")
        .await;
    alice
        .send(typed("probe", "greeter@bot.localhost").as_str())
        .await
        .unwrap();
    alice
        .expect("<presence type='unsubscribed' from='greeter@bot.localhost' to='alice@localhost'/>")
        .await;
    assert!(roster.subscription(&key).await.unwrap().is_none());
}

#[tokio::test]
async fn availability_of_overrides_default() {
    let away = Availability::online().show(Show::Away);
    let (bot, _) =
        mounted(|roster| roster.availability_of(jid("greeter@bot.localhost"), away)).await;
    let alice = bot.user("alice@localhost");
    for (own, presence) in [
        (
            "greeter@bot.localhost",
            "<presence from='greeter@bot.localhost'><show>away</show></presence>",
        ),
        (BOT, "<presence from='bot.localhost'/>"),
    ] {
        alice.send(typed("subscribe", own).as_str()).await.unwrap();
        alice.expect("<presence type='subscribed'/>").await;
        alice.expect(presence).await;
    }
}

#[tokio::test]
async fn nonexistent_address_replies_unsubscribed() {
    let (bot, _) = mounted(|roster| roster).await;
    let alice = bot.user("alice@localhost");
    for kind in ["subscribe", "probe"] {
        alice
            .send(typed(kind, "unknown@bot.localhost").as_str())
            .await
            .unwrap();
        alice
            .expect(
                "<presence type='unsubscribed' from='unknown@bot.localhost' to='alice@localhost'/>",
            )
            .await;
    }
    for kind in ["subscribed", "unsubscribe", "unsubscribed", "error"] {
        alice
            .send(typed(kind, "unknown@bot.localhost").as_str())
            .await
            .unwrap();
    }
    alice.expect_nothing("bot.localhost").await;
    // The domain itself always exists. Presence of peers is not handled by the roster.
    alice.send(typed("subscribe", BOT).as_str()).await.unwrap();
    alice
        .expect("<presence type='subscribed' from='bot.localhost'/>")
        .await;
    alice.expect("<presence from='bot.localhost'/>").await;
    alice
        .send("<presence to='bot.localhost'><show>away</show></presence>")
        .await
        .unwrap();
    alice.expect_nothing(BOT).await;
}

#[tokio::test]
async fn bots_limit_addresses_with_presence() {
    let (bot, _) = mounted(|roster| roster.bots(["Weather"])).await;
    let alice = bot.user("alice@localhost");
    alice
        .ask(
            "<iq type='get' to='weather@bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
            "<iq type='result'/>",
        )
        .await;
    for (localpart, answer) in [("weather", "subscribed"), ("greeter", "unsubscribed")] {
        let own = format!("{localpart}@bot.localhost");
        alice.send(typed("subscribe", &own).as_str()).await.unwrap();
        alice
            .expect_among(&format!("<presence type='{answer}' from='{own}'/>"))
            .await;
    }
}

#[tokio::test]
async fn policy_decides_about_requests() {
    let decide = |request: &SubscriptionRequest| match request.status.as_deref() {
        Some("please") => Decision::Accept,
        Some(_) => Decision::Deny,
        None => Decision::Pending,
    };
    let (bot, roster) = mounted(|roster| roster.policy(decide)).await;
    let alice = bot.user("alice@localhost");
    let ask =
        |status: &str| format!("<presence type='subscribe' to='bot.localhost'>{status}</presence>");
    let key = key(BOT, "alice@localhost");
    alice
        .send(ask("<status>now!</status>").as_str())
        .await
        .unwrap();
    alice.expect("<presence type='unsubscribed'/>").await;
    assert!(roster.subscription(&key).await.unwrap().is_none());
    // The request stays pending, and repeating it changes nothing.
    alice.send(ask("").as_str()).await.unwrap();
    alice
        .send(ask("<status>please</status>").as_str())
        .await
        .unwrap();
    alice.expect_nothing(BOT).await;
    assert_eq!(
        roster.subscription(&key).await.unwrap().to_string(),
        "None + Pending In"
    );
    roster.accept(&key).await.unwrap();
    alice.expect("<presence type='subscribed'/>").await;
    alice.expect("<presence/>").await;
    roster.deny(&key).await.unwrap();
    alice.expect("<presence type='unsubscribed'/>").await;
    alice.expect("<presence type='unavailable'/>").await;
    // Accepting without a request has no effect.
    roster.accept(&key).await.unwrap();
    alice.expect_nothing(BOT).await;
    alice
        .send(ask("<status>please</status>").as_str())
        .await
        .unwrap();
    alice.expect("<presence type='subscribed'/>").await;
}

#[tokio::test]
async fn mutual_roster_subscribes_back() {
    let (bot, roster) = mounted(RosterBuilder::mutual).await;
    let alice = bot.user("alice@localhost");
    let key = key(BOT, "alice@localhost");
    alice.send(typed("subscribe", BOT).as_str()).await.unwrap();
    alice.expect("<presence type='subscribed'/>").await;
    alice.expect("<presence/>").await;
    alice
        .expect("<presence type='subscribe' from='bot.localhost' to='alice@localhost'/>")
        .await;
    alice.send(typed("subscribed", BOT).as_str()).await.unwrap();
    alice.expect_nothing(BOT).await;
    assert_eq!(roster.subscription(&key).await.unwrap().to_string(), "Both");
    alice
        .send(typed("unsubscribe", BOT).as_str())
        .await
        .unwrap();
    alice.expect("<presence type='unavailable'/>").await;
    alice.expect("<presence type='unsubscribe'/>").await;
    assert!(roster.subscription(&key).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn set_sends_presence_to_all_subscribers() {
    let store = Shared::default();
    store
        .set(&key("greeter@bot.localhost", "alice@localhost"), "From")
        .await;
    store
        .set(&key("greeter@bot.localhost", "bob@localhost"), "Both")
        .await;
    store.set(&key(BOT, "carol@localhost"), "From").await;
    let (bot, roster) = with_store(store, |roster| roster.settle(Duration::from_secs(3600))).await;
    let users = ["alice@localhost", "bob@localhost", "carol@localhost"].map(|jid| bot.user(jid));
    let own = jid("greeter@bot.localhost");
    let away = Availability::online()
        .show(Show::Away)
        .status("lunch")
        .priority(5);
    roster.set(&own, away.clone()).await.unwrap();
    let wanted = "<presence from='greeter@bot.localhost'><show>away</show>\
        <status>lunch</status><priority>5</priority></presence>";
    users[0].expect(wanted).await;
    users[1].expect(wanted).await;
    users[2].expect_nothing(BOT).await;
    assert_eq!(roster.availability(&own), away);
    roster
        .set(&own, Availability::offline().status("gone"))
        .await
        .unwrap();
    users[0]
        .expect("<presence type='unavailable'><status>gone</status></presence>")
        .await;
    users[0]
        .send(typed("probe", "greeter@bot.localhost").as_str())
        .await
        .unwrap();
    users[0]
        .expect("<presence type='unavailable'><status>gone</status></presence>")
        .await;
    // A new subscriber of an offline address gets no presence.
    users[2]
        .send(typed("subscribe", "greeter@bot.localhost").as_str())
        .await
        .unwrap();
    users[2].expect("<presence type='subscribed'/>").await;
    users[2].expect_nothing("greeter@bot.localhost").await;
}

/// Returns the sender and type of all stanzas that a user has received.
async fn seen(user: &User) -> Vec<(String, &'static str)> {
    let mut seen = Vec::new();
    while user.waiting() > 0 {
        let stanza = user.recv().await.unwrap();
        seen.push((stanza.from().unwrap().to_string(), stanza.kind().type_str()));
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn presence_is_announced_on_each_settled_stream() {
    let store = Shared::default();
    store.set(&key(BOT, "alice@localhost"), "Both").await;
    store
        .set(
            &key("greeter@bot.localhost", "alice@localhost"),
            "From + Pending Out",
        )
        .await;
    store
        .set(&key("gone@bot.localhost", "alice@localhost"), "Both")
        .await;
    store
        .set(
            &key("greeter@bot.localhost", "bob@localhost"),
            "None + Pending In",
        )
        .await;
    let (bot, _) = with_store(store, |roster| roster).await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    for _ in 0..2 {
        // The stream has not been open for long enough yet.
        tokio::time::sleep(Duration::from_secs(4)).await;
        assert_eq!(alice.waiting(), 0);
        tokio::time::sleep(Duration::from_secs(2)).await;
        let own = |jid: &str, kind| (jid.to_owned(), kind);
        let wanted = [
            own(BOT, ""),
            own(BOT, "probe"),
            own("greeter@bot.localhost", ""),
            own("greeter@bot.localhost", "subscribe"),
        ];
        assert_eq!(seen(&alice).await, wanted);
        assert_eq!(bob.waiting(), 0);
        bot.host()
            .disconnect(BOT, &campanile_testing::host::Disconnect::Silent);
        bot.until(|status| matches!(status, campanile::component::Status::Waiting { .. }))
            .await;
        bot.mounted().await;
    }
    // A stream that breaks too early announces nothing.
    tokio::time::sleep(Duration::from_secs(4)).await;
    bot.host()
        .disconnect(BOT, &campanile_testing::host::Disconnect::Silent);
    bot.until(|status| matches!(status, campanile::component::Status::Waiting { .. }))
        .await;
    assert_eq!(alice.waiting(), 0);
}

#[tokio::test(start_paused = true)]
async fn announcement_is_rate_limited() {
    let store = Shared::default();
    for number in 0..1000 {
        store
            .set(&key(BOT, &format!("u{number}@localhost")), "From")
            .await;
    }
    let (bot, _) = with_store(store, |roster| roster).await;
    let last = bot.user("u999@localhost");
    let started = Instant::now();
    last.recv_where(is(PresenceType::Available)).await.unwrap();
    let took = started.elapsed();
    // 5 s until presence is announced, and 5 s for 1,000 stanzas.
    assert!(
        (Duration::from_millis(9500)..Duration::from_millis(10_500)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn bounced_presence_suspends_peer() {
    let store = Shared::default();
    store.set(&key(BOT, "alice@localhost"), "From").await;
    let (bot, roster) = with_store(store, |roster| roster.settle(Duration::from_secs(3600))).await;
    let alice = bot.user("alice@localhost");
    let own = jid(BOT);
    let error = "<presence type='error' to='bot.localhost'><error type='cancel'>\
        <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></presence>";
    alice.send(error).await.unwrap();
    alice.expect_nothing(BOT).await;
    assert_eq!(roster.bounced_peers(), 1);
    roster
        .set(&own, Availability::online().status("new"))
        .await
        .unwrap();
    alice.expect_nothing(BOT).await;
    // The peer probes.
    alice.send(typed("probe", BOT).as_str()).await.unwrap();
    alice
        .expect("<presence><status>new</status></presence>")
        .await;
    roster.set(&own, Availability::online()).await.unwrap();
    alice.expect("<presence/>").await;
    assert_eq!(roster.bounced_peers(), 0);
}

#[tokio::test(start_paused = true)]
async fn shutdown_sends_unavailable_presence() {
    let store = Shared::default();
    store.set(&key(BOT, "alice@localhost"), "From").await;
    store
        .set(&key("greeter@bot.localhost", "alice@localhost"), "From")
        .await;
    store.set(&key(BOT, "bob@localhost"), "To").await;
    let (mut bot, roster) =
        with_store(store, |roster| roster.settle(Duration::from_secs(3600))).await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    // An offline address sends no unavailable presence at the end.
    roster
        .set(&jid("greeter@bot.localhost"), Availability::offline())
        .await
        .unwrap();
    alice
        .expect("<presence type='unavailable' from='greeter@bot.localhost'/>")
        .await;
    bot.running().stop();
    bot.running().ended().await.unwrap();
    alice
        .expect("<presence type='unavailable' from='bot.localhost' to='alice@localhost'/>")
        .await;
    assert_eq!((alice.waiting(), bob.waiting()), (0, 0));
    assert!(!roster.availability(&jid(BOT)).is_online());
}

#[tokio::test(start_paused = true)]
async fn strangers_fill_no_more_than_the_bounds() {
    let mut limits = SubscriptionLimits::default();
    limits.per_peer = 2;
    limits.per_domain = 3;
    limits.all = 4;
    let bots: Vec<_> = (0..9).map(|number| format!("bot{number}")).collect();
    let (bot, roster) =
        mounted(|roster| roster.limits(limits).bots(bots.iter().map(String::as_str))).await;
    let ask = async |user: &str, number: u8| {
        let user = bot.user(&format!("{user}/{number}"));
        user.send(typed("subscribe", &format!("bot{number}@bot.localhost")).as_str())
            .await
            .unwrap();
        let answer = user
            .recv_where(|stanza| !is(PresenceType::Available)(stanza))
            .await
            .unwrap();
        answer.kind().type_str()
    };
    assert_eq!(ask("a@one.org", 0).await, "subscribed");
    assert_eq!(ask("a@one.org", 1).await, "subscribed");
    assert_eq!(ask("a@one.org", 2).await, "unsubscribed");
    // An existing subscription is not counted again.
    assert_eq!(ask("a@one.org", 1).await, "subscribed");
    assert_eq!(ask("b@one.org", 0).await, "subscribed");
    assert_eq!(ask("c@one.org", 0).await, "unsubscribed");
    assert_eq!(ask("a@two.org", 0).await, "subscribed");
    assert_eq!(ask("a@three.org", 0).await, "unsubscribed");
    assert_eq!(
        (roster.refused(), bot.counters().subscriptions_refused),
        (3, 3)
    );
    let refused = roster
        .subscribe(&key("bot8@bot.localhost", "z@four.org"))
        .await;
    assert_eq!(refused.unwrap_err().to_string(), "too many subscriptions");
}

#[tokio::test]
async fn extension_is_applied_to_online_presence() {
    struct Hat;
    impl PresenceExtension for Hat {
        fn extend(&self, own: &BareJid, presence: Stanza) -> Result<Stanza, WriteError> {
            presence.with_text("status", &format!("{own} with a hat"))
        }
    }
    let (bot, _) = mounted(|roster| roster.extension(Hat)).await;
    let alice = bot.user("alice@localhost");
    alice.send(typed("subscribe", BOT).as_str()).await.unwrap();
    alice.expect("<presence type='subscribed'/>").await;
    alice
        .expect("<presence><status>bot.localhost with a hat</status></presence>")
        .await;
    alice
        .send(typed("unsubscribe", BOT).as_str())
        .await
        .unwrap();
    alice.expect("<presence type='unavailable'/>").await;
}

#[tokio::test]
async fn presence_includes_caps_hash_of_disco_info() {
    let roster = Roster::new(MemoryStore::new());
    let greeter = Router::new()
        .iq_get("urn:example:greet", async || ())
        .message(async || ());
    let bot = campanile_testing::mount(BOT, |bot| {
        bot.router(Router::new().at("greeter", greeter))
            .module(roster)
    })
    .await;
    let mut vers = check_caps(&bot, "xmpp:bot.localhost").await;
    vers.sort();
    vers.dedup();
    assert_eq!(vers.len(), 2, "each address has its own hash");
    let named = campanile_testing::mount(BOT, |bot| {
        bot.router(Router::new().at("greeter", Router::new().message(async || ())))
            .caps_node("https://greeter.example")
            .module(Roster::new(MemoryStore::new()))
    })
    .await;
    check_caps(&named, "https://greeter.example").await;
}

/// Checks the capabilities of two addresses, and returns their hashes.
async fn check_caps(bot: &Mounted, software: &str) -> Vec<Vec<u8>> {
    let alice = bot.user("alice@localhost");
    let mut vers = Vec::new();
    for own in ["greeter@bot.localhost", BOT] {
        alice.send(typed("subscribe", own).as_str()).await.unwrap();
        alice.expect("<presence type='subscribed'/>").await;
        let presence = alice.recv().await.unwrap();
        let caps: xmpp_parsers::caps::Caps = presence.child().unwrap();
        assert_eq!(caps.node, software);
        let query = xmpp_parsers::caps::query_caps(caps.clone());
        let ask = |node: &str| {
            format!(
                "<iq type='get' to='{own}'><query \
                xmlns='http://jabber.org/protocol/disco#info'{node}/></iq>"
            )
        };
        let node = format!(" node='{}'", query.node.unwrap());
        let reply = alice.request(ask(&node).as_str()).await.unwrap().to_xml();
        let plain = alice.request(ask("").as_str()).await.unwrap();
        let content = |xml: &str| xml.split_once("disco#info'").unwrap().1.replace(&node, "");
        assert_eq!(content(&reply), content(&plain.to_xml()));
        assert!(
            reply.contains(&node)
                && reply.contains("<feature var='http://jabber.org/protocol/caps'/>"),
            "{reply}"
        );
        // The hash computed from the disco reply is the same.
        let info: xmpp_parsers::disco::DiscoInfoResult = plain.child().unwrap();
        let computed = xmpp_parsers::caps::compute_disco(&info);
        let computed =
            xmpp_parsers::caps::hash_caps(&computed, xmpp_parsers::hashes::Algo::Sha_1).unwrap();
        assert_eq!(computed.hash, caps.ver);
        vers.push(caps.ver);
        let other = alice
            .request(ask(&node.replace("#", "#A")).as_str())
            .await
            .unwrap()
            .to_xml();
        assert!(other.contains("<item-not-found"), "{other}");
    }
    vers
}

#[tokio::test]
async fn roster_cannot_be_mounted_twice() {
    let (_bot, roster) = mounted(|roster| roster).await;
    let host = campanile_testing::host::Host::new("s");
    let other = campanile::component::Component::builder("b.localhost")
        .connector(host.connector())
        .secret("s");
    let error = campanile_testing::start(other.module(roster))
        .ended()
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "module failed to start");
    let idle = Roster::new(MemoryStore::new());
    assert!(idle.subscribe(&key(BOT, "a@x.org")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn announcement_is_retried_after_store_failure() {
    let store = Shared::default();
    store.set(&key(BOT, "alice@localhost"), "From").await;
    let started = tokio::time::Instant::now();
    let (bot, _) = with_store(
        Troubled {
            store,
            overtaken: None,
            failures: 1.into(),
        },
        |roster| roster,
    )
    .await;
    bot.user("alice@localhost")
        .expect("<presence from='bot.localhost' to='alice@localhost'/>")
        .await;
    assert_eq!(started.elapsed().as_secs(), 35);
}

#[tokio::test(start_paused = true)]
async fn shutdown_is_silent_while_another_process_serves_the_jid() {
    let store = Shared::default();
    store.set(&key(BOT, "alice@localhost"), "From").await;
    for (pause, farewell) in [(Duration::ZERO, false), (Duration::from_secs(601), true)] {
        let (mut bot, _) = with_store(store.clone(), |roster| roster).await;
        let alice = bot.user("alice@localhost");
        alice
            .expect("<presence from='bot.localhost' to='alice@localhost'/>")
            .await;
        let ping = "<iq type='get' id='0123-ping' from='bot.localhost/ping' \
                     to='bot.localhost/pong'><ping xmlns='urn:xmpp:ping'/></iq>";
        bot.host().inject(BOT, ping);
        // The reply arrives after everything sent before it.
        alice
            .request("<iq type='get' to='bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
            .await
            .unwrap();
        assert!(bot.running().client().has_peers());
        tokio::time::sleep(pause).await;
        bot.running().stop();
        bot.running().ended().await.unwrap();
        assert_eq!(alice.waiting(), usize::from(farewell), "{pause:?}");
    }
}

#[tokio::test]
async fn conflicting_change_is_decided_again() {
    let store = Shared::default();
    let (bot, roster) = with_store(overtaken(&store, "None + Pending Out"), |roster| roster).await;
    let alice = bot.user("alice@localhost");
    alice.send(typed("subscribe", BOT).as_str()).await.unwrap();
    alice
        .expect("<presence type='subscribed' from='bot.localhost'/>")
        .await;
    assert_eq!(
        store.get(&key(BOT, "alice@localhost")).await.unwrap(),
        named("From + Pending Out")
    );
    let greeter = key("greeter@bot.localhost", "alice@localhost");
    roster.subscribe(&greeter).await.unwrap();
    assert_eq!(
        store.get(&greeter).await.unwrap(),
        named("None + Pending Out")
    );
}

#[tokio::test]
async fn concurrent_grant_is_confirmed_to_peer() {
    let store = Shared::default();
    let (bot, _) = with_store(overtaken(&store, "From"), |roster| {
        roster.policy(Decision::Deny)
    })
    .await;
    let alice = bot.user("alice@localhost");
    alice.send(typed("subscribe", BOT).as_str()).await.unwrap();
    // A refusal changes nothing, so nothing is written and no conflict occurs.
    alice
        .expect("<presence type='unsubscribed' from='bot.localhost'/>")
        .await;
    let (bot, _) = with_store(overtaken(&store, "From"), |roster| {
        roster.policy(Decision::Pending)
    })
    .await;
    let alice = bot.user("alice@localhost");
    alice.send(typed("subscribe", BOT).as_str()).await.unwrap();
    alice
        .expect("<presence type='subscribed' from='bot.localhost'/>")
        .await;
    assert_eq!(
        store.get(&key(BOT, "alice@localhost")).await.unwrap(),
        named("From")
    );
}

#[tokio::test]
async fn memory_store_lists_in_order_page_by_page() {
    let store = MemoryStore::new();
    for (own, peer) in [("b", "x"), ("a", "y"), ("a", "x"), ("c", "x"), ("b", "y")] {
        let key = key(
            &format!("{own}@bot.localhost"),
            &format!("{peer}@example.org"),
        );
        let change = CompareAndSwap {
            before: Subscription::NONE,
            after: named("To"),
        };
        assert_eq!(
            store
                .put(&key, change, &SubscriptionLimits::default())
                .await
                .unwrap(),
            PutOutcome::Stored
        );
        assert_eq!(
            store
                .put(&key, change, &SubscriptionLimits::default())
                .await
                .unwrap(),
            PutOutcome::Conflict
        );
    }
    let shown = |page: Vec<(SubscriptionKey, Subscription)>| {
        page.iter()
            .map(|(key, _)| format!("{}{}", &key.own.as_str()[..1], &key.peer.as_str()[..1]))
            .collect::<Vec<_>>()
    };
    let all = store.list(None, None, 9).await.unwrap();
    assert_eq!(shown(all.clone()), ["ax", "ay", "bx", "by", "cx"]);
    assert_eq!(
        shown(store.list(None, Some(&all[1].0), 2).await.unwrap()),
        ["bx", "by"]
    );
    let own = jid("b@bot.localhost");
    assert_eq!(
        shown(store.list(Some(&own), None, 9).await.unwrap()),
        ["bx", "by"]
    );
    assert_eq!(
        shown(store.list(Some(&own), Some(&all[2].0), 9).await.unwrap()),
        ["by"]
    );
    let change = CompareAndSwap {
        before: named("To"),
        after: Subscription::NONE,
    };
    store
        .put(&all[2].0, change, &SubscriptionLimits::default())
        .await
        .unwrap();
    assert_eq!(
        shown(store.list(Some(&own), None, 9).await.unwrap()),
        ["by"]
    );
    assert!(store.get(&all[2].0).await.unwrap().is_none());
    let _: Jid = all[0].0.own.clone().into();
}
