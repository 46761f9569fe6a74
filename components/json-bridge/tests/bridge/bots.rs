//! Access lists, presence and vCards of bots.

use std::net::SocketAddr;
use std::sync::Arc;

use campanile::error::{Condition, StanzaError};
use campanile::jid::BareJid;
use campanile::layer::AccessLayer;
use campanile::presence::{Availability, MemoryStore, Roster};
use campanile::vcard::{VCard, VCardModule};
use campanile::xmpp_parsers::presence::Show;
use campanile_json_bridge::{Api, Bridge, Settings};
use campanile_testing::{Mounted, mount};
use serde_json::json;

use crate::http::ask;
use crate::setup::{Hook, bot, mounted, until, webhook};

/// Mounts a bridge with the roster and the vCard module, as the daemon does.
async fn mount_with_identity(settings: Settings) -> (Mounted, Arc<Bridge>) {
    let cards = settings.cards(VCardModule::new()).unwrap();
    let domain: BareJid = "bridge.localhost".parse().unwrap();
    let roster = settings.roster(
        Roster::builder(MemoryStore::new()).without_caps(),
        &domain,
        [],
    );
    let roster = roster.extension(cards.clone()).build();
    let bridge = Arc::new(Bridge::new(settings));
    let shared = Arc::clone(&bridge);
    let mounted = mount("bridge.localhost", |builder| {
        builder
            .modules([shared as Arc<_>])
            .module(cards)
            .module(roster)
    })
    .await;
    (mounted, bridge)
}

#[tokio::test]
async fn bot_rejects_senders_outside_its_allow_list() {
    let (hook, address) = Hook::start(&[]).await;
    let mut bot = bot(Some(webhook(address)));
    bot.access = AccessLayer::new().allow("alice@localhost".parse().unwrap());
    let (mounted, _bridge) = mount_with_identity(Settings {
        bots: vec![bot],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    let bob = mounted.user("bob@localhost/phone");
    bob.say("bot@bridge.localhost", "let me in").await.unwrap();
    assert_eq!(
        StanzaError::from_stanza(&bob.recv().await.unwrap()).condition(),
        Condition::Forbidden
    );
    let ask = "<iq type='get' to='bot@bridge.localhost'><q xmlns='urn:example:q'/></iq>";
    assert_eq!(
        StanzaError::from_stanza(&bob.request(ask).await.unwrap()).condition(),
        Condition::Forbidden
    );
    bob.send("<presence type='subscribe' to='bot@bridge.localhost'/>")
        .await
        .unwrap();
    bob.expect("<presence type='unsubscribed'/>").await;
    alice.say("bot@bridge.localhost", "hello").await.unwrap();
    assert_eq!(hook.got(1).await[0].json()["from"], "alice@localhost/phone");
    alice
        .send("<presence type='subscribe' to='bot@bridge.localhost'/>")
        .await
        .unwrap();
    alice.expect("<presence type='subscribed'/>").await;
}

#[tokio::test]
async fn bot_serves_presence_and_vcard() {
    let mut bot = bot(None);
    bot.availability = Some(Availability::online().show(Show::Away).status("at lunch"));
    bot.card = Some(
        VCard::new()
            .name("Bot")
            .description("Answers")
            .photo(b"GIF89a".to_vec())
            .unwrap(),
    );
    let other = campanile_json_bridge::Bot {
        localpart: Some("other".into()),
        name: Some("Other".into()),
        ..campanile_json_bridge::Bot::default()
    };
    let (mounted, _bridge) = mount_with_identity(Settings {
        bots: vec![bot, other],
        ..Settings::default()
    })
    .await;
    let alice = mounted.user("alice@localhost/phone");
    alice
        .send("<presence type='subscribe' to='bot@bridge.localhost'/>")
        .await
        .unwrap();
    alice.expect("<presence type='subscribed'/>").await;
    let presence = alice.recv().await.unwrap().to_xml();
    assert!(
        presence.contains("<show>away</show><status>at lunch</status>"),
        "{presence}"
    );
    assert!(
        presence.contains("<x xmlns='vcard-temp:x:update'><photo>"),
        "{presence}"
    );
    let card = "<iq type='get' to='other@bridge.localhost'><vCard xmlns='vcard-temp'/></iq>";
    alice
        .ask(
            card,
            "<iq type='result'><vCard xmlns='vcard-temp'><FN>Other</FN></vCard></iq>",
        )
        .await;
    let card = alice
        .request(card.replace("other@", "bot@").as_str())
        .await
        .unwrap()
        .to_xml();
    assert!(
        card.contains("<FN>Bot</FN>") && card.contains("<TYPE>image/gif</TYPE>"),
        "{card}"
    );
}

#[tokio::test]
async fn presence_and_iq_reach_bots_that_enable_them() {
    let (hook, address) = Hook::start(&[]).await;
    let listens = campanile_json_bridge::Bot {
        presence: true,
        ..bot(Some(webhook(address)))
    };
    let deaf = campanile_json_bridge::Bot {
        localpart: Some("deaf".into()),
        token: None,
        ..bot(Some(webhook(address)))
    };
    let api = Api {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        token: None,
        to: campanile_json_bridge::Grant::default(),
    };
    let settings = Settings {
        bots: vec![listens, deaf],
        api: Some(api),
        ..Settings::default()
    };
    let (mounted, bridge) = mounted(settings).await;
    let alice = mounted.user("alice@localhost/phone");
    alice
        .send("<presence to='deaf@bridge.localhost'/>")
        .await
        .unwrap();
    alice
        .send("<presence to='bot@bridge.localhost'><show>away</show></presence>")
        .await
        .unwrap();
    alice
        .send("<presence type='unavailable' to='bot@bridge.localhost'/>")
        .await
        .unwrap();
    let wanted = "<iq type='get' to='bot@bridge.localhost'><q xmlns='urn:example:q'/></iq>";
    alice.request(wanted).await.unwrap();
    let order = "<message type='chat' to='bot@bridge.localhost'><payload \
        xmlns='urn:xmpp:json-msg:0' \
        datatype='urn:example:order'><json \
        xmlns='urn:xmpp:json:0'>{\"n\":1}</json></payload></message>";
    alice.send(order).await.unwrap();
    until(|| bridge.snapshot().delivered == 3).await;
    let got: Vec<_> = hook.got(4).await.iter().map(|got| got.json()).collect();
    let shown: Vec<_> = got.iter().filter(|got| got["kind"] == "presence").collect();
    assert_eq!(
        (&shown[0]["show"], &shown[1]["type"], shown.len()),
        (&json!("away"), &json!("unavailable"), 2)
    );
    for (filter, events) in [
        ("kind=presence", 2),
        ("kind=presence&type=unavailable", 1),
        ("kind=iq", 1),
        ("namespace=urn:example:q", 1),
        ("datatype=urn:example:order", 1),
        ("to=bot@bridge.localhost", 4),
        ("from=localhost", 4),
    ] {
        let path = format!("GET /v1/events?since=0&{filter}&limit={events}");
        let head = format!("{path}\nAuthorization: Bearer bot-token\nAccept: application/x-ndjson");
        let lines = ask(bridge.listening().unwrap(), &head, "").await;
        assert_eq!(
            lines
                .body
                .lines()
                .filter(|line| line.contains("\"stanza\""))
                .count(),
            events,
            "{filter}: {lines:?}"
        );
    }
}
