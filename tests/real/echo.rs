//! A daemon connected to two servers at once, used by clients of both.

use campanile_tests::{Daemon, Ejabberd, Prosody, Server, SlixmppClient};

use crate::support::{component, mounted, setup_for};

const DATA: &str =
    "<data xmlns='MY-FORMAT-NS'>vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo ===</data>";
const TEXT: &str = "vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo ===";
const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
const FEATURES: [&str; 7] = [
    DISCO_INFO,
    "http://jabber.org/protocol/disco#items",
    "http://jabber.org/protocol/rsm",
    "jabber:iq:last",
    "jabber:iq:version",
    "urn:xmpp:ping",
    "urn:xmpp:time",
];
const BASICS: [&str; 4] = [
    "<ping xmlns='urn:xmpp:ping'/>",
    "<query xmlns='jabber:iq:version'/>",
    "<time xmlns='urn:xmpp:time'/>",
    "<query xmlns='jabber:iq:last'/>",
];

/// One daemon and one configuration with an echo and a disco component on each of two servers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_serves_two_servers_at_once() {
    let jids = |server: &str| {
        [
            format!("echo.{server}.localhost"),
            format!("disco.{server}.localhost"),
        ]
    };
    let on_prosody = jids("prosody");
    let on_ejabberd = jids("ejabberd");
    let setups = (setup_for(&on_prosody), setup_for(&on_ejabberd));
    let (prosody, ejabberd) = tokio::join!(Prosody::start(&setups.0), Ejabberd::start(&setups.1));
    let places = [(&on_prosody, &prosody), (&on_ejabberd, &ejabberd)];
    let configuration = places.map(|([echo, disco], server)| {
        let address = server.component_address();
        component(echo, &address, "[component.echo]")
            + &component(
                disco,
                &address,
                &format!("[component.disco]\nname = \"at {disco}\""),
            )
    });
    let mut daemon = Daemon::start(&configuration.concat());
    for jid in on_prosody.iter().chain(&on_ejabberd) {
        mounted(&mut daemon, jid).await;
    }
    let talks = places.map(|([echo, disco], server)| async move {
        let mut alice = login(server).await;
        echoes(&mut alice, echo).await;
        for jid in [echo, disco] {
            requests(&mut alice, jid).await;
        }
        let info = alice.disco_info(disco, None).await.unwrap();
        let identity = info
            .child("query", DISCO_INFO)
            .and_then(|query| query.children().find(|it| it.name() == "identity"));
        assert_eq!(
            identity.and_then(|it| it.attr("name")),
            Some(&*format!("at {disco}")),
            "{}",
            info.xml
        );
        answers_to_nothing(&mut alice, echo).await;
    });
    futures_util::future::join_all(talks).await;
    assert!(daemon.stop().await.success());
}

async fn login(server: &Server) -> SlixmppClient {
    let alice = SlixmppClient::login(server, "alice").await;
    assert!(alice.jid().starts_with("alice@localhost/"));
    alice
}

async fn echoes(alice: &mut SlixmppClient, jid: &str) {
    let id = alice.message(jid, "hello & <welcome>").await;
    let echo = alice.message_from(jid).await;
    assert_eq!(
        (echo.attr("id"), echo.body().as_deref()),
        (id.as_str(), Some("hello & <welcome>"))
    );

    let bot = format!("bot@{jid}");
    let id = alice.message_with(&bot, "chat", None, DATA).await;
    let echo = alice.message_from(&bot).await;
    let data = echo
        .child("data", "MY-FORMAT-NS")
        .unwrap_or_else(|| panic!("no data in {}", echo.xml));
    assert_eq!(
        (echo.attr("id"), echo.attr("type"), &*data.text()),
        (id.as_str(), "chat", TEXT)
    );
    assert_eq!(
        (
            echo.body(),
            data.children().count(),
            data.attrs().into_iter().count()
        ),
        (None, 0, 0),
        "{}",
        echo.xml
    );
}

async fn requests(alice: &mut SlixmppClient, jid: &str) {
    let info = alice.disco_info(jid, None).await.unwrap();
    let query = info.child("query", DISCO_INFO).unwrap();
    let features = query
        .children()
        .filter(|child| child.name() == "feature")
        .filter_map(|it| it.attr("var"));
    assert_eq!(features.collect::<Vec<_>>(), FEATURES, "{}", info.xml);
    for payload in BASICS {
        let answer = alice.iq("get", jid, payload).await.unwrap();
        assert_eq!(
            (answer.error(), answer.attr("type")),
            (None, "result"),
            "{payload}: {}",
            answer.xml
        );
    }
    let unhandled = alice
        .iq("get", jid, "<nothing xmlns='urn:example:nothing'/>")
        .await
        .unwrap();
    assert_eq!(
        unhandled.error().as_deref(),
        Some("cancel/service-unavailable")
    );
}

/// Asserts that responses are not answered: the next stanza is the echo of a later message.
async fn answers_to_nothing(alice: &mut SlixmppClient, jid: &str) {
    alice.take_all();
    let gone = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    alice
        .raw(&format!(
            "<iq type='result' to='{jid}' id='r1'/><iq type='error' to='{jid}' id='r2'>{gone}</iq>"
        ))
        .await;
    alice.message(jid, "last").await;
    let next = alice
        .next("anything from the component", |it| {
            it.attr("from").contains(jid)
        })
        .await;
    assert_eq!(next.body().as_deref(), Some("last"), "{}", next.xml);
}
