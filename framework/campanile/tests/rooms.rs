//! Rooms as a participant, with a small room service beside the component.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use campanile::extract::Body;
use campanile::extract::Sender;
use campanile::muc::{
    History, JoinError, Occupant, Removal, Room, RoomChange, RoomChanges, RoomError, RoomMessage,
    RoomState,
};
use campanile::payload::{Affiliation, Role, status};
use campanile::router::{Filter, Router};
use campanile_testing::host::User;
use campanile_testing::rooms::RoomService;
use campanile_testing::{Mounted, Running, mount};
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep, timeout};

const HALL: &str = "hall@rooms.localhost";
const MINUTE: Duration = Duration::from_secs(60);

/// A component, a room service on the same host, and what the component's handler has seen.
struct Scene {
    bot: Mounted,
    service: RoomService,
    _running: Running,
    seen: mpsc::UnboundedReceiver<String>,
}

impl Scene {
    async fn new() -> Self {
        let (tell, seen) = mpsc::unbounded_channel();
        let bot = mount("bot.localhost", |bot| {
            let handler = move |Sender(from): Sender, body: Option<Body>| {
                let tell = tell.clone();
                async move {
                    if let Some(Body(text)) = body {
                        let nick = from.resource().map(|nick| nick.to_string());
                        tell.send(format!("{}: {text}", nick.unwrap_or_default()))
                            .unwrap();
                    }
                }
            };
            bot.router(Router::new().on(Filter::message(), handler))
        })
        .await;
        let service = RoomService::new();
        let running = service.mount(bot.host(), "rooms.localhost").await;
        Self {
            bot,
            service,
            _running: running,
            seen,
        }
    }

    async fn join(&self) -> Room {
        self.bot.client().join(HALL, "bot").await.unwrap()
    }

    /// A person who enters the room.
    async fn person(&self, name: &str) -> User {
        let user = self.bot.user(&format!("{name}@localhost/desk"));
        let enter = format!(
            "<presence to='{HALL}/{name}'><x xmlns='http://jabber.org/protocol/muc'/></presence>"
        );
        user.send(enter.as_str()).await.unwrap();
        user.recv_where(|stanza| stanza.to_xml().contains("<subject"))
            .await
            .unwrap();
        user
    }

    async fn next_seen(&mut self) -> String {
        timeout(MINUTE, self.seen.recv()).await.unwrap().unwrap()
    }
}

async fn speak(person: &User, text: &str) {
    let message = format!("<message type='groupchat' to='{HALL}'><body>{text}</body></message>");
    person.send(message.as_str()).await.unwrap();
}

/// Waits for a state of the room.
async fn until(room: &Room, wanted: impl Fn(&RoomState) -> bool) {
    let mut changes = room.changes();
    let reached = async {
        while !wanted(&room.state()) {
            changes.next().await.unwrap();
        }
    };
    timeout(60 * MINUTE, reached).await.unwrap();
}

/// Waits until the room was lost and entered again, as told from the time of subscription.
async fn again(changes: &mut RoomChanges) {
    let mut is_lost = false;
    let entered = async {
        loop {
            match changes.next().await.unwrap() {
                RoomChange::State(RoomState::Joining) => is_lost = true,
                RoomChange::State(RoomState::Joined) if is_lost => return,
                RoomChange::State(RoomState::Removed(why)) => panic!("{why}"),
                _ => {}
            }
        }
    };
    timeout(60 * MINUTE, entered).await.unwrap();
}

fn is_joined(state: &RoomState) -> bool {
    matches!(state, RoomState::Joined)
}

#[tokio::test(start_paused = true)]
async fn own_messages_reach_the_caller_and_no_handler() {
    let mut scene = Scene::new().await;
    let alice = scene.person("alice").await;
    let room = scene.join().await;
    assert_eq!(room.role(), Role::Participant);
    let mut nicks: Vec<_> = room.occupants().into_iter().map(|one| one.nick).collect();
    nicks.sort();
    assert_eq!(nicks, ["alice", "bot"]);
    room.say("hello").await.unwrap();
    let heard = alice
        .recv_where(|stanza| stanza.to_xml().contains("hello"))
        .await
        .unwrap();
    assert_eq!(heard.from().unwrap().as_str(), format!("{HALL}/bot"));
    speak(&alice, "hello bot").await;
    assert_eq!(scene.next_seen().await, "alice: hello bot");
    assert!(scene.seen.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn reflections_are_handled_on_request() {
    let mut scene = Scene::new().await;
    let join = scene.bot.client().join(HALL, "bot").reflections();
    let room = join.await.unwrap();
    room.say("hello").await.unwrap();
    assert_eq!(scene.next_seen().await, "bot: hello");
}

#[tokio::test(start_paused = true)]
async fn each_refusal_is_an_error_of_its_own() {
    let scene = Scene::new().await;
    let client = scene.bot.client();
    let _alice = scene.person("alice").await;
    let service = &scene.service;
    let error = client.join(HALL, "alice").await.unwrap_err();
    assert!(matches!(error, JoinError::NickTaken(_)), "{error}");
    service.set_password("vault@rooms.localhost", "sesame");
    let error = client
        .join("vault@rooms.localhost", "bot")
        .await
        .unwrap_err();
    assert!(matches!(error, JoinError::Password(_)), "{error}");
    let vault = client
        .join("vault@rooms.localhost", "bot")
        .password("sesame");
    vault.await.unwrap();
    service.set_members_only("club@rooms.localhost");
    let error = client
        .join("club@rooms.localhost", "bot")
        .await
        .unwrap_err();
    assert!(matches!(error, JoinError::MembersOnly(_)), "{error}");
    service.set_affiliation("bar@rooms.localhost", "bot.localhost", Affiliation::Outcast);
    let error = client.join("bar@rooms.localhost", "bot").await.unwrap_err();
    assert!(matches!(error, JoinError::Banned(_)), "{error}");
    service.set_most("cell@rooms.localhost", 0);
    let error = client
        .join("cell@rooms.localhost", "bot")
        .await
        .unwrap_err();
    assert!(matches!(error, JoinError::Full(_)), "{error}");
    let error = client.join("hall@nowhere.localhost", "bot").await;
    let error = error.unwrap_err();
    assert!(matches!(error, JoinError::Unreachable(_)), "{error}");
    let error = client.join("@", "bot").await.unwrap_err();
    assert!(matches!(error, JoinError::Address(_)), "{error}");
    let error = client.join(HALL, "").await.unwrap_err();
    assert!(matches!(error, JoinError::Address(_)), "{error}");
    assert_eq!(client.rooms().len(), 1, "only the vault was entered");
}

#[tokio::test(start_paused = true)]
async fn same_address_enters_once() {
    let scene = Scene::new().await;
    let room = scene.join().await;
    let error = scene.bot.client().join(HALL, "other").await.unwrap_err();
    assert!(matches!(error, JoinError::AlreadyJoined), "{error}");
    room.leave().await.unwrap();
    assert!(scene.service.occupants(HALL).is_empty());
    assert!(scene.bot.client().rooms().is_empty());
    scene.join().await;
}

#[tokio::test(start_paused = true)]
async fn other_nicks_are_tried_on_request() {
    let scene = Scene::new().await;
    let _bot = scene.person("bot").await;
    let _other = scene.person("bot_").await;
    let join = scene.bot.client().join(HALL, "bot").other_nicks();
    assert_eq!(join.await.unwrap().nick(), "bot__");
}

#[tokio::test(start_paused = true)]
async fn service_without_an_answer_times_out_and_is_left() {
    let scene = Scene::new().await;
    let silent = scene.bot.user("room@localhost/bot");
    let join = scene.bot.client().join("room@localhost", "bot");
    let error = join.await.unwrap_err();
    assert!(matches!(error, JoinError::Timeout), "{error}");
    silent
        .expect("<presence><x xmlns='http://jabber.org/protocol/muc'><history maxchars='0'/></x></presence>")
        .await;
    silent.expect("<presence type='unavailable'/>").await;
    assert!(scene.bot.client().rooms().is_empty());
}

#[tokio::test(start_paused = true)]
async fn removals_are_reported_and_final() {
    let scene = Scene::new().await;
    let room = scene.join().await;
    scene.service.kick(HALL, "bot", "spam").await;
    until(&room, |state| matches!(state, RoomState::Removed(_))).await;
    match room.state() {
        RoomState::Removed(Removal::Kicked(moderation)) => {
            assert_eq!(moderation.reason.as_deref(), Some("spam"));
        }
        other => panic!("{other:?}"),
    }
    sleep(20 * MINUTE).await;
    assert!(scene.service.occupants(HALL).is_empty());

    let room = scene.join().await;
    scene.service.ban(HALL, "bot", "enough").await;
    until(&room, |state| {
        matches!(state, RoomState::Removed(Removal::Banned(_)))
    })
    .await;

    let room = scene.bot.client().join("old@rooms.localhost", "bot");
    let room = room.await.unwrap();
    let service = &scene.service;
    service
        .destroy("old@rooms.localhost", "new@rooms.localhost", "moved")
        .await;
    until(&room, |state| matches!(state, RoomState::Removed(_))).await;
    match room.state() {
        RoomState::Removed(Removal::Destroyed { next, .. }) => {
            assert_eq!(next.unwrap().as_str(), "new@rooms.localhost");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn component_enters_again_after_every_loss() {
    let scene = Scene::new().await;
    let room = scene.join().await;
    let mut changes = room.changes();
    scene.service.shut_down().await;
    again(&mut changes).await;
    assert_eq!(scene.service.occupants(HALL), ["bot"]);

    for statuses in [&[status::ERROR][..], &[status::KICKED, status::ERROR], &[]] {
        scene.service.remove(HALL, "bot", statuses, None).await;
        again(&mut changes).await;
    }

    // Without a word: the component finds out by itself.
    scene.service.forget();
    again(&mut changes).await;
    assert_eq!(scene.service.occupants(HALL), ["bot"]);

    // Or by its own message.
    scene.service.forget();
    let error = room.say("hello").await.unwrap_err();
    assert!(matches!(error, RoomError::Refused(_)), "{error}");
    again(&mut changes).await;
    room.say("hello").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn messages_are_handled_once_across_reconnects() {
    let mut scene = Scene::new().await;
    let alice = scene.person("alice").await;
    let room = scene.join().await;
    for round in 0..5 {
        speak(&alice, &format!("before {round}")).await;
        assert_eq!(scene.next_seen().await, format!("alice: before {round}"));
        scene.bot.wire().cut();
        speak(&alice, &format!("while away {round}")).await;
        scene.bot.mounted().await;
        assert_eq!(
            scene.next_seen().await,
            format!("alice: while away {round}")
        );
        until(&room, is_joined).await;
        sleep(MINUTE).await;
        assert!(scene.seen.try_recv().is_err(), "{round}");
    }
}

#[tokio::test(start_paused = true)]
async fn history_is_sent_as_asked_for() {
    let mut scene = Scene::new().await;
    let alice = scene.person("alice").await;
    for n in 0..5 {
        speak(&alice, &format!("{n}")).await;
    }
    let room = scene.join().await;
    speak(&alice, "now").await;
    assert_eq!(scene.next_seen().await, "alice: now");
    room.leave().await.unwrap();
    let join = scene.bot.client().join(HALL, "bot");
    let _room = join.history(History::Last(2)).await.unwrap();
    assert_eq!(scene.next_seen().await, "alice: 4");
    assert_eq!(scene.next_seen().await, "alice: now");
}

#[tokio::test(start_paused = true)]
async fn nick_subject_and_whispers() {
    let mut scene = Scene::new().await;
    let alice = scene.person("alice").await;
    let room = scene.join().await;
    room.change_nick("robot").await.unwrap();
    assert_eq!(room.nick(), "robot");
    let error = room.change_nick("alice").await.unwrap_err();
    assert!(matches!(error, RoomError::Refused(_)), "{error}");
    assert_eq!(room.nick(), "robot");
    room.set_subject("robots only").await.unwrap();
    assert_eq!(room.subject().as_deref(), Some("robots only"));
    room.whisper("alice", "psst").await.unwrap();
    let heard = alice
        .recv_where(|stanza| stanza.to_xml().contains("psst"))
        .await
        .unwrap();
    assert!(heard.to_xml().contains("type='chat'"));
    let whisper = format!("<message type='chat' to='{HALL}/robot'><body>yes?</body></message>");
    alice.send(whisper.as_str()).await.unwrap();
    assert_eq!(scene.next_seen().await, "alice: yes?");
}

#[tokio::test(start_paused = true)]
async fn changes_of_others_are_reported() {
    let scene = Scene::new().await;
    let room = scene.join().await;
    let mut changes = room.changes();
    let alice = scene.person("alice").await;
    assert!(matches!(
        changes.next().await,
        Some(RoomChange::Entered(who)) if who.nick == "alice" && who.id.is_some()
    ));
    let rename = format!("<presence to='{HALL}/alicia'/>");
    alice.send(rename.as_str()).await.unwrap();
    assert!(matches!(
        changes.next().await,
        Some(RoomChange::Renamed { to, .. }) if to == "alicia"
    ));
    scene.service.kick(HALL, "alicia", "bye").await;
    assert!(matches!(
        changes.next().await,
        Some(RoomChange::Left {
            removal: Some(Removal::Kicked(_)),
            ..
        })
    ));
}

#[tokio::test(start_paused = true)]
async fn address_that_only_speaks_hears_nothing() {
    let mut scene = Scene::new().await;
    let alice = scene.person("alice").await;
    let client = scene.bot.client();
    let reader = scene.join().await;
    let mut puppets = Vec::new();
    for n in 0..50 {
        let own: jid::Jid = format!("user{n}@bot.localhost").parse().unwrap();
        let join = client.join(HALL, format!("user{n}"));
        puppets.push(join.with_address(own).only_speaks().await.unwrap());
    }
    speak(&alice, "hello all").await;
    assert_eq!(scene.next_seen().await, "alice: hello all");
    puppets[7].say("hello alice").await.unwrap();
    assert_eq!(scene.next_seen().await, "user7: hello alice");
    sleep(MINUTE).await;
    assert!(scene.seen.try_recv().is_err(), "one address reads");
    assert_eq!(puppets[7].occupants().len(), 1);
    scene.service.shut_down().await;
    for puppet in &puppets {
        until(puppet, is_joined).await;
    }
    until(&reader, is_joined).await;
    assert_eq!(scene.service.occupants(HALL).len(), 51);
}

#[tokio::test(start_paused = true)]
async fn hundreds_of_rooms_are_entered_again() {
    let scene = Scene::new().await;
    let client = scene.bot.client();
    let mut rooms = Vec::new();
    for n in 0..200 {
        let room = client.join(format!("room{n}@rooms.localhost"), "bot");
        rooms.push(room.await.unwrap());
    }
    let mut changes: Vec<_> = rooms.iter().map(Room::changes).collect();
    scene.bot.wire().cut();
    for changes in &mut changes {
        again(changes).await;
    }
    scene.service.forget();
    for changes in &mut changes {
        again(changes).await;
    }
}

#[tokio::test(start_paused = true)]
async fn component_leaves_its_rooms_when_it_stops() {
    let mut scene = Scene::new().await;
    let room = scene.join().await;
    scene.bot.running().stop();
    scene.bot.running().ended().await.unwrap();
    assert!(scene.service.occupants(HALL).is_empty());
    assert!(matches!(room.state(), RoomState::Removed(Removal::Left)));
    assert!(matches!(room.say("x").await, Err(RoomError::Send(_))));
}

#[tokio::test(start_paused = true)]
async fn room_that_refuses_for_a_while_does_not_delay_the_others() {
    let scene = Scene::new().await;
    let room = scene.join().await;
    let other = scene.bot.client().join("other@rooms.localhost", "bot");
    let other = other.await.unwrap();
    let mut changes = other.changes();
    scene.service.set_most(HALL, 0);
    scene.service.shut_down().await;
    again(&mut changes).await;
    sleep(5 * MINUTE).await;
    assert!(!is_joined(&room.state()));
    scene.service.shut_down().await;
    let started = Instant::now();
    again(&mut changes).await;
    assert!(started.elapsed() < Duration::from_secs(1));
    scene.service.set_most(HALL, 10);
    until(&room, is_joined).await;
}

#[tokio::test(start_paused = true)]
async fn messages_tell_how_they_concern_the_component() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let bot = mount("bot.localhost", |bot| {
        let handler = move |message: Option<RoomMessage>, occupant: Option<Occupant>| {
            // The test may have ended.
            let _ = tell.send((message, occupant));
            async {}
        };
        bot.router(Router::new().on(Filter::message(), handler))
    })
    .await;
    let service = RoomService::new();
    let _running = service.mount(bot.host(), "rooms.localhost").await;
    let alice = bot.user("alice@localhost/desk");
    let enter = format!("<presence to='{HALL}/alice'/>");
    alice.send(enter.as_str()).await.unwrap();
    speak(&alice, "before").await;
    let room = bot.client().join(HALL, "bot").history(History::Last(9));
    let room = room.await.unwrap();
    let mut next = async || {
        loop {
            let (message, occupant) = told.recv().await.unwrap();
            // Not the subject.
            if message.as_ref().is_none_or(|it| !it.body.is_empty()) {
                return (message, occupant);
            }
        }
    };
    let (message, occupant) = next().await;
    assert!(message.unwrap().is_history);
    assert_eq!(occupant.unwrap().role, Role::Participant);
    speak(&alice, "Bot: what is this?").await;
    let (message, _) = next().await;
    let message = message.unwrap();
    assert!(!message.is_history && !message.is_own);
    assert_eq!(message.addressed(), Some("what is this?"));
    assert_eq!(message.room.jid(), room.jid());
    speak(&alice, "ask the bot").await;
    let (message, _) = next().await;
    let message = message.unwrap();
    assert_eq!(message.addressed(), None);
    assert!(message.mentions_component());
    alice.say("bot.localhost", "outside").await.unwrap();
    let (message, occupant) = next().await;
    assert!(message.is_none() && occupant.is_none());
}
