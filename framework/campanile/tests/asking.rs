//! Typed IQ requests of a component: each helper against the XML of its specification, and paged
//! lists.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may say so and fail"
)]

use std::time::{Duration, SystemTime};

use campanile::client::{Client, IqError};
use campanile::disco::DiscoItem;
use campanile::error::{Condition, StanzaError};
use campanile::form::Definition;
use campanile::limits::Limits;
use campanile::payload::{COMMANDS, CommandAction, NoteType};
use campanile::reply::Reply;
use campanile::request::{ArchiveEnd, ArchiveEnds, Archived, Pages};
use campanile::router::Router;
use campanile::stanza::Stanza;
use campanile::xmpp_parsers::message::Message;
use campanile_testing::host::User;
use campanile_testing::{Mounted, mount};
use jid::Jid;
use minidom::Element;
use tokio::task::JoinHandle;
use tokio::time::sleep;

const BOT: &str = "bot.localhost";

async fn bot() -> Mounted {
    mount(BOT, |bot| bot.router(Router::new())).await
}

/// Runs a request, expects this stanza, and answers it with this payload.
async fn asked<T: Send + 'static, F>(user: &User, asking: F, wanted: &str, payload: &str) -> T
where
    F: Future<Output = T> + Send + 'static,
{
    let asking = tokio::spawn(asking);
    let request = user.expect(wanted).await;
    answer(user, &request, payload).await;
    asking.await.unwrap()
}

async fn answer(user: &User, request: &Stanza, payload: &str) {
    let id = request.id().unwrap();
    user.send(format!(
        "<iq type='result' to='{BOT}' id='{id}'>{payload}</iq>"
    ))
    .await
    .unwrap();
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

#[tokio::test(start_paused = true)]
async fn ping_returns_round_trip_time() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let to = alice.jid().clone();
    let asking = tokio::spawn(async move { client.ping(to).await });
    let request = alice
        .expect("<iq type='get' from='bot.localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    sleep(Duration::from_millis(1500)).await;
    alice.answer(&request, Reply::Empty).await.unwrap();
    assert_eq!(asking.await.unwrap().unwrap(), Duration::from_millis(1500));
}

#[tokio::test(start_paused = true)]
async fn version_last_activity_and_entity_time_are_parsed() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let to = alice.jid().clone();
    let ask = async move { client.version(to).await };
    let query = "<iq type='get'><query xmlns='jabber:iq:version'/></iq>";
    let version = "<query xmlns='jabber:iq:version'><name>Exodus</name>\
        <version>0.7.0.4</version><os>Windows-XP 5.01</os></query>";
    let version = asked(&alice, ask, query, version).await.unwrap();
    assert_eq!(
        (&*version.name, &*version.version, version.os.as_deref()),
        ("Exodus", "0.7.0.4", Some("Windows-XP 5.01"))
    );

    for (answer, ago, status) in [
        (
            "<query xmlns='jabber:iq:last' seconds='903'>Heading Home</query>",
            903,
            Some("Heading Home"),
        ),
        ("<query xmlns='jabber:iq:last' seconds='0'/>", 0, None),
    ] {
        let client = bot.client();
        let to = alice.jid().clone();
        let ask = async move { client.last_activity(to).await };
        let last = asked(
            &alice,
            ask,
            "<iq type='get'><query xmlns='jabber:iq:last'/></iq>",
            answer,
        )
        .await
        .unwrap();
        assert_eq!(
            (last.ago, last.status.as_deref()),
            (Duration::from_secs(ago), status)
        );
    }

    for (zone, ahead) in [
        ("-06:00", -21_600),
        ("+05:30", 19_800),
        ("+00:00", 0),
        ("Z", 0),
    ] {
        let client = bot.client();
        let to = alice.jid().clone();
        let ask = async move { client.entity_time(to).await };
        let time = format!(
            "<time xmlns='urn:xmpp:time'><tzo>{zone}</tzo><utc>2006-12-19T17:58:35Z</utc></time>"
        );
        let time = asked(
            &alice,
            ask,
            "<iq type='get'><time xmlns='urn:xmpp:time'/></iq>",
            &time,
        )
        .await;
        let time = time.unwrap_or_else(|error| panic!("{zone}: {error:?}"));
        assert_eq!((seconds(time.utc), time.ahead), (1_166_551_115, ahead));
    }
}

#[tokio::test(start_paused = true)]
async fn error_replies_and_invalid_payloads_are_errors() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let to = alice.jid().clone();
    let asking =
        tokio::spawn(async move { (client.version(to.clone()).await, client.version(to).await) });
    let request = alice.recv().await.unwrap();
    alice
        .answer(
            &request,
            Reply::Error(StanzaError::new(Condition::Forbidden)),
        )
        .await
        .unwrap();
    let request = alice.recv().await.unwrap();
    answer(&alice, &request, "<query xmlns='jabber:iq:version'/>").await;
    let (refused, nonsense) = asking.await.unwrap();
    assert!(
        matches!(refused, Err(IqError::Refused(error)) if error.condition() == Condition::Forbidden)
    );
    assert!(matches!(nonsense, Err(IqError::Answer(error)) if !error.is_absent()));
}

#[tokio::test(start_paused = true)]
async fn disco_info_is_parsed_and_sorted() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let to = alice.jid().clone();
    let ask = async move { client.disco_info(to, Some("n")).await };
    let info = "<query xmlns='http://jabber.org/protocol/disco#info' node='n'><feature var='b'/>\
        <identity category='gateway' type='x' name='two'/><identity category='client' type='pc' \
        xml:lang='de'/>\
        <feature var='a'/><x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' \
        type='hidden'><value>f</value></field></x></query>";
    let query =
        "<iq type='get'><query xmlns='http://jabber.org/protocol/disco#info' node='n'/></iq>";
    let info = asked(&alice, ask, query, info).await.unwrap();
    assert_eq!(info.features.iter().collect::<Vec<_>>(), ["a", "b"]);
    let identities: Vec<_> = info
        .identities
        .iter()
        .map(|i| (&*i.category, i.lang.as_deref()))
        .collect();
    assert_eq!(identities, [("client", Some("de")), ("gateway", None)]);
    assert_eq!(info.forms.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn asking_as_sets_sender() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let client = bot
        .client()
        .asking_as(Jid::new("helper@bot.localhost/x").unwrap());
    let to = alice.jid().clone();
    let asking = tokio::spawn(async move { client.ping(to).await });
    let request = alice
        .expect("<iq type='get' from='helper@bot.localhost/x'><ping xmlns='urn:xmpp:ping'/></iq>")
        .await;
    alice.answer(&request, Reply::Empty).await.unwrap();
    asking.await.unwrap().unwrap();
}

// Commands.

#[derive(serde::Serialize)]
struct Service {
    service: &'static str,
}

#[tokio::test(start_paused = true)]
async fn command_runs_step_by_step() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let to = alice.jid().clone();
    let running = tokio::spawn(async move {
        let step = client.command(to, "config").await.unwrap();
        assert!(!step.is_completed() && step.answer().actions.as_ref().unwrap().next);
        assert_eq!(
            step.form().unwrap().fields[0].var.as_deref(),
            Some("service")
        );
        let form = Definition::new()
            .submit(&Service { service: "httpd" })
            .unwrap();
        let step = step.next(Some(form)).await.unwrap();
        assert_eq!(step.answer().notes[0].text, "nearly there");
        let step = step.prev().await.unwrap();
        step.complete(None).await.unwrap()
    });
    let command = |attributes: &str, payload: &str| {
        format!("<command xmlns='{COMMANDS}' node='config' {attributes}>{payload}</command>")
    };
    let iq = |payload: &str| format!("<iq type='set'>{payload}</iq>");
    let form = "<x xmlns='jabber:x:data' type='form'><field var='service' type='list-single'/></x>";
    let request = alice.expect(&iq(&command("action='execute'", ""))).await;
    let actions = "<actions execute='complete'><prev/><next/></actions>";
    answer(
        &alice,
        &request,
        &command(
            "sessionid='s' status='executing'",
            &format!("{actions}{form}"),
        ),
    )
    .await;
    let filled = "<x xmlns='jabber:x:data' type='submit'><field \
        var='service'><value>httpd</value></field></x>";
    let request = alice.recv().await.unwrap();
    let sent: campanile::payload::CommandPayload = request.child().unwrap();
    assert_eq!(
        (sent.session.as_deref(), sent.action),
        (Some("s"), Some(CommandAction::Next))
    );
    assert_eq!(
        sent.payloads[0].children().count(),
        filled.parse::<Element>().unwrap().children().count()
    );
    answer(
        &alice,
        &request,
        &command(
            "sessionid='s' status='executing'",
            "<note type='warn'>nearly there</note>",
        ),
    )
    .await;
    let request = alice
        .expect(&iq(&command("sessionid='s' action='prev'", "")))
        .await;
    answer(
        &alice,
        &request,
        &command("sessionid='s' status='executing'", ""),
    )
    .await;
    let request = alice
        .expect(&iq(&command("sessionid='s' action='complete'", "")))
        .await;
    answer(
        &alice,
        &request,
        &command(
            "sessionid='s' status='completed'",
            "<note type='error'>no</note>",
        ),
    )
    .await;
    let done = running.await.unwrap();
    assert!(done.is_completed());
    assert_eq!(done.answer().notes[0].kind, Some(NoteType::Error));
}

// vCards.

#[tokio::test(start_paused = true)]
async fn incomplete_vcard_is_parsed() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    for (photo, wanted) in [
        (
            "<PHOTO><TYPE>image/png</TYPE><BINVAL>aGVs\nbG8=</BINVAL></PHOTO>",
            Some("hello"),
        ),
        (
            "<PHOTO><EXTVAL>http://example.org/x.png</EXTVAL></PHOTO>",
            None,
        ),
        (
            "<PHOTO><TYPE>image/png</TYPE><BINVAL>!!</BINVAL></PHOTO>",
            None,
        ),
        ("", None),
    ] {
        let client = bot.client();
        let to = alice.jid().clone();
        let ask = async move { client.vcard(to).await };
        let card = format!(
            "<vCard xmlns='vcard-temp'><FN>Peter &amp; \
            Paul</FN><ORG><ORGNAME>XSF</ORGNAME></ORG>{photo}<NICKNAME/></vCard>"
        );
        let card = asked(
            &alice,
            ask,
            "<iq type='get'><vCard xmlns='vcard-temp'/></iq>",
            &card,
        )
        .await
        .unwrap();
        assert_eq!(
            (card.text("FN").as_deref(), card.text("NICKNAME")),
            (Some("Peter & Paul"), None)
        );
        assert_eq!(card.text("ORG/ORGNAME").as_deref(), Some("XSF"));
        assert_eq!(
            card.photo()
                .map(|photo| String::from_utf8(photo.bytes).unwrap())
                .as_deref(),
            wanted
        );
    }
}

// Pages.

/// Returns the range of a list of `length` items that a request for a page selects.
fn part(set: &Element, length: usize) -> std::ops::Range<usize> {
    let child = |name| {
        set.get_child(name, "http://jabber.org/protocol/rsm")
            .map(Element::text)
    };
    let max: usize = child("max").unwrap().parse().unwrap();
    match (child("after"), child("before")) {
        (Some(after), _) => {
            let from = after.parse::<usize>().unwrap() + 1;
            from..(from + max).min(length)
        }
        (None, Some(before)) => {
            let to = if before.is_empty() {
                length
            } else {
                before.parse().unwrap()
            };
            to.saturating_sub(max)..to
        }
        (None, None) => 0..max.min(length),
    }
}

fn set(part: &std::ops::Range<usize>, length: usize) -> String {
    let ends = match part.is_empty() {
        true => String::new(),
        false => format!(
            "<first index='{}'>{}</first><last>{}</last>",
            part.start,
            part.start,
            part.end - 1
        ),
    };
    format!("<set xmlns='http://jabber.org/protocol/rsm'>{ends}<count>{length}</count></set>")
}

/// Answers disco#items with pages until the user is gone.
fn serve_items(user: User, length: usize) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(request) = user.recv().await {
            let query = request.children().first().unwrap().element().unwrap();
            let part = part(
                query
                    .get_child("set", "http://jabber.org/protocol/rsm")
                    .unwrap(),
                length,
            );
            let items: String = part
                .clone()
                .map(|n| format!("<item jid='room{n}@localhost'/>"))
                .collect();
            let set = set(&part, length);
            answer(
                &user,
                &request,
                &format!(
                    "<query xmlns='http://jabber.org/protocol/disco#items'>{items}{set}</query>"
                ),
            )
            .await;
        }
    })
}

async fn rooms(mut pages: Pages<DiscoItem>) -> Vec<usize> {
    let mut rooms = Vec::new();
    while let Some(item) = pages.next().await.unwrap() {
        rooms.push(
            item.jid.unwrap().node().unwrap().as_str()["room".len()..]
                .parse()
                .unwrap(),
        );
    }
    rooms
}

#[tokio::test(start_paused = true)]
async fn list_is_read_page_by_page_in_both_directions() {
    for length in [0, 1, 9, 10, 11, 95] {
        let bot = bot().await;
        let alice = bot.user("alice@localhost");
        let to = alice.jid().clone();
        let _serving = serve_items(alice, length);
        let items = || bot.client().disco_items(to.clone(), None).page_size(10);
        assert_eq!(rooms(items()).await, (0..length).collect::<Vec<_>>());
        assert_eq!(
            rooms(items().backwards()).await,
            (0..length).rev().collect::<Vec<_>>()
        );
        if length == 95 {
            assert_eq!(
                rooms(items().after("41")).await,
                (42..length).collect::<Vec<_>>()
            );
            assert_eq!(
                rooms(items().before("42")).await,
                (0..42).rev().collect::<Vec<_>>()
            );
            assert_eq!(items().collect(17).await.unwrap().len(), 17);
            let mut counted = items();
            counted.next().await.unwrap();
            assert_eq!(counted.count(), Some(95));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn entity_without_paging_is_queried_once() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    for set in [
        "",
        "<set xmlns='http://jabber.org/protocol/rsm'><count>2</count></set>",
    ] {
        let client = bot.client();
        let to = alice.jid().clone();
        let ask = async move { rooms(client.disco_items(to, Some("n"))).await };
        let items = format!(
            "<query xmlns='http://jabber.org/protocol/disco#items' node='n'><item \
            jid='room0@x'/><item jid='room1@x' node='y'/>{set}</query>"
        );
        let query = "<iq type='get'><query xmlns='http://jabber.org/protocol/disco#items' node='n'>\
            <set xmlns='http://jabber.org/protocol/rsm'><max>100</max></set></query></iq>";
        assert_eq!(asked(&alice, ask, query, &items).await, [0, 1]);
    }
    alice.expect_nothing(BOT).await;
}

/// Otherwise a server that always returns the same page would be queried forever.
#[tokio::test(start_paused = true)]
async fn page_without_progress_ends_the_list() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let to = alice.jid().clone();
    let asking = tokio::spawn(async move { rooms(client.disco_items(to, None)).await });
    let page = format!(
        "<query xmlns='http://jabber.org/protocol/disco#items'><item jid='room0@x'/>{}</query>",
        set(&(0..1), 9)
    );
    for _ in 0..2 {
        let request = alice.recv().await.unwrap();
        answer(&alice, &request, &page).await;
    }
    assert_eq!(asking.await.unwrap(), [0, 0]);
}

#[tokio::test(start_paused = true)]
async fn page_is_requested_again_after_error_or_dropped_future() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let mut pages = bot
        .client()
        .disco_items(alice.jid().clone(), None)
        .page_size(1);
    let page = |n: usize| {
        format!(
            "<query xmlns='http://jabber.org/protocol/disco#items'><item \
            jid='room{n}@x'/>{}</query>",
            set(&(n..n + 1), 9)
        )
    };
    let serve = async {
        let request = alice.recv().await.unwrap();
        answer(&alice, &request, &page(0)).await;
        let request = alice.recv().await.unwrap();
        alice
            .answer(
                &request,
                Reply::Error(StanzaError::new(Condition::ResourceConstraint)),
            )
            .await
            .unwrap();
        let ignored = alice.recv().await.unwrap();
        let request = alice.recv().await.unwrap();
        answer(&alice, &ignored, &page(5)).await;
        answer(&alice, &request, &page(1)).await;
    };
    let ask = async {
        let room = |item: Option<DiscoItem>| item.unwrap().jid.unwrap().node().unwrap().to_string();
        assert_eq!(room(pages.next().await.unwrap()), "room0");
        assert!(matches!(pages.next().await, Err(IqError::Refused(_))));
        assert!(
            tokio::time::timeout(Duration::from_secs(1), pages.next())
                .await
                .is_err()
        );
        assert_eq!(room(pages.next().await.unwrap()), "room1");
    };
    tokio::join!(serve, ask);
}

// Archives.

/// Answers archive queries with pages of messages, each page and its end in one segment.
fn serve_archive(bot: &Mounted, archive: User, length: usize) -> JoinHandle<()> {
    let host = bot.host().clone();
    tokio::spawn(async move {
        while let Some(request) = archive.recv().await {
            let query = request.children().first().unwrap().element().unwrap();
            let part = part(
                query
                    .get_child("set", "http://jabber.org/protocol/rsm")
                    .unwrap(),
                length,
            );
            let from = archive.jid();
            let id = query.attr("queryid").unwrap();
            let message = |n| {
                format!(
                    "<message from='{from}' to='{BOT}'><result xmlns='urn:xmpp:mam:2' \
                    queryid='{id}' id='{n}'>\
                     <forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' \
                     stamp='2010-07-10T23:08:25Z'/>\
                     <message xmlns='jabber:client' from='witch@shakespeare.lit' \
                     to='macbeth@shakespeare.lit' type='chat'>\
                     <body>Hail to thee, {n}</body></message></forwarded></result></message>"
                )
            };
            let mut page: String = part.clone().map(message).collect();
            let complete = part.end == length
                && query
                    .get_child("set", "http://jabber.org/protocol/rsm")
                    .unwrap()
                    .children()
                    .all(|c| c.name() != "before");
            page += &format!(
                "<iq type='result' from='{from}' to='{BOT}' id='{}'><fin xmlns='urn:xmpp:mam:2' \
                complete='{complete}'>{}</fin></iq>",
                request.id().unwrap(),
                set(&part, length)
            );
            host.inject(BOT, &page);
        }
    })
}

async fn hails(mut pages: Pages<Archived>) -> Vec<usize> {
    let mut hails = Vec::new();
    while let Some(archived) = pages.next().await.unwrap() {
        let body = archived.message().unwrap().to_message().unwrap().bodies[""].clone();
        assert_eq!(body, format!("Hail to thee, {}", archived.id()));
        assert_eq!(seconds(archived.when().unwrap()), 1_278_803_305);
        hails.push(archived.id().parse().unwrap());
    }
    hails
}

/// 500 messages in pages of 200, while the only handler never ends and the queue is full.
#[tokio::test(start_paused = true)]
async fn archive_is_read_completely_while_dispatcher_is_full() {
    let mut limits = Limits::default();
    (limits.in_flight, limits.waiting) = (4, 4);
    let never = async |_: campanile::extract::StanzaRef| std::future::pending::<()>().await;
    let bot = mount(BOT, |bot| {
        bot.router(Router::new().message(never)).limits(limits)
    })
    .await;
    for n in 0..8 {
        let user = bot.user(&format!("user{n}@localhost"));
        for _ in 0..2 {
            user.say(BOT, "busy").await.unwrap();
        }
    }
    bot.counted(|counters| counters.taken == 8 && counters.shed == 8)
        .await;
    let archive = bot.user("room@localhost");
    let to = archive.jid().clone();
    let _serving = serve_archive(&bot, archive, 500);
    let messages = || bot.client().archive(to.clone()).messages().page_size(200);
    assert_eq!(hails(messages()).await, (0..500).collect::<Vec<_>>());
    assert_eq!(
        hails(messages().backwards()).await,
        (0..500).rev().collect::<Vec<_>>()
    );
    assert_eq!(
        hails(messages().after("480")).await,
        (481..500).collect::<Vec<_>>()
    );
    let counters = bot.counters();
    assert_eq!(
        (counters.taken, counters.shed, counters.uncollected),
        (8, 8, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn archive_query_contains_all_filters() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_278_803_305_250);
    let archive = bot
        .client()
        .archive(alice.jid().clone())
        .with(&Jid::new("juliet@capulet.lit").unwrap());
    let mut pages = archive
        .since(time)
        .until(time + Duration::from_millis(750))
        .node("n")
        .field("x", "y")
        .messages();
    let asking = tokio::spawn(async move { pages.next().await.map(|found| found.is_none()) });
    let request = alice.recv().await.unwrap();
    let query = request.children().first().unwrap();
    let id = query.attribute("queryid").unwrap();
    let wanted = format!(
        "<query xmlns='urn:xmpp:mam:2' queryid='{id}' node='n'><x xmlns='jabber:x:data' \
        type='submit'>\
         <field var='FORM_TYPE' type='hidden'><value>urn:xmpp:mam:2</value></field>\
         <field var='with'><value>juliet@capulet.lit</value></field>\
         <field var='start'><value>2010-07-10T23:08:25.250Z</value></field>\
         <field var='end'><value>2010-07-10T23:08:26Z</value></field><field \
         var='x'><value>y</value></field></x>\
         <set xmlns='http://jabber.org/protocol/rsm'><max>100</max></set></query>"
    );
    assert_eq!(query.as_str(), wanted);
    answer(
        &alice,
        &request,
        "<fin xmlns='urn:xmpp:mam:2' complete='true'><set \
        xmlns='http://jabber.org/protocol/rsm'/></fin>",
    )
    .await;
    assert!(asking.await.unwrap().unwrap());
}

/// An archive may contain anything; each message is parsed separately.
#[tokio::test(start_paused = true)]
async fn invalid_archived_message_does_not_affect_others() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let client = bot.client();
    let to = alice.jid().clone();
    let asking = tokio::spawn(async move { client.archive(to).messages().collect(10).await });
    let request = alice.recv().await.unwrap();
    let id = request
        .children()
        .first()
        .unwrap()
        .attribute("queryid")
        .unwrap()
        .into_owned();
    for (n, forwarded) in [
        "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' \
        type='strange'><body>hi</body></message></forwarded>",
        "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' \
        from='@@'/></forwarded>",
        "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='soon'/><other \
        xmlns='urn:x'/></forwarded>",
        "",
    ]
    .iter()
    .enumerate()
    {
        alice
            .send(format!(
                "<message to='{BOT}'><result xmlns='urn:xmpp:mam:2' queryid='{id}' \
                id='{n}'>{forwarded}</result></message>"
            ))
            .await
            .unwrap();
    }
    answer(
        &alice,
        &request,
        "<fin xmlns='urn:xmpp:mam:2' complete='true'><set \
        xmlns='http://jabber.org/protocol/rsm'/></fin>",
    )
    .await;
    let found = asking.await.unwrap().unwrap();
    let read: Vec<_> = found
        .iter()
        .map(|archived| (archived.id(), archived.message().is_ok(), archived.when()))
        .collect();
    assert_eq!(
        read,
        [
            ("0", true, None),
            ("1", false, None),
            ("2", false, None),
            ("3", false, None)
        ]
    );
    let message: Message = found[0].message().unwrap().to_message().unwrap();
    assert_eq!(message.bodies.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn archive_ends_are_parsed() {
    let bot = bot().await;
    let alice = bot.user("alice@localhost");
    let end = |id: &str, seconds| ArchiveEnd {
        id: id.into(),
        when: SystemTime::UNIX_EPOCH + Duration::from_secs(seconds),
    };
    let full = "<metadata xmlns='urn:xmpp:mam:2'><start id='YWxwaGEg' \
        timestamp='2008-08-22T21:09:04Z'/>\
        <end id='b21lZ2Eg' timestamp='2020-04-20T14:34:21Z'/></metadata>";
    let ends = ArchiveEnds {
        first: Some(end("YWxwaGEg", 1_219_439_344)),
        last: Some(end("b21lZ2Eg", 1_587_393_261)),
    };
    for (answer, wanted) in [
        (full, ends),
        ("<metadata xmlns='urn:xmpp:mam:2'/>", ArchiveEnds::default()),
    ] {
        let client: Client = bot.client();
        let to: Jid = alice.jid().clone();
        let ask = async move { client.archive(to).ends().await };
        let query = "<iq type='get'><metadata xmlns='urn:xmpp:mam:2'/></iq>";
        assert_eq!(asked(&alice, ask, query, answer).await.unwrap(), wanted);
    }
}
