//! Presence subscriptions in PostgreSQL, shared by several processes on one JID.

use std::collections::BTreeSet;
use std::time::Duration;

use campanile::presence::{
    CompareAndSwap, HalfState, PutOutcome, Roster, Subscription, SubscriptionKey,
    SubscriptionLimits, SubscriptionStore,
};
use campanile::router::Router;
use campanile_storage::postgres::Database;
use campanile_storage::presence::PostgresSubscriptions;
use campanile_testing as testing;
use campanile_tests::{Postgres, wait};

/// Returns a store with its own connection, as in another process.
fn store(server: &Postgres) -> PostgresSubscriptions {
    PostgresSubscriptions::new(Database::new(&server.address()).unwrap())
}

fn pair(own: &str, peer: &str) -> SubscriptionKey {
    SubscriptionKey {
        own: own.parse().unwrap(),
        peer: peer.parse().unwrap(),
    }
}

fn all() -> impl Iterator<Item = Subscription> + Clone {
    let halves = [HalfState::None, HalfState::Pending, HalfState::Subscribed];
    halves
        .into_iter()
        .flat_map(move |to| halves.map(|from| Subscription { to, from }))
}

/// Replaces the current subscription.
async fn put(
    store: &PostgresSubscriptions,
    pair: &SubscriptionKey,
    after: Subscription,
    bounds: &SubscriptionLimits,
) -> PutOutcome {
    let before = store.get(pair).await.unwrap();
    store
        .put(pair, CompareAndSwap { before, after }, bounds)
        .await
        .unwrap()
}

#[tokio::test]
async fn put_replaces_only_what_was_read() {
    let server = Postgres::start().await;
    let one = store(&server);
    let other = store(&server);
    let pair = pair("bot@b.localhost", "alice@localhost");
    for (before, after) in all().flat_map(|before| all().map(move |after| (before, after))) {
        assert_eq!(
            put(&one, &pair, before, &SubscriptionLimits::default()).await,
            PutOutcome::Stored
        );
        for read in all().filter(|read| *read != before) {
            let change = CompareAndSwap {
                before: read,
                after,
            };
            assert_eq!(
                other
                    .put(&pair, change, &SubscriptionLimits::default())
                    .await
                    .unwrap(),
                PutOutcome::Conflict
            );
        }
        assert_eq!(other.get(&pair).await.unwrap(), before);
        assert_eq!(
            other.list(None, None, 9).await.unwrap().len(),
            usize::from(!before.is_none())
        );
    }
}

#[tokio::test]
async fn keys_are_listed_in_byte_order() {
    let server = Postgres::start().await;
    let store = store(&server);
    let state = Subscription {
        to: HalfState::None,
        from: HalfState::Subscribed,
    };
    // Ordered by bytes, as in Rust, not by a locale.
    let addresses = [
        "a-1@b.org",
        "_@b.org",
        "a1@b.org",
        "é@b.org",
        "中@b.org",
        "b.org",
        "𐐨@b.org",
    ];
    let mut wanted = BTreeSet::new();
    for own in ["b", "a", "é"] {
        for peer in addresses {
            let pair = pair(&format!("{own}@b.localhost"), peer);
            put(&store, &pair, state, &SubscriptionLimits::default()).await;
            wanted.insert(pair);
        }
    }
    let wanted: Vec<_> = wanted.into_iter().collect();
    for own in [
        None,
        Some(&wanted[0].own),
        Some(&wanted[17].own),
        Some(&"none@b.localhost".parse().unwrap()),
    ] {
        let mut listed = Vec::new();
        let mut after = None;
        loop {
            let page = store.list(own, after.as_ref(), 4).await.unwrap();
            listed.extend(page.iter().map(|(pair, _)| pair.clone()));
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
        }
        let of_own: Vec<_> = wanted
            .iter()
            .filter(|pair| own.is_none_or(|own| pair.own == *own))
            .cloned()
            .collect();
        assert_eq!(listed, of_own);
    }
}

/// Four concurrent writers: limits hold, and no update is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writers_respect_limits() {
    let server = Postgres::start().await;
    let bounds = {
        let mut bounds = SubscriptionLimits::default();
        (bounds.per_peer, bounds.per_domain, bounds.all) = (5, 20, 60);
        bounds
    };
    let state = Subscription {
        to: HalfState::None,
        from: HalfState::Subscribed,
    };
    let writers = (0..4).map(|process| {
        let store = store(&server);
        tokio::spawn(async move {
            let mut kept = 0;
            let mut full = 0;
            for number in 0..200 {
                let own = format!("bot{}@b.localhost", (number + process) % 10);
                let peer = format!("peer{}@domain{}.org", number % 7, number % 5);
                match put(&store, &pair(&own, &peer), state, &bounds).await {
                    PutOutcome::Stored => kept += 1,
                    PutOutcome::Full => full += 1,
                    // Another writer has stored the same value first.
                    PutOutcome::Conflict => {}
                }
            }
            (kept, full)
        })
    });
    let mut full = 0;
    for writer in writers.collect::<Vec<_>>() {
        full += writer.await.unwrap().1;
    }
    let listed = store(&server).list(None, None, 1000).await.unwrap();
    let count = |by: &dyn Fn(&SubscriptionKey) -> String, key: &SubscriptionKey| {
        listed
            .iter()
            .filter(|(pair, _)| by(pair) == by(key))
            .count()
    };
    assert!(
        full > 0 && listed.len() == 60,
        "{full} rejected, {} stored",
        listed.len()
    );
    for (pair, _) in &listed {
        assert!(
            count(&|pair| pair.peer.to_string(), pair) <= 5,
            "{}",
            pair.peer
        );
        assert!(
            count(&|pair| pair.peer.domain().to_string(), pair) <= 20,
            "{}",
            pair.peer
        );
    }
    // A removed entry frees capacity.
    let gone = &listed[0].0;
    let new = pair("new@b.localhost", "new@new.org");
    assert_eq!(
        put(&store(&server), &new, state, &bounds).await,
        PutOutcome::Full
    );
    assert_eq!(
        put(&store(&server), gone, Subscription::NONE, &bounds).await,
        PutOutcome::Stored
    );
    assert_eq!(
        put(&store(&server), &new, state, &bounds).await,
        PutOutcome::Stored
    );
}

#[tokio::test]
async fn subscription_is_visible_to_other_process() {
    let server = Postgres::start().await;
    for subscribes in [true, false] {
        let roster = Roster::builder(store(&server)).without_caps().build();
        let bot = testing::mount("b.localhost", |bot| {
            bot.router(Router::new()).module(roster)
        })
        .await;
        let alice = bot.user("alice@localhost");
        if subscribes {
            alice
                .send("<presence type='subscribe' to='b.localhost'/>")
                .await
                .unwrap();
            alice
                .expect("<presence type='subscribed' from='b.localhost'/>")
                .await;
        } else {
            alice
                .send("<presence type='probe' to='b.localhost'/>")
                .await
                .unwrap();
        }
        alice.expect("<presence from='b.localhost'/>").await;
    }
}

#[tokio::test]
async fn subscription_store_recovers_from_outage() {
    let mut server = Postgres::start().await;
    let here = store(&server);
    let later = store(&server);
    let pair = pair("bot@b.localhost", "alice@localhost");
    let state = Subscription {
        to: HalfState::Subscribed,
        from: HalfState::Subscribed,
    };
    assert_eq!(
        put(&here, &pair, state, &SubscriptionLimits::default()).await,
        PutOutcome::Stored
    );
    server.stop().await;
    // A store can be opened during the outage; queries report the error.
    later.open().await.unwrap();
    for store in [&here, &later] {
        let why = store.get(&pair).await.unwrap_err().to_string();
        assert!(why.starts_with("postgres://127.0.0.1/postgres: "), "{why}");
    }
    server.start_again().await;
    for store in [&here, &later] {
        let back = async || store.get(&pair).await.ok();
        assert_eq!(
            wait::until("the store", Duration::from_secs(10), back)
                .await
                .unwrap(),
            state
        );
    }
}

#[tokio::test]
async fn unusable_database_prevents_startup() {
    let server = Postgres::start().await;
    let open = async |address: &str| {
        PostgresSubscriptions::new(Database::new(address).unwrap())
            .open()
            .await
    };
    let unknown = server.address().replace("campanile@", "unknown@");
    let why = open(&unknown).await.unwrap_err().to_string();
    assert!(why.contains("role \"unknown\" does not exist"), "{why}");
    store(&server).open().await.unwrap();
    let client = Database::new(&server.address())
        .unwrap()
        .connect()
        .await
        .unwrap();
    client
        .batch_execute("UPDATE campanile_presence.meta SET version = 3")
        .await
        .unwrap();
    let why = store(&server).open().await.unwrap_err().to_string();
    let newer =
        "campanile_presence has schema 3, this campanile supports 2: install the newer version";
    assert!(why.ends_with(newer), "{why}");
}
