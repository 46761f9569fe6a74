//! Command sessions in PostgreSQL, shared by several processes on one JID.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use campanile::adhoc::{
    AcquireOutcome, BeginOutcome, Command, Commands, SessionKey, SessionLimits, SessionStore,
};
use campanile::component::{Component, Status};
use campanile::extract::State;
use campanile::form::{Definition, Field, Form};
use campanile::jid::Jid;
use campanile::router::Router;
use campanile_storage::command::PostgresSessions;
use campanile_storage::postgres::Database;
use campanile_tests::setup::SECRET;
use campanile_tests::{Ejabberd, Postgres, Server, Setup, wait};
use serde::Deserialize;

use crate::chaos::{USERS, Users};

const SHOP: &str = "shop.localhost";
const STEPS: &str = "[[0,[]]]";
const BOUNDS: SessionLimits = SessionLimits {
    all: 50,
    per_domain: 20,
    per_sender: 4,
    timeout: Duration::from_secs(600),
    lease: Duration::from_secs(60),
};

/// Returns a store with its own connection, as in another process.
fn store(server: &Postgres) -> PostgresSessions {
    PostgresSessions::new(Database::new(&server.address()).unwrap())
}

fn key(owner: &str) -> SessionKey {
    SessionKey {
        owner: owner.parse().unwrap(),
        recipient: SHOP.parse().unwrap(),
        node: "order".to_owned(),
    }
}

async fn begin(store: &PostgresSessions, id: &str, owner: &str) -> BeginOutcome {
    store.begin(id, &key(owner), STEPS, &BOUNDS).await.unwrap()
}

async fn take(store: &PostgresSessions, id: &str, owner: &str) -> AcquireOutcome {
    store.acquire(id, &key(owner), &BOUNDS).await.unwrap()
}

fn taken(turn: i64, state: &str) -> AcquireOutcome {
    AcquireOutcome::Acquired {
        turn,
        state: state.to_owned(),
    }
}

#[tokio::test]
async fn session_is_shared_between_processes() {
    const ALICE: &str = "alice@localhost/home";
    let server = Postgres::start().await;
    let one = store(&server);
    let other = store(&server);
    assert_eq!(begin(&one, "a", ALICE).await, BeginOutcome::Started);
    for (id, owner) in [
        ("b", ALICE),
        ("a", "alice@localhost/work"),
        ("a", "alice@localhost"),
    ] {
        assert_eq!(take(&other, id, owner).await, AcquireOutcome::Unknown);
    }
    let elsewhere = [
        SessionKey {
            recipient: "x@shop.localhost".parse().unwrap(),
            ..key(ALICE)
        },
        {
            SessionKey {
                node: "stop".to_owned(),
                ..key(ALICE)
            }
        },
    ];
    for key in elsewhere {
        assert_eq!(
            one.acquire("a", &key, &BOUNDS).await.unwrap(),
            AcquireOutcome::Unknown
        );
    }
    assert_eq!(take(&other, "a", ALICE).await, taken(1, STEPS));
    assert_eq!(take(&one, "a", ALICE).await, AcquireOutcome::Busy);
    assert!(
        !other.release("a", 7, Some("[]")).await.unwrap(),
        "the turn was never acquired"
    );
    assert!(other.release("a", 1, Some("[[1,[]]]")).await.unwrap());
    assert!(
        !other.release("a", 1, None).await.unwrap(),
        "the turn was already released"
    );
    assert_eq!(take(&one, "a", ALICE).await, taken(2, "[[1,[]]]"));
    assert!(one.release("a", 2, None).await.unwrap());
    for store in [&one, &other] {
        assert_eq!(take(store, "a", ALICE).await, AcquireOutcome::Ended);
    }
}

#[tokio::test]
async fn expired_lease_is_reacquired() {
    const ALICE: &str = "alice@localhost/home";
    let server = Postgres::start().await;
    let dead = store(&server);
    let living = store(&server);
    begin(&living, "a", ALICE).await;
    let short = SessionLimits {
        lease: Duration::from_millis(300),
        ..BOUNDS
    };
    assert_eq!(
        dead.acquire("a", &key(ALICE), &short).await.unwrap(),
        taken(1, STEPS)
    );
    let again = async || match take(&living, "a", ALICE).await {
        AcquireOutcome::Busy => None,
        other => Some(other),
    };
    assert_eq!(
        wait::until("the end of the lease", Duration::from_secs(10), again)
            .await
            .unwrap(),
        taken(2, STEPS)
    );
    assert!(
        !dead.release("a", 1, None).await.unwrap(),
        "another process holds the lease"
    );
    assert!(living.release("a", 2, Some(STEPS)).await.unwrap());

    // A session that waits too long expires.
    let short = SessionLimits {
        timeout: Duration::from_millis(300),
        ..BOUNDS
    };
    let over = async || match living.acquire("a", &key(ALICE), &short).await.unwrap() {
        AcquireOutcome::Acquired { turn, state } => {
            // Releases the lease without updating the session's age.
            let client = Database::new(&server.address())
                .unwrap()
                .connect()
                .await
                .unwrap();
            let back = "UPDATE campanile_command.session SET until = NULL";
            client.batch_execute(back).await.unwrap();
            assert_eq!(state, STEPS, "{turn}");
            None
        }
        other => Some(other),
    };
    assert_eq!(
        wait::until("the end of the session", Duration::from_secs(10), over)
            .await
            .unwrap(),
        AcquireOutcome::Ended
    );
}

/// Components that share a database may use different timeouts and limits.
#[tokio::test]
async fn components_have_separate_sessions() {
    const ALICE: &str = "alice@localhost/home";
    let server = Postgres::start().await;
    let store = store(&server);
    begin(&store, "a", ALICE).await;
    let hasty = SessionLimits {
        all: 1,
        timeout: Duration::ZERO,
        ..BOUNDS
    };
    for id in ["b", "c"] {
        let other = SessionKey {
            recipient: "bot@other.localhost".parse().unwrap(),
            ..key(ALICE)
        };
        assert_eq!(
            store.begin(id, &other, STEPS, &hasty).await.unwrap(),
            BeginOutcome::Started
        );
    }
    assert_eq!(take(&store, "a", ALICE).await, taken(1, STEPS));
}

/// Expired sessions do not count against a sender's limit of four: a new session ends the oldest
/// live one.
#[tokio::test]
async fn expired_sessions_do_not_count_against_sender() {
    const ALICE: &str = "alice@localhost/home";
    let server = Postgres::start().await;
    let store = store(&server);
    for id in ["old", "1", "2", "3", "4"] {
        assert_eq!(begin(&store, id, ALICE).await, BeginOutcome::Started);
        if id == "old" {
            let client = Database::new(&server.address())
                .unwrap()
                .connect()
                .await
                .unwrap();
            let aged =
                "UPDATE campanile_command.session SET touched = now() - interval '15 minutes'";
            client.batch_execute(aged).await.unwrap();
        }
    }
    // A session with a step in progress can be ended, too.
    assert_eq!(take(&store, "1", ALICE).await, taken(1, STEPS));
    assert_eq!(begin(&store, "5", ALICE).await, BeginOutcome::Started);
    assert_eq!(take(&store, "1", ALICE).await, AcquireOutcome::Ended);
    assert_eq!(take(&store, "old", ALICE).await, AcquireOutcome::Ended);
    for id in ["2", "3", "4", "5"] {
        assert_eq!(take(&store, id, ALICE).await, taken(1, STEPS));
    }
    assert!(
        !store.release("1", 1, Some(STEPS)).await.unwrap(),
        "the session has ended meanwhile"
    );
}

/// Four concurrent writers: limits hold, and ended sessions free capacity.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn session_limits_hold_across_processes() {
    let server = Postgres::start().await;
    let writers = (0..4).map(|process| {
        let store = store(&server);
        tokio::spawn(async move {
            let mut full = 0;
            for number in 0..100 {
                // One domain makes most attempts.
                let owner = format!(
                    "u{}@domain{}.org/r",
                    number % 12,
                    [0, 0, 0, 1, 2][number % 5]
                );
                let outcome = begin(&store, &format!("{process}-{number}"), &owner).await;
                full += usize::from(outcome == BeginOutcome::Full);
            }
            full
        })
    });
    let mut full = 0;
    for writer in writers.collect::<Vec<_>>() {
        full += writer.await.unwrap();
    }
    let client = Database::new(&server.address())
        .unwrap()
        .connect()
        .await
        .unwrap();
    let count = async |by: &str| {
        let most = format!(
            "SELECT coalesce(max(n), 0) FROM (SELECT count(*) n FROM campanile_command.session \
            WHERE state IS NOT NULL GROUP BY {by}) x"
        );
        client.query_one(&most, &[]).await.unwrap().get::<_, i64>(0)
    };
    assert_eq!((count("bare").await, count("domain").await), (4, 20));
    let all: i64 = client
        .query_one("SELECT count(*) FROM campanile_command.session", &[])
        .await
        .unwrap()
        .get(0);
    assert!(
        full > 0 && (40..=50).contains(&all),
        "{full} rejected, {all} stored"
    );

    // A fifth session of one sender ends its oldest one, which frees capacity.
    let sql = "SELECT bare, id FROM campanile_command.session s WHERE state IS NOT NULL \
        AND (SELECT count(*) FROM campanile_command.session o \
        WHERE o.bare = s.bare AND o.state IS NOT NULL) = 4 \
        ORDER BY bare, touched LIMIT 1";
    let row = client.query_one(sql, &[]).await.unwrap();
    let bare: String = row.get(0);
    let oldest: String = row.get(1);
    let store = store(&server);
    let new = format!("{bare}/r");
    assert_eq!(begin(&store, "new", &new).await, BeginOutcome::Started);
    let over = take(&store, &oldest, &new).await;
    assert!(
        matches!(over, AcquireOutcome::Ended | AcquireOutcome::Unknown),
        "{over:?}"
    );
    assert!(matches!(
        take(&store, "new", &new).await,
        AcquireOutcome::Acquired { .. }
    ));
}

#[tokio::test]
async fn session_store_recovers_from_outage() {
    const ALICE: &str = "alice@localhost/home";
    let mut server = Postgres::start().await;
    let store = store(&server);
    begin(&store, "a", ALICE).await;
    server.stop().await;
    let why = store
        .acquire("a", &key(ALICE), &BOUNDS)
        .await
        .unwrap_err()
        .to_string();
    assert!(why.starts_with("postgres://127.0.0.1/postgres: "), "{why}");
    server.start_again().await;
    let back = async || store.acquire("a", &key(ALICE), &BOUNDS).await.ok();
    assert_eq!(
        wait::until("the store", Duration::from_secs(10), back)
            .await
            .unwrap(),
        taken(1, STEPS)
    );
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

#[derive(Deserialize)]
struct Order {
    kind: String,
    size: String,
}

/// Number of steps handled by a process.
type Taken = Arc<AtomicUsize>;

/// Depends on the previous step.
async fn sizes(Form(Kind { kind }): Form<Kind>, State(taken): State<Taken>) -> Definition {
    taken.fetch_add(1, Ordering::Relaxed);
    Definition::new().field(
        Field::choice("size")
            .option("s", format!("a small {kind}"))
            .required(),
    )
}

async fn order(Form(order): Form<Order>, State(taken): State<Taken>) -> String {
    taken.fetch_add(1, Ordering::Relaxed);
    format!("{} {}", order.kind, order.size)
}

/// Starts one of two components and counts the steps it handles.
async fn process(server: &Server, postgres: &Postgres) -> Taken {
    let taken = Taken::default();
    let order = Command::new("order", "Order something", order)
        .form(Definition::of::<Kind>())
        .step(sizes);
    let commands = Commands::new().store(store(postgres)).add(order);
    let router = Router::new().adhoc(commands).with_state(Arc::clone(&taken));
    let builder = Component::builder(SHOP)
        .server(server.component_address())
        .secret(SECRET)
        .router(router);
    let component = builder.build().unwrap();
    let mut status = component.status();
    tokio::spawn(component.run());
    status.wait_for(Status::is_ready).await.unwrap();
    taken
}

/// ejabberd distributes the steps of a command at random.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn multi_step_command_spans_instances() {
    let server = Ejabberd::start(&Setup::new().component(SHOP).component(USERS)).await;
    let postgres = Postgres::start().await;
    let (_users, client) = Users::start(&server, USERS).await;
    let processes = [
        process(&server, &postgres).await,
        process(&server, &postgres).await,
    ];
    for number in 0..40 {
        let fill = |var: &str, value: String| {
            Some(
                Definition::new()
                    .submit(&HashMap::from([(var, value)]))
                    .unwrap(),
            )
        };
        let step = client
            .command(SHOP.parse::<Jid>().unwrap(), "order")
            .await
            .unwrap();
        let step = step
            .next(fill("kind", format!("hat {number}")))
            .await
            .unwrap();
        let form = step.form().unwrap();
        assert_eq!(
            form.fields[0].options[0].label.as_deref(),
            Some(format!("a small hat {number}").as_str())
        );
        let step = step.complete(fill("size", "s".to_owned())).await.unwrap();
        assert_eq!(step.answer().notes[0].text, format!("hat {number} s"));
    }
    let steps = processes.map(|taken| taken.load(Ordering::Relaxed));
    eprintln!("40 commands with two forms: {steps:?} steps handled by each process");
    assert!(steps.iter().all(|steps| *steps > 10), "{steps:?}");
}
