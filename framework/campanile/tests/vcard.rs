//! Tests of vCard requests and photo hashes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test may say so and fail"
)]

use campanile::presence::{Decision, MemoryStore, Roster};
use campanile::vcard::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nnot much of a picture";
/// Output of `sha1sum`.
const HASH: &str = "1a328edeb1e3c0cdc19e73c0a1f3e80243e2fba0";

fn cards() -> VCardModule {
    let bot = VCard::new()
        .name("Weather & more")
        .nickname("w")
        .url("https://example.org/weather")
        .description("Ask me")
        .photo(PNG.to_vec())
        .unwrap();
    VCardModule::new()
        .domain(VCard::new().name("Bots"))
        .bot("Weather", bot)
        .unwrap()
}

fn ask(to: &str) -> String {
    format!("<iq type='get' to='{to}'><vCard xmlns='vcard-temp'/></iq>")
}

#[tokio::test]
async fn each_address_has_its_own_card() {
    let bot = campanile_testing::mount("b.localhost", |bot| bot.module(cards())).await;
    let alice = bot.user("alice@localhost");
    alice
        .ask(
            &ask("b.localhost"),
            "<iq type='result'><vCard xmlns='vcard-temp'><FN>Bots</FN></vCard></iq>",
        )
        .await;
    let wanted = "<iq type='result'><vCard xmlns='vcard-temp'><FN>Weather &amp; \
        more</FN><NICKNAME>w</NICKNAME>\
        <URL>https://example.org/weather</URL><DESC>Ask me</DESC><PHOTO><TYPE>image/png</TYPE>\
        <BINVAL>iVBORw0KGgpub3QgbXVjaCBvZiBhIHBpY3R1cmU=</BINVAL></PHOTO></vCard></iq>";
    alice.ask(&ask("weather@b.localhost"), wanted).await;
    alice.ask(&ask("weather@b.localhost/any"), wanted).await;
    let refused = "<iq type='error'><error type='cancel'>\
        <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    alice.ask(&ask("unknown@b.localhost"), refused).await;
    let items = "<iq type='get' to='b.localhost'><query \
        xmlns='http://jabber.org/protocol/disco#items'/></iq>";
    let wanted = "<iq type='result'><query xmlns='http://jabber.org/protocol/disco#items'>\
        <item jid='weather@b.localhost'/></query></iq>";
    alice.ask(items, wanted).await;
}

#[tokio::test]
async fn presence_includes_photo_hash() {
    let cards = cards();
    let roster = Roster::builder(MemoryStore::new())
        .policy(Decision::Accept)
        .extension(cards.clone())
        .without_caps();
    let bot = campanile_testing::mount("b.localhost", |bot| {
        bot.module(cards).module(roster.build())
    })
    .await;
    let alice = bot.user("alice@localhost");
    for (own, photo) in [
        ("weather@b.localhost", format!("<photo>{HASH}</photo>")),
        ("b.localhost", "<photo/>".into()),
    ] {
        alice
            .send(format!("<presence type='subscribe' to='{own}'/>").as_str())
            .await
            .unwrap();
        alice.expect("<presence type='subscribed'/>").await;
        alice
            .expect(&format!(
                "<presence from='{own}'><x xmlns='vcard-temp:x:update'>{photo}</x></presence>"
            ))
            .await;
    }
}

#[test]
fn invalid_photos_are_rejected() {
    let photo = |file: &[u8]| VCard::new().photo(file.to_vec()).map(drop);
    for file in [PNG, b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 "] {
        assert_eq!(photo(file), Ok(()));
    }
    for file in [&b""[..], b"<svg/>", b"\x89PNG"] {
        assert_eq!(photo(file), Err(PhotoError::Unknown));
    }
    let large = [PNG, &[0; 256 * 1024]].concat();
    assert_eq!(photo(&large), Err(PhotoError::TooLarge(large.len())));
    assert!(VCardModule::new().bot("a@b", VCard::new()).is_err());
}
