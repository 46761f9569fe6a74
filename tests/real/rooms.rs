//! A component in the rooms of real servers, beside people with slixmpp: every refusal, removal and
//! change, and restarts of the server.

use std::time::Duration;

use campanile::client::Client;
use campanile::component::Component;
use campanile::limits::Limits;
use campanile::muc::{
    JoinError, Removal, Room, RoomChange, RoomChanges, RoomError, RoomMessage, RoomState,
};
use campanile::payload::{Affiliation, Role};
use campanile::router::{Filter, Router};
use campanile_tests::clients::SlixmppClient;
use campanile_tests::setup::SECRET;
use campanile_tests::{Server, Setup, on_both};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use xmpp_parsers::jid::BareJid;

const JID: &str = "bot.localhost";
const HALL: &str = "hall@rooms.localhost";
const OWNER: &str = "http://jabber.org/protocol/muc#owner";
const ADMIN: &str = "http://jabber.org/protocol/muc#admin";
const WAIT: Duration = Duration::from_secs(60);
/// The number of restarts of the server.
const RESTARTS: usize = 4;

/// A component that passes on what is said in rooms.
struct Bot {
    client: Client,
    heard: mpsc::UnboundedReceiver<RoomMessage>,
    running: JoinHandle<()>,
}

impl Bot {
    async fn start(server: &Server) -> Self {
        let (tell, heard) = mpsc::unbounded_channel();
        let listen = move |message: RoomMessage| {
            // The test may have ended.
            let _ = tell.send(message);
            async {}
        };
        let mut limits = Limits::default();
        limits.back_off = (Duration::from_millis(50), Duration::from_millis(300));
        limits.slow_retry = limits.back_off;
        let component = Component::builder(JID)
            .server(server.component_address())
            .secret(SECRET)
            .limits(limits)
            .router(Router::new().on(Filter::message(), listen))
            .build()
            .unwrap();
        let client = component.client();
        let running = tokio::spawn(async move { component.run().await.unwrap() });
        Self {
            client,
            heard,
            running,
        }
    }

    async fn join(&self) -> Room {
        self.client.join(HALL, "bot").await.unwrap()
    }

    /// Waits for the next message with a text.
    async fn hears(&mut self) -> RoomMessage {
        loop {
            let message = timeout(WAIT, self.heard.recv()).await.unwrap().unwrap();
            if !message.body.is_empty() {
                return message;
            }
        }
    }
}

impl Drop for Bot {
    fn drop(&mut self) {
        self.running.abort();
    }
}

/// A person who enters the room, and owns it if it is the first.
async fn person(server: &Server, name: &str) -> SlixmppClient {
    let mut person = SlixmppClient::login(server, name).await;
    enter(&mut person, name).await;
    person
}

async fn enter(person: &mut SlixmppClient, nick: &str) {
    let own = format!("{HALL}/{nick}");
    let muc = "<x xmlns='http://jabber.org/protocol/muc'/>";
    person.presence(Some(&own), None, muc).await;
    let inside = |received: &campanile_tests::received::Received| {
        received.is("presence") && received.attr("from") == own
    };
    person.next("its own presence", inside).await;
}

async fn speak(person: &mut SlixmppClient, text: &str) {
    person.message_with(HALL, "groupchat", Some(text), "").await;
}

/// Sets the configuration of the room, as its owner.
async fn configure(owner: &mut SlixmppClient, fields: &[(&str, &str)]) {
    let field = |(name, value): &(&str, &str)| {
        format!("<field var='muc#roomconfig_{name}'><value>{value}</value></field>")
    };
    let fields: String = fields.iter().map(field).collect();
    let form = format!(
        "<query xmlns='{OWNER}'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' \
         type='hidden'><value>http://jabber.org/protocol/muc#roomconfig</value></field>{fields}\
         </x></query>"
    );
    let answer = owner.iq("set", HALL, &form).await.unwrap();
    assert_eq!(answer.attr("type"), "result", "{}", answer.xml);
}

/// Changes a role or an affiliation, as a moderator.
async fn moderate(moderator: &mut SlixmppClient, item: &str) {
    let query = format!("<query xmlns='{ADMIN}'>{item}</query>");
    let answer = moderator.iq("set", HALL, &query).await.unwrap();
    assert_eq!(answer.attr("type"), "result", "{}", answer.xml);
}

async fn refusal(bot: &Bot) -> JoinError {
    bot.client.join(HALL, "bot").await.unwrap_err()
}

/// Waits for the end of the visit.
async fn removal(room: &Room) -> Removal {
    let mut changes = room.changes();
    let removed = async {
        loop {
            if let RoomState::Removed(removal) = room.state() {
                return removal;
            }
            changes.next().await.unwrap();
        }
    };
    timeout(WAIT, removed).await.unwrap()
}

async fn next_change(changes: &mut RoomChanges, wanted: impl Fn(&RoomChange) -> bool) {
    let found = async { while !wanted(&changes.next().await.unwrap()) {} };
    timeout(WAIT, found).await.unwrap();
}

async fn each_refusal_is_an_error_of_its_own(server: Server) {
    let bot = Bot::start(&server).await;
    let mut alice = person(&server, "alice").await;
    let error = bot.client.join(HALL, "alice").await.unwrap_err();
    assert!(matches!(error, JoinError::NickTaken(_)), "{error}");

    configure(
        &mut alice,
        &[("passwordprotectedroom", "1"), ("roomsecret", "sesame")],
    )
    .await;
    let error = refusal(&bot).await;
    assert!(matches!(error, JoinError::Password(_)), "{error}");
    let wrong = bot.client.join(HALL, "bot").password("open").await;
    let error = wrong.unwrap_err();
    assert!(matches!(error, JoinError::Password(_)), "{error}");
    let room = bot.client.join(HALL, "bot").password("sesame").await;
    room.unwrap().leave().await.unwrap();
    configure(
        &mut alice,
        &[("passwordprotectedroom", "0"), ("roomsecret", "")],
    )
    .await;

    configure(&mut alice, &[("membersonly", "1")]).await;
    let error = refusal(&bot).await;
    assert!(matches!(error, JoinError::MembersOnly(_)), "{error}");
    configure(&mut alice, &[("membersonly", "0")]).await;

    moderate(
        &mut alice,
        &format!("<item affiliation='outcast' jid='{JID}'/>"),
    )
    .await;
    let error = refusal(&bot).await;
    assert!(matches!(error, JoinError::Banned(_)), "{error}");
    moderate(
        &mut alice,
        &format!("<item affiliation='none' jid='{JID}'/>"),
    )
    .await;

    // What a server says that has no federation, each in other words.
    let join = bot.client.join("hall@nowhere.invalid", "bot");
    join.await.unwrap_err();
    bot.join().await;
}
on_both!(
    each_refusal_is_an_error_of_its_own,
    Setup::new().component(JID)
);

async fn actions_of_people_are_reported(server: Server) {
    let mut bot = Bot::start(&server).await;
    let mut alice = person(&server, "alice").await;
    let room = bot.join().await;
    let mut changes = room.changes();
    assert_eq!(room.role(), Role::Participant);
    let owner = room.occupant("alice").unwrap();
    assert_eq!(owner.affiliation, Affiliation::Owner);

    room.say("hello").await.unwrap();
    let heard = alice.message_from(&format!("{HALL}/bot")).await;
    assert_eq!(heard.body().as_deref(), Some("hello"));
    speak(&mut alice, "bot: ping").await;
    let message = bot.hears().await;
    assert_eq!(message.nick, "alice");
    assert_eq!(message.addressed(), Some("ping"));
    assert!(!message.is_own && !message.is_history);

    configure(&mut alice, &[("changesubject", "0")]).await;
    let error = room.set_subject("bots").await.unwrap_err();
    assert!(matches!(error, RoomError::Refused(_)), "{error}");
    let subject =
        format!("<message type='groupchat' to='{HALL}'><subject>people</subject></message>");
    alice.raw(&subject).await;
    next_change(
        &mut changes,
        |change| matches!(change, RoomChange::Subject { text, .. } if text == "people"),
    )
    .await;

    room.change_nick("robot").await.unwrap();
    assert_eq!(room.nick(), "robot");
    room.change_nick("alice").await.unwrap_err();
    assert_eq!(room.nick(), "robot");

    room.whisper("alice", "psst").await.unwrap();
    let heard = alice.message_from(&format!("{HALL}/robot")).await;
    assert_eq!(heard.attr("type"), "chat");

    let bob: BareJid = "bob@localhost".parse().unwrap();
    let mut invited = SlixmppClient::login(&server, "bob").await;
    invited.presence(None, None, "").await;
    invited
        .next("its own presence", |it| it.is("presence"))
        .await;
    room.invite_directly(&bob.clone().into(), Some("come"))
        .await
        .unwrap();
    let invitation = invited.next("an invitation", |it| {
        it.child("x", "jabber:x:conference").is_some()
    });
    assert_eq!(
        invitation
            .await
            .child("x", "jabber:x:conference")
            .unwrap()
            .attr("jid"),
        Some(HALL)
    );

    moderate(
        &mut alice,
        "<item role='none' nick='robot'><reason>spam</reason></item>",
    )
    .await;
    match removal(&room).await {
        Removal::Kicked(moderation) => assert_eq!(moderation.reason.as_deref(), Some("spam")),
        other => panic!("{other:?}"),
    }
    let room = bot.join().await;
    moderate(
        &mut alice,
        &format!("<item affiliation='outcast' jid='{JID}'/>"),
    )
    .await;
    assert!(matches!(removal(&room).await, Removal::Banned(_)));
    moderate(
        &mut alice,
        &format!("<item affiliation='admin' jid='{JID}'/>"),
    )
    .await;

    let room = bot.join().await;
    assert!(matches!(room.role(), Role::Moderator));
    enter(&mut invited, "bob").await;
    room.kick("bob", Some("out")).await.unwrap();
    invited
        .next("the kick", |it| {
            it.xml.contains("code='307'") || it.xml.contains("code=\"307\"")
        })
        .await;
    room.kick("alice", None).await.unwrap_err();
    let destroy = format!(
        "<query xmlns='{OWNER}'><destroy jid='new@rooms.localhost'><reason>moved</reason>\
         </destroy></query>"
    );
    alice.iq("set", HALL, &destroy).await.unwrap();
    match removal(&room).await {
        Removal::Destroyed { next, .. } => {
            assert_eq!(next.unwrap().as_str(), "new@rooms.localhost");
        }
        other => panic!("{other:?}"),
    }
}
on_both!(actions_of_people_are_reported, Setup::new().component(JID));

async fn component_is_back_after_every_restart(mut server: Server) {
    let mut bot = Bot::start(&server).await;
    let room = bot.join().await;
    for round in 0..RESTARTS {
        let mut changes = room.changes();
        if round % 2 == 0 {
            server.kill();
        } else {
            server.stop().await;
        }
        server.start_again().await;
        next_change(&mut changes, |change| {
            matches!(change, RoomChange::State(RoomState::Joining))
        })
        .await;
        while !matches!(room.state(), RoomState::Joined) {
            timeout(WAIT, changes.next()).await.unwrap().unwrap();
        }
        let mut alice = person(&server, "alice").await;
        for n in 0..3 {
            let text = format!("{round} {n}");
            speak(&mut alice, &text).await;
            assert_eq!(bot.hears().await.body, text);
        }
        room.say("here").await.unwrap();
        alice.logout().await;
    }
}
on_both!(
    component_is_back_after_every_restart,
    Setup::new().component(JID)
);
