//! Tests of the store alone, and with a roster across restarts.

use campanile::presence::{
    CompareAndSwap, HalfState, PutOutcome, Roster, Subscription, SubscriptionKey,
    SubscriptionLimits, SubscriptionStore,
};
use campanile::router::Router;
use campanile::stanza::PresenceType;
use campanile_testing as testing;

use rusqlite::Connection;

use super::SqliteSubscriptions;

/// A temporary directory, removed on drop.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("campanile-presence-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> std::path::PathBuf {
        self.0.join("presence.db")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn pair(own: &str, peer: &str) -> SubscriptionKey {
    SubscriptionKey {
        own: own.parse().unwrap(),
        peer: peer.parse().unwrap(),
    }
}

/// Replaces the stored subscription.
async fn put(
    store: &SqliteSubscriptions,
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

fn all() -> impl Iterator<Item = Subscription> {
    let halves = [HalfState::None, HalfState::Pending, HalfState::Subscribed];
    halves
        .into_iter()
        .flat_map(move |to| halves.map(|from| Subscription { to, from }))
}

#[tokio::test]
async fn every_state_survives_reopening() {
    let folder = Folder::new("states");
    let pair = pair("bot@b.localhost", "alice@localhost");
    for state in all() {
        let store = SqliteSubscriptions::open(folder.file()).unwrap();
        assert_eq!(
            put(&store, &pair, state, &SubscriptionLimits::default()).await,
            PutOutcome::Stored
        );
        drop(store);
        let store = SqliteSubscriptions::open(folder.file()).unwrap();
        assert_eq!(store.get(&pair).await.unwrap(), state);
        let listed = store.list(None, None, 9).await.unwrap();
        assert_eq!(listed.len(), usize::from(!state.is_none()));
    }
}

#[tokio::test]
async fn list_returns_ordered_pages() {
    let folder = Folder::new("pages");
    let store = SqliteSubscriptions::open(folder.file()).unwrap();
    let state = Subscription::NONE
        .outbound(PresenceType::Subscribe)
        .unwrap();
    for (own, peer) in [("b", "x"), ("a", "y"), ("a", "x"), ("c", "x"), ("b", "y")] {
        let pair = pair(
            &format!("{own}@b.localhost"),
            &format!("{peer}@example.org"),
        );
        put(&store, &pair, state, &SubscriptionLimits::default()).await;
    }
    let shown = |page: &[(SubscriptionKey, Subscription)]| {
        let letters = page
            .iter()
            .map(|(pair, _)| format!("{}{}", &pair.own.as_str()[..1], &pair.peer.as_str()[..1]));
        letters.collect::<Vec<_>>()
    };
    let all = store.list(None, None, 9).await.unwrap();
    assert_eq!(shown(&all), ["ax", "ay", "bx", "by", "cx"]);
    assert_eq!(
        shown(&store.list(None, Some(&all[1].0), 2).await.unwrap()),
        ["bx", "by"]
    );
    let own = "b@b.localhost".parse().unwrap();
    assert_eq!(
        shown(&store.list(Some(&own), None, 9).await.unwrap()),
        ["bx", "by"]
    );
    assert_eq!(
        shown(&store.list(Some(&own), Some(&all[2].0), 9).await.unwrap()),
        ["by"]
    );
    assert_eq!(
        shown(&store.list(Some(&own), Some(&all[4].0), 9).await.unwrap()),
        [""; 0]
    );
}

#[tokio::test]
async fn put_enforces_limits() {
    let folder = Folder::new("bounds");
    let store = SqliteSubscriptions::open(folder.file()).unwrap();
    let mut bounds = SubscriptionLimits::default();
    (bounds.per_peer, bounds.per_domain, bounds.all) = (2, 3, 4);
    let state = Subscription::NONE.inbound(PresenceType::Subscribe).unwrap();
    let rows = [
        ("0", "a@one.org", PutOutcome::Stored),
        ("1", "a@one.org", PutOutcome::Stored),
        ("2", "a@one.org", PutOutcome::Full),
        ("1", "a@one.org", PutOutcome::Stored),
        ("0", "b@one.org", PutOutcome::Stored),
        ("0", "c@one.org", PutOutcome::Full),
        ("0", "a@two.org", PutOutcome::Stored),
        ("0", "a@three.org", PutOutcome::Full),
    ];
    for (own, peer, kept) in rows {
        let pair = pair(&format!("{own}@b.localhost"), peer);
        assert_eq!(
            put(&store, &pair, state, &bounds).await,
            kept,
            "{own} {peer}"
        );
    }
    // Removing a subscription makes room.
    put(
        &store,
        &pair("0@b.localhost", "a@two.org"),
        Subscription::NONE,
        &bounds,
    )
    .await;
    put(
        &store,
        &pair("0@b.localhost", "a@two.org"),
        Subscription::NONE,
        &bounds,
    )
    .await;
    assert_eq!(
        put(
            &store,
            &pair("0@b.localhost", "a@three.org"),
            state,
            &bounds
        )
        .await,
        PutOutcome::Stored
    );
    assert_eq!(
        put(&store, &pair("0@b.localhost", "a@two.org"), state, &bounds).await,
        PutOutcome::Full
    );
}

#[tokio::test]
async fn removed_file_stores_nothing() {
    let folder = Folder::new("removed");
    let store = SqliteSubscriptions::open(folder.file()).unwrap();
    let pair = pair("bot@b.localhost", "alice@localhost");
    std::fs::remove_file(folder.file()).unwrap();
    let change = CompareAndSwap {
        before: Subscription::NONE,
        after: all().last().unwrap(),
    };
    let error = store
        .put(&pair, change, &SubscriptionLimits::default())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.ends_with("presence.db was removed or replaced while in use"),
        "{error}"
    );
    assert!(store.get(&pair).await.is_err());
}

#[tokio::test]
async fn put_reports_conflict_if_state_changed() {
    let folder = Folder::new("stale");
    let store = SqliteSubscriptions::open(folder.file()).unwrap();
    let pair = pair("bot@b.localhost", "alice@localhost");
    for (before, after) in all().flat_map(|before| all().map(move |after| (before, after))) {
        put(&store, &pair, before, &SubscriptionLimits::default()).await;
        for read in all().filter(|read| *read != before) {
            let change = CompareAndSwap {
                before: read,
                after,
            };
            assert_eq!(
                store
                    .put(&pair, change, &SubscriptionLimits::default())
                    .await
                    .unwrap(),
                PutOutcome::Conflict
            );
        }
        assert_eq!(store.get(&pair).await.unwrap(), before);
    }
}

#[test]
fn foreign_file_is_rejected() {
    let folder = Folder::new("foreign");
    let foreign = Connection::open(folder.file()).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (x)").unwrap();
    let error = SqliteSubscriptions::open(folder.file()).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("presence.db belongs to another program; choose another file"),
        "{error}"
    );
    let error = SqliteSubscriptions::open(folder.0.join("no/such/folder.db")).unwrap_err();
    assert!(
        error
            .to_string()
            .ends_with("/no/such does not exist; create it"),
        "{error}"
    );
    let later = folder.0.join("later.db");
    drop(SqliteSubscriptions::open(&later).unwrap());
    Connection::open(&later)
        .unwrap()
        .pragma_update(None, "user_version", 2)
        .unwrap();
    let error = SqliteSubscriptions::open(&later).unwrap_err();
    assert!(
        error.to_string().ends_with(
            "later.db has schema 2, this campanile supports 1: install the newer version"
        ),
        "{error}"
    );
}

#[tokio::test]
async fn subscriptions_survive_restart() {
    let folder = Folder::new("restart");
    for subscribes in [true, false] {
        let roster = Roster::builder(SqliteSubscriptions::open(folder.file()).unwrap())
            .without_caps()
            .build();
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
async fn unusable_file_prevents_start() {
    let folder = Folder::new("start");
    let store = SqliteSubscriptions::new(folder.0.join("no/such/folder.db"));
    let host = campanile_testing::host::Host::new("s");
    let bot = campanile::component::Component::builder("b.localhost")
        .connector(host.connector())
        .secret("s");
    let error = testing::start(bot.module(Roster::new(store)))
        .ended()
        .await
        .unwrap_err();
    let why = std::error::Error::source(&error).unwrap().to_string();
    assert!(
        why.starts_with("presence: ") && why.ends_with("/no/such does not exist; create it"),
        "{why}"
    );
}

/// With a connection each, some failed to switch a new file to its journal mode, as it was locked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_stores_open_new_file_at_once() {
    let folder = Folder::new("many");
    for round in 0..5 {
        let file = folder.0.join(format!("{round}.db"));
        let stores: Vec<_> = (0..40).map(|_| SqliteSubscriptions::new(&file)).collect();
        let opened = stores.iter().cloned().map(|store| {
            tokio::spawn(async move { store.open().await.map_err(|error| error.to_string()) })
        });
        for opened in opened.collect::<Vec<_>>() {
            opened.await.unwrap().unwrap();
        }
        let open = |fd: std::fs::DirEntry| {
            std::fs::read_link(fd.path()).is_ok_and(|target| target == file)
        };
        #[cfg(target_os = "linux")]
        assert_eq!(
            std::fs::read_dir("/proc/self/fd")
                .unwrap()
                .flatten()
                .map(open)
                .filter(|it| *it)
                .count(),
            1,
            "one connection for all"
        );
        drop(stores);
    }
}

#[tokio::test(start_paused = true)]
async fn components_share_file() {
    let folder = Folder::new("shared");
    let store = SqliteSubscriptions::open(folder.file()).unwrap();
    let state = Subscription {
        to: HalfState::None,
        from: HalfState::Subscribed,
    };
    for own in ["a.localhost", "b.localhost"] {
        put(
            &store,
            &pair(own, "alice@localhost"),
            state,
            &SubscriptionLimits::default(),
        )
        .await;
    }
    // Each component sends only from its own addresses, and skips those of the other.
    let roster = Roster::new(SqliteSubscriptions::new(folder.file()));
    let mut bot = testing::mount("b.localhost", |bot| {
        bot.router(Router::new()).module(roster)
    })
    .await;
    let alice = bot.user("alice@localhost");
    alice
        .recv_where(|stanza| stanza.kind().type_str().is_empty())
        .await
        .unwrap();
    bot.running().stop();
    bot.running().ended().await.unwrap();
    alice
        .expect("<presence type='unavailable' from='b.localhost'/>")
        .await;
    assert_eq!(alice.waiting(), 0);
}
