//! Each extractor on literal stanzas.

use serde::Deserialize;
use xmpp_parsers::ping::Ping;
use xmpp_parsers::version::VersionResult;

use super::*;
use crate::client::Client;
use crate::error::Condition;
use crate::error::classify;
use crate::stanza::{Children, IqType, Kind, MessageType, PresenceType};
use crate::test_util::inbound;

fn take<T: FromInbound<()>>(xml: &str) -> Result<T, BoxError> {
    T::from_inbound(&inbound(xml), &()).map_err(Into::into)
}

/// What the peer is told, and whether it is a fault of ours.
fn told<T: FromInbound<()>>(xml: &str) -> (Condition, Option<String>, bool) {
    let Err(error) = take::<T>(xml) else {
        panic!("{xml} was taken")
    };
    let classified = classify(&error);
    (
        classified.error.condition(),
        classified.error.text().map(str::to_owned),
        classified.internal,
    )
}

fn bad(text: &str) -> (Condition, Option<String>, bool) {
    (Condition::BadRequest, Some(text.to_owned()), false)
}

#[test]
fn addresses() {
    let Sender(from) = take("<iq type='get' id='1'/>").unwrap();
    let Recipient(to) = take("<iq type='get' id='1' to='x@bot.localhost/y'/>").unwrap();
    assert_eq!(
        (from.as_str(), to.as_str()),
        ("alice@example.org/desk", "x@bot.localhost/y")
    );
}

#[test]
fn a_payload_is_found_by_its_name() {
    let xml = "<message><body>hi</body><ping xmlns='urn:xmpp:ping'/></message>";
    take::<Payload<Ping>>(xml).unwrap();
    assert_eq!(
        told::<Payload<Ping>>("<message><ping xmlns='urn:other'/></message>"),
        bad("no such element")
    );
    let (condition, text, fault) = told::<Payload<VersionResult>>(
        "<iq type='set' id='1'><query xmlns='jabber:iq:version'><what/></query></iq>",
    );
    assert_eq!((condition, fault), (Condition::BadRequest, false));
    assert!(text.unwrap().starts_with("bad element: "));
}

#[test]
fn the_header() {
    let xml = "<message type='chat' id='m1' xml:lang='pt-BR'/>";
    assert_eq!(take::<Id>(xml).unwrap().0, "m1");
    assert_eq!(take::<Lang>(xml).unwrap().0, "pt-BR");
    assert_eq!(told::<Id>("<presence/>"), bad("the stanza has no id"));
    assert_eq!(
        told::<Lang>("<presence/>"),
        bad("the stanza has no language")
    );
    assert!(take::<Option<Id>>("<presence/>").unwrap().is_none());
    assert_eq!(take::<MessageType>(xml).unwrap(), MessageType::Chat);
    assert_eq!(
        take::<IqType>("<iq type='set' id='1'/>").unwrap(),
        IqType::Set
    );
    assert_eq!(
        take::<PresenceType>("<presence type='probe'/>").unwrap(),
        PresenceType::Probe
    );
    assert_eq!(told::<IqType>(xml), bad("the stanza is no IQ"));
    assert_eq!(told::<PresenceType>(xml), bad("the stanza is no presence"));
    assert_eq!(
        told::<MessageType>("<presence/>"),
        bad("the stanza is no message")
    );
}

#[test]
fn every_payload_of_a_type_is_taken() {
    let pings = |xml| take::<Payloads<Ping>>(xml).map(|pings| pings.0.len());
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    assert_eq!(pings("<message><body>hi</body></message>").unwrap(), 0);
    assert_eq!(
        pings(&format!("<message>{ping}<body>hi</body>{ping}</message>")).unwrap(),
        2
    );
    let version = "<query xmlns='jabber:iq:version'><name>a</name><version>1</version></query>";
    assert_eq!(
        take::<Payloads<VersionResult>>(&format!("<message>{version}</message>"))
            .unwrap()
            .0
            .len(),
        1
    );
    let one_is_bad =
        format!("<message>{version}<query xmlns='jabber:iq:version'><what/></query></message>");
    let (condition, text, fault) = told::<Payloads<VersionResult>>(&one_is_bad);
    assert_eq!((condition, fault), (Condition::BadRequest, false));
    assert!(text.unwrap().starts_with("bad element: "));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Order {
    count: u32,
}

#[test]
fn json_is_found_where_it_lies() {
    let rows = [
        "<message><json xmlns='urn:xmpp:json:0'>{\"count\":3}</json></message>",
        "<iq type='set' id='1'><json xmlns='urn:xmpp:json:0'>{ \"count\": 3 }</json></iq>",
        "<iq type='set' id='1'><order xmlns='urn:x'><json \
        xmlns='urn:xmpp:json:0'>{\"count\":3}</json></order></iq>",
        "<message><a xmlns='urn:a'/><b xmlns='urn:b'><c><json \
        xmlns='urn:xmpp:json:0'>{\"count\":3}</json></c></b></message>",
    ];
    for xml in rows {
        let Json(order) = take::<Json<Order>>(xml).unwrap();
        assert_eq!(order, Order { count: 3 }, "{xml}");
    }
}

#[test]
fn unusable_json_is_a_bad_request() {
    let none = "<message><body>urn:xmpp:json:0</body></message>";
    assert_eq!(
        told::<Json<Order>>(none),
        bad("no JSON container (XEP-0335)")
    );
    let wrong = "<message><json xmlns='urn:xmpp:json:0'>{\"count\":-1}</json></message>";
    let (condition, text, fault) = told::<Json<Order>>(wrong);
    assert_eq!((condition, fault), (Condition::BadRequest, false));
    assert!(
        text.unwrap()
            .starts_with("unusable JSON: invalid value: integer `-1`, expected u32")
    );
}

impl Datatype for Order {
    const DATATYPE: &'static str = "urn:example:order";
}

#[test]
fn a_json_message_is_found_by_its_datatype() {
    let payload = |datatype: &str, inner: &str| {
        format!("<payload xmlns='urn:xmpp:json-msg:0' datatype='{datatype}'>{inner}</payload>")
    };
    let json = |text: &str| format!("<json xmlns='urn:xmpp:json:0'>{text}</json>");
    let both = payload("urn:example:other", &json("[]"))
        + &payload("urn:example:order", &json("{\"count\":3}"));
    let message = |children: &str| format!("<message><body>an order</body>{children}</message>");
    assert_eq!(
        take::<JsonMessage<Order>>(&message(&both)).unwrap().0,
        Order { count: 3 }
    );
    let other = message(&payload("urn:example:other", &json("{\"count\":3}")));
    assert_eq!(
        told::<JsonMessage<Order>>(&other),
        bad("no JSON message of datatype urn:example:order (XEP-0432)")
    );
    assert!(
        take::<Option<JsonMessage<Order>>>(&other)
            .unwrap()
            .is_none()
    );
    let hollow = message(&payload("urn:example:order", ""));
    assert_eq!(
        told::<Option<JsonMessage<Order>>>(&hollow),
        bad("no JSON container (XEP-0335)")
    );
    let wrong = told::<JsonMessage<Order>>(&message(&payload("urn:example:order", &json("7"))));
    assert!(wrong.1.unwrap().starts_with("unusable JSON: "));
    // What does not ask for the datatype finds the container all the same.
    assert_eq!(take::<Json<Order>>(&other).unwrap().0, Order { count: 3 });
}

#[test]
fn the_body_is_the_one_in_the_language_of_the_message() {
    let rows = [
        ("<message><body>a &amp; b</body></message>", "a & b"),
        (
            "<message><active \
            xmlns='http://jabber.org/protocol/chatstates'/><body>hi</body></message>",
            "hi",
        ),
        (
            "<message><body xml:lang='de'>Hallo</body><body>hi</body></message>",
            "hi",
        ),
        (
            "<message xml:lang='en'><body xml:lang='de'>Hallo</body><body \
            xml:lang='en'>hi</body></message>",
            "hi",
        ),
        (
            "<message><body xml:lang='de'>Hallo</body><body xml:lang='en'>hi</body></message>",
            "Hallo",
        ),
    ];
    for (xml, wanted) in rows {
        assert_eq!(take::<Body>(xml).unwrap().0, wanted, "{xml}");
    }
    assert_eq!(
        told::<Body>("<message><body xmlns='urn:x'>hi</body></message>"),
        bad("no body")
    );
}

#[test]
fn a_text_is_chosen_among_languages() {
    let xml = "<message xml:lang='en'><body>hi</body><body xml:lang='de'>Hallo</body>\
        <body xml:lang='de-CH'>Grüezi</body><subject xml:lang='fr'>bonjour</subject></message>";
    let Bodies(body) = take(xml).unwrap();
    let rows: [(&[&str], &str); 8] = [
        (&["de"], "Hallo"),
        (&["DE-ch"], "Grüezi"),
        (&["de-AT"], "Hallo"),
        (&["fr", "de-CH"], "Grüezi"),
        (&["en-GB"], "hi"),
        (&["fr"], "hi"),
        (&[], "hi"),
        (&["d"], "hi"),
    ];
    for (wishes, wanted) in rows {
        assert_eq!(body.choose(wishes), wanted, "{wishes:?}");
    }
    assert_eq!(body.own(), "hi");
    assert_eq!(
        body.iter().collect::<Vec<_>>()[1..],
        [(Some("de"), "Hallo"), (Some("de-CH"), "Grüezi")]
    );
    // None is in the language of the stanza: the first stands for it. A wider wish takes a narrower
    // text.
    let Subjects(subject) = take(xml).unwrap();
    assert_eq!(
        (subject.own(), subject.choose(&["de"])),
        ("bonjour", "bonjour")
    );
    let Bodies(only) =
        take("<message><body xml:lang='de-CH'>Grüezi</body><body>hi</body></message>").unwrap();
    assert_eq!((only.own(), only.choose(&["de"])), ("hi", "Grüezi"));
    assert_eq!(
        told::<Bodies>("<message><subject>x</subject></message>"),
        bad("no body")
    );
}

#[test]
fn subject_and_thread() {
    let xml = "<message><subject>news</subject><thread parent='t0'>t1</thread></message>";
    assert_eq!(take::<Subject>(xml).unwrap().0, "news");
    assert_eq!(
        take::<Thread>(xml).unwrap(),
        Thread {
            id: "t1".to_owned(),
            parent: Some("t0".to_owned())
        }
    );
    assert_eq!(told::<Subject>("<message/>"), bad("no subject"));
    assert_eq!(told::<Thread>("<message/>"), bad("no thread"));
}

#[test]
fn the_parts_of_presence() {
    let xml =
        "<presence><show>xa</show><status>on the moon</status><priority> -7 </priority></presence>";
    assert_eq!(take::<Show>(xml).unwrap(), Show::Xa);
    assert_eq!(take::<StatusText>(xml).unwrap().0, "on the moon");
    assert_eq!(take::<Priority>(xml).unwrap(), Priority(-7));
    let plain = "<presence/>";
    assert!(take::<Option<Show>>(plain).unwrap().is_none());
    assert!(take::<Option<StatusText>>(plain).unwrap().is_none());
    assert_eq!(take::<Priority>(plain).unwrap(), Priority(0));
    let odd = "<presence><show>busy</show><priority>200</priority></presence>";
    assert_eq!(
        told::<Option<Show>>(odd),
        bad("the show is none of away, chat, dnd, xa")
    );
    assert_eq!(
        told::<Priority>(odd),
        bad("the priority is no number from -128 to 127")
    );
    // In a message such a child says nothing about availability.
    let message = "<message><status>on the moon</status></message>";
    assert_eq!(
        told::<StatusText>(message),
        bad("the stanza is no presence")
    );
    assert_eq!(told::<Priority>(message), bad("the stanza is no presence"));
}

#[test]
fn a_delayed_stanza_says_since_when() {
    let xml = "<message><body>hi</body><delay xmlns='urn:xmpp:delay' from='example.org' \
        stamp='2026-01-02T03:04:05Z'>Offline Storage</delay></message>";
    let delay = take::<Delay>(xml).unwrap();
    assert_eq!(delay.stamp.0.timestamp(), 1_767_323_045);
    assert_eq!(delay.data.as_deref(), Some("Offline Storage"));
    assert!(take::<Option<Delay>>("<message/>").unwrap().is_none());
    let bad_stamp = "<message><delay xmlns='urn:xmpp:delay' stamp='yesterday'/></message>";
    assert_eq!(told::<Option<Delay>>(bad_stamp).0, Condition::BadRequest);
}

#[test]
fn why_a_stanza_came_back() {
    let xml = "<message type='error' id='m1'><body>hi</body><error type='wait'>\
        <recipient-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
        <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>at lunch</text></error></message>";
    let error = take::<StanzaError>(xml).unwrap();
    assert_eq!(
        (error.condition(), error.text()),
        (Condition::RecipientUnavailable, Some("at lunch"))
    );
    assert!(
        take::<Option<StanzaError>>("<message><body>hi</body></message>")
            .unwrap()
            .is_none()
    );
}

#[test]
fn whole_stanzas() {
    let xml = "<message id='1' type='chat'><body>hi</body></message>";
    assert_eq!(take::<Message>(xml).unwrap().id.unwrap().0, "1");
    assert_eq!(told::<Presence>(xml).0, Condition::BadRequest);
    let away = take::<Presence>("<presence><show>away</show></presence>").unwrap();
    assert_eq!(away.show, Some(xmpp_parsers::presence::Show::Away));
    // A bad child harms only the handler that asks for it.
    let busy = "<presence><show>busy</show></presence>";
    assert_eq!(told::<Presence>(busy).0, Condition::BadRequest);
    assert_eq!(
        take::<Children>(busy).unwrap().as_bytes(),
        b"<show>busy</show>"
    );
    assert_eq!(take::<StanzaRef>(xml).unwrap().id(), Some("1"));
    assert_eq!(
        take::<Kind>("<iq type='set' id='1'/>").unwrap(),
        Kind::Iq(IqType::Set)
    );
    assert_eq!(
        take::<Client>(xml).unwrap().domain().as_str(),
        "bot.localhost"
    );
    assert_eq!(take::<Inbound>(xml).unwrap().stanza().id(), Some("1"));
}

#[test]
fn what_may_be_absent() {
    let xml = "<message><json xmlns='urn:xmpp:json:0'>no</json></message>";
    assert!(take::<Option<Body>>(xml).unwrap().is_none());
    assert!(take::<Option<Payload<Ping>>>(xml).unwrap().is_none());
    assert!(take::<Option<Presence>>(xml).unwrap().is_none());
    assert!(take::<Option<Extension<u8>>>(xml).unwrap().is_none());
    // A bad one is not an absent one.
    assert_eq!(told::<Option<Json<Order>>>(xml).0, Condition::BadRequest);
    let decided = take::<Result<Json<Order>, Rejection>>(xml).unwrap();
    assert!(!decided.unwrap_err().is_missing());
}

#[test]
fn state_and_its_parts() {
    struct App(u8);
    impl FromRef<App> for u8 {
        fn from_ref(app: &App) -> Self {
            app.0
        }
    }
    let State(part) = State::<u8>::from_inbound(&inbound("<message/>"), &App(7)).unwrap();
    assert_eq!(part, 7);
    let State(whole) = State::<&str>::from_inbound(&inbound("<message/>"), &"all").unwrap();
    assert_eq!(whole, "all");
}

#[test]
fn an_extension_is_what_a_layer_has_added() {
    let mut inbound = inbound("<message/>");
    inbound.extensions_mut().insert(7u8);
    let Extension(value) = Extension::<u8>::from_inbound(&inbound, &()).unwrap();
    assert_eq!(value, 7);
    // A missing layer is our fault, and the peer does not learn of it.
    assert_eq!(
        told::<Extension<u8>>("<message/>"),
        (Condition::InternalServerError, None, true)
    );
}
