//! Ad-hoc commands with sessions shared by several processes: two components on one JID, each on a
//! server of its own here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use campanile::adhoc::{
    AcquireOutcome, BeginOutcome, Command, Commands, SessionKey, SessionLimits, SessionStore,
};
use campanile::error::{BoxError, Condition, ErrorType, StanzaError};
use campanile::extract::State;
use campanile::form::{Definition, Field, Form, FormError};
use campanile::router::Router;
use campanile_testing::Mounted;
use campanile_testing::host::User;
use serde::Deserialize;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// Stands for a database.
#[derive(Clone, Default)]
struct Shared {
    rows: Arc<Mutex<HashMap<String, Row>>>,
    fails: Arc<AtomicBool>,
}

struct Row {
    key: SessionKey,
    state: Option<String>,
    turn: i64,
    until: Option<Instant>,
}

impl Shared {
    fn reach(&self) -> Result<std::sync::MutexGuard<'_, HashMap<String, Row>>, BoxError> {
        if self.fails.load(Ordering::Relaxed) {
            Err("the disk is full".into())
        } else {
            Ok(self.rows.lock().unwrap())
        }
    }
}

#[async_trait]
impl SessionStore for Shared {
    async fn begin(
        &self,
        id: &str,
        key: &SessionKey,
        state: &str,
        bounds: &SessionLimits,
    ) -> Result<BeginOutcome, BoxError> {
        let mut rows = self.reach()?;
        if rows.len() >= bounds.all {
            return Ok(BeginOutcome::Full);
        }
        let row = Row {
            key: key.clone(),
            state: Some(state.to_owned()),
            turn: 0,
            until: None,
        };
        assert!(
            rows.insert(id.to_owned(), row).is_none(),
            "duplicate session id"
        );
        Ok(BeginOutcome::Started)
    }

    async fn acquire(
        &self,
        id: &str,
        key: &SessionKey,
        bounds: &SessionLimits,
    ) -> Result<AcquireOutcome, BoxError> {
        let mut rows = self.reach()?;
        let Some(row) = rows.get_mut(id).filter(|row| row.key == *key) else {
            return Ok(AcquireOutcome::Unknown);
        };
        let Some(state) = row.state.clone() else {
            return Ok(AcquireOutcome::Ended);
        };
        if row.until.is_some_and(|until| until > Instant::now()) {
            return Ok(AcquireOutcome::Busy);
        }
        row.turn += 1;
        row.until = Some(Instant::now() + bounds.lease);
        Ok(AcquireOutcome::Acquired {
            turn: row.turn,
            state,
        })
    }

    async fn release(&self, id: &str, turn: i64, state: Option<&str>) -> Result<bool, BoxError> {
        let mut rows = self.reach()?;
        let Some(row) = rows.get_mut(id).filter(|row| row.turn == turn) else {
            return Ok(false);
        };
        (row.state, row.until) = (state.map(str::to_owned), None);
        Ok(true)
    }
}

/// State of the command functions.
#[derive(Clone)]
struct Shop {
    open: Arc<AtomicBool>,
    /// Permits to carry out an order.
    hands: Arc<Semaphore>,
    /// Notified when an order waits for a permit.
    busy: Arc<Notify>,
    done: Arc<Mutex<Vec<String>>>,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            open: Arc::new(AtomicBool::new(true)),
            hands: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            busy: Arc::default(),
            done: Arc::default(),
        }
    }
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
}

#[derive(Deserialize)]
struct Order {
    kind: String,
    size: String,
    gift: bool,
}

/// Depends on the previous step.
async fn sizes(
    Form(Kind { kind }): Form<Kind>,
    State(shop): State<Shop>,
) -> Result<Option<Definition>, BoxError> {
    if kind == "nothing" {
        return Err(FormError::field("kind", "is sold out").into());
    }
    let sizes = Field::choice("size")
        .option("s", format!("a small {kind}"))
        .option("l", format!("a large {kind}"));
    Ok(shop.open.load(Ordering::Relaxed).then(|| {
        Definition::new()
            .title(format!("A {kind}"))
            .field(sizes.required())
    }))
}

async fn order(Form(order): Form<Order>, State(shop): State<Shop>) -> String {
    shop.busy.notify_one();
    let hand = shop.hands.acquire().await.unwrap();
    hand.forget();
    let done = format!("{} {} {}", order.kind, order.size, order.gift);
    shop.done.lock().unwrap().push(done.clone());
    done
}

#[derive(Deserialize)]
struct Gift {
    #[allow(
        dead_code,
        reason = "read by the last step, together with everything else"
    )]
    gift: bool,
}

/// One of several processes.
async fn process(store: &Shared, shop: &Shop) -> Mounted {
    let order = Command::new("order", "Order something", order)
        .form(Definition::of::<Kind>())
        .step(sizes)
        .form(Definition::of::<Gift>());
    let commands = Commands::new().limit(3).store(store.clone()).add(order);
    let router = Router::new().adhoc(commands).with_state(shop.clone());
    campanile_testing::mount("bot.localhost", |bot| bot.router(router)).await
}

fn request(attributes: &str, fields: &[(&str, &str)]) -> String {
    let fields = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"));
    let form = format!(
        "<x xmlns='jabber:x:data' type='submit'>{}</x>",
        fields.collect::<String>()
    );
    format!(
        "<iq type='set' to='bot.localhost'><command xmlns='http://jabber.org/protocol/commands' \
        node='order' {attributes}>{form}\
         </command></iq>"
    )
}

/// Sends a request; returns the session and the notes of the response.
async fn run(user: &User, attributes: &str, fields: &[(&str, &str)]) -> (String, String) {
    let request = request(attributes, fields);
    let answer = user.request(request.as_str()).await.unwrap();
    let payload = answer.children().first().unwrap();
    let session = payload
        .attribute("sessionid")
        .unwrap_or_default()
        .into_owned();
    let words = match answer.kind().is_error() {
        true => {
            let error = StanzaError::from_stanza(&answer);
            let application = error
                .application()
                .map(|child| child.name().to_owned())
                .unwrap_or_default();
            format!("{:?} {application}", error.condition())
        }
        false => payload.as_str().to_owned(),
    };
    (session, words)
}

async fn begin(user: &User) -> String {
    let (session, words) = run(user, "", &[]).await;
    assert!(words.contains("var='kind'"), "{words}");
    format!("sessionid='{session}'")
}

#[tokio::test]
async fn command_continues_in_any_process() {
    let store = Shared::default();
    let shop = Shop::default();
    let processes = [process(&store, &shop).await, process(&store, &shop).await];
    let [one, other] = processes
        .each_ref()
        .map(|process| process.user("alice@localhost"));
    let session = begin(&one).await;
    let (_, words) = run(&other, &session, &[("kind", "hat")]).await;
    assert!(
        words.contains("A hat") && words.contains("a small hat") && words.contains("<prev/>"),
        "{words}"
    );
    // A form error is reported by any process, and the step can be submitted again to another one.
    let (_, words) = run(&one, &session, &[("size", "xl")]).await;
    assert_eq!(words, "BadRequest bad-payload");
    // The first step still contains the submitted values.
    let (_, words) = run(&one, &format!("{session} action='prev'"), &[]).await;
    assert!(
        words.contains("var='kind'") && words.contains("<value>hat</value>"),
        "{words}"
    );
    let (_, words) = run(&one, &session, &[("kind", "nothing")]).await;
    assert_eq!(words, "BadRequest bad-payload");
    let (_, words) = run(&other, &session, &[("kind", "cap")]).await;
    assert!(words.contains("a large cap"), "{words}");
    let (_, words) = run(&one, &session, &[("size", "l")]).await;
    assert!(words.contains("var='gift'"), "{words}");
    let (_, words) = run(&other, &session, &[("gift", "1")]).await;
    assert!(
        words.contains("status='completed'") && words.contains("cap l true"),
        "{words}"
    );
    for process in [&one, &other] {
        assert_eq!(
            run(process, &session, &[("gift", "1")]).await.1,
            "NotAllowed session-expired"
        );
    }
    assert_eq!(*shop.done.lock().unwrap(), ["cap l true"]);
    assert!(
        store
            .rows
            .lock()
            .unwrap()
            .values()
            .all(|row| row.state.is_none())
    );
}

#[tokio::test]
async fn session_belongs_to_its_creator_until_canceled() {
    let store = Shared::default();
    let shop = Shop::default();
    let here = process(&store, &shop).await;
    let there = process(&store, &shop).await;
    let session = begin(&here.user("alice@localhost")).await;
    let (_, words) = run(
        &there.user("mallory@localhost"),
        &session,
        &[("kind", "hat")],
    )
    .await;
    assert_eq!(words, "BadRequest bad-sessionid");
    let alice = there.user("alice@localhost");
    assert!(
        run(&alice, &format!("{session} action='cancel'"), &[])
            .await
            .1
            .contains("status='canceled'")
    );
    assert_eq!(
        run(&here.user("alice@localhost"), &session, &[]).await.1,
        "NotAllowed session-expired"
    );
}

#[tokio::test(start_paused = true)]
async fn step_is_leased_and_retried_after_its_process_is_gone() {
    let store = Shared::default();
    let shop = Shop::default();
    let deadly = Shop {
        hands: Arc::new(Semaphore::new(0)),
        ..Shop::default()
    };
    let dying = process(&store, &deadly).await;
    let living = process(&store, &shop).await;
    let alice = living.user("alice@localhost");
    let session = begin(&alice).await;
    for fields in [[("kind", "hat")], [("size", "s")]] {
        run(&alice, &session, &fields).await;
    }
    // One process crashes in the middle of the last step.
    let sent = request(&session, &[("gift", "0")]).replace("<iq ", "<iq id='1' ");
    dying
        .user("alice@localhost")
        .send(sent.as_str())
        .await
        .unwrap();
    deadly.busy.notified().await;
    assert_eq!(
        run(&alice, &session, &[("gift", "0")]).await.1,
        "BadRequest bad-action"
    );
    drop(dying);
    let began = Instant::now();
    while run(&alice, &session, &[("gift", "0")]).await.1 == "BadRequest bad-action" {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(
        (59..=61).contains(&began.elapsed().as_secs()),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(*shop.done.lock().unwrap(), ["hat s false"]);
    assert!(deadly.done.lock().unwrap().is_empty());
}

#[tokio::test]
async fn removed_step_ends_the_session() {
    let store = Shared::default();
    let shop = Shop::default();
    let bot = process(&store, &shop).await;
    let alice = bot.user("alice@localhost");
    let session = begin(&alice).await;
    run(&alice, &session, &[("kind", "hat")]).await;
    shop.open.store(false, Ordering::Relaxed);
    for _ in 0..2 {
        assert_eq!(
            run(&alice, &session, &[("size", "s")]).await.1,
            "NotAllowed session-expired"
        );
    }
}

#[tokio::test]
async fn full_or_failing_store_is_reported_and_counted() {
    let store = Shared::default();
    let shop = Shop::default();
    let bot = process(&store, &shop).await;
    let alice = bot.user("alice@localhost");
    let session = begin(&alice).await;
    begin(&alice).await;
    begin(&alice).await;
    assert_eq!(run(&alice, "", &[]).await.1, "ResourceConstraint ");
    assert_eq!(bot.counters().sessions_refused, 1);

    store.fails.store(true, Ordering::Relaxed);
    for attributes in ["", &session] {
        let error = StanzaError::from_stanza(
            &alice
                .request(request(attributes, &[]).as_str())
                .await
                .unwrap(),
        );
        assert_eq!(
            (error.condition(), error.error_type()),
            (Condition::ResourceConstraint, ErrorType::Wait)
        );
    }
    store.fails.store(false, Ordering::Relaxed);
    assert!(
        run(&alice, &session, &[("kind", "hat")])
            .await
            .1
            .contains("A hat")
    );
}
