//! Every extractor, applied to literal stanzas.

use serde::Deserialize;
use xmpp_parsers::ping::Ping;
use xmpp_parsers::version::VersionResult;

use super::*;
use crate::client::Client;
use crate::error::Condition;
use crate::error::classify;
use crate::stanza::{Children, IqType, Kind, MessageType, PresenceType};
use crate::test_util::inbound;

fn extract<T: FromInbound<()>>(xml: &str) -> Result<T, BoxError> {
    T::from_inbound(&inbound(xml), &()).map_err(Into::into)
}

/// Returns the error sent to the peer, and `true` if it is an internal fault.
fn rejection<T: FromInbound<()>>(xml: &str) -> (Condition, Option<String>, bool) {
    let Err(error) = extract::<T>(xml) else {
        panic!("extraction from {xml} must fail")
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
fn sender_and_recipient_are_extracted() {
    let Sender(from) = extract("<iq type='get' id='1'/>").unwrap();
    let Recipient(to) = extract("<iq type='get' id='1' to='x@bot.localhost/y'/>").unwrap();
    assert_eq!(
        (from.as_str(), to.as_str()),
        ("alice@example.org/desk", "x@bot.localhost/y")
    );
}

#[test]
fn payload_is_found_by_name() {
    let xml = "<message><body>hi</body><ping xmlns='urn:xmpp:ping'/></message>";
    extract::<Payload<Ping>>(xml).unwrap();
    assert_eq!(
        rejection::<Payload<Ping>>("<message><ping xmlns='urn:other'/></message>"),
        bad("no such element")
    );
    let (condition, text, fault) = rejection::<Payload<VersionResult>>(
        "<iq type='set' id='1'><query xmlns='jabber:iq:version'><what/></query></iq>",
    );
    assert_eq!((condition, fault), (Condition::BadRequest, false));
    assert!(text.unwrap().starts_with("invalid element: "));
}

#[test]
fn header_fields_are_extracted() {
    let xml = "<message type='chat' id='m1' xml:lang='pt-BR'/>";
    assert_eq!(extract::<Id>(xml).unwrap().0, "m1");
    assert_eq!(extract::<Lang>(xml).unwrap().0, "pt-BR");
    assert_eq!(rejection::<Id>("<presence/>"), bad("the stanza has no id"));
    assert_eq!(
        rejection::<Lang>("<presence/>"),
        bad("the stanza has no language")
    );
    assert!(extract::<Option<Id>>("<presence/>").unwrap().is_none());
    assert_eq!(extract::<MessageType>(xml).unwrap(), MessageType::Chat);
    assert_eq!(
        extract::<IqType>("<iq type='set' id='1'/>").unwrap(),
        IqType::Set
    );
    assert_eq!(
        extract::<PresenceType>("<presence type='probe'/>").unwrap(),
        PresenceType::Probe
    );
    assert_eq!(rejection::<IqType>(xml), bad("the stanza is not an IQ"));
    assert_eq!(
        rejection::<PresenceType>(xml),
        bad("the stanza is not presence")
    );
    assert_eq!(
        rejection::<MessageType>("<presence/>"),
        bad("the stanza is not a message")
    );
}

#[test]
fn payloads_extracts_all_of_a_type() {
    let pings = |xml| extract::<Payloads<Ping>>(xml).map(|pings| pings.0.len());
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    assert_eq!(pings("<message><body>hi</body></message>").unwrap(), 0);
    assert_eq!(
        pings(&format!("<message>{ping}<body>hi</body>{ping}</message>")).unwrap(),
        2
    );
    let version = "<query xmlns='jabber:iq:version'><name>a</name><version>1</version></query>";
    assert_eq!(
        extract::<Payloads<VersionResult>>(&format!("<message>{version}</message>"))
            .unwrap()
            .0
            .len(),
        1
    );
    let one_is_bad =
        format!("<message>{version}<query xmlns='jabber:iq:version'><what/></query></message>");
    let (condition, text, fault) = rejection::<Payloads<VersionResult>>(&one_is_bad);
    assert_eq!((condition, fault), (Condition::BadRequest, false));
    assert!(text.unwrap().starts_with("invalid element: "));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Order {
    count: u32,
}

#[test]
fn json_container_is_found_at_any_depth() {
    let rows = [
        "<message><json xmlns='urn:xmpp:json:0'>{\"count\":3}</json></message>",
        "<iq type='set' id='1'><json xmlns='urn:xmpp:json:0'>{ \"count\": 3 }</json></iq>",
        "<iq type='set' id='1'><order xmlns='urn:x'><json \
        xmlns='urn:xmpp:json:0'>{\"count\":3}</json></order></iq>",
        "<message><a xmlns='urn:a'/><b xmlns='urn:b'><c><json \
        xmlns='urn:xmpp:json:0'>{\"count\":3}</json></c></b></message>",
    ];
    for xml in rows {
        let Json(order) = extract::<Json<Order>>(xml).unwrap();
        assert_eq!(order, Order { count: 3 }, "{xml}");
    }
}

#[test]
fn invalid_json_replies_bad_request() {
    let none = "<message><body>urn:xmpp:json:0</body></message>";
    assert_eq!(
        rejection::<Json<Order>>(none),
        bad("no JSON container (XEP-0335)")
    );
    let wrong = "<message><json xmlns='urn:xmpp:json:0'>{\"count\":-1}</json></message>";
    let (condition, text, fault) = rejection::<Json<Order>>(wrong);
    assert_eq!((condition, fault), (Condition::BadRequest, false));
    assert!(
        text.unwrap()
            .starts_with("invalid JSON: invalid value: integer `-1`, expected u32")
    );
}

impl Datatype for Order {
    const DATATYPE: &'static str = "urn:example:order";
}

#[test]
fn json_message_is_found_by_datatype() {
    let payload = |datatype: &str, inner: &str| {
        format!("<payload xmlns='urn:xmpp:json-msg:0' datatype='{datatype}'>{inner}</payload>")
    };
    let json = |text: &str| format!("<json xmlns='urn:xmpp:json:0'>{text}</json>");
    let both = payload("urn:example:other", &json("[]"))
        + &payload("urn:example:order", &json("{\"count\":3}"));
    let message = |children: &str| format!("<message><body>an order</body>{children}</message>");
    assert_eq!(
        extract::<JsonMessage<Order>>(&message(&both)).unwrap().0,
        Order { count: 3 }
    );
    let other = message(&payload("urn:example:other", &json("{\"count\":3}")));
    assert_eq!(
        rejection::<JsonMessage<Order>>(&other),
        bad("no JSON message of datatype urn:example:order (XEP-0432)")
    );
    assert!(
        extract::<Option<JsonMessage<Order>>>(&other)
            .unwrap()
            .is_none()
    );
    let hollow = message(&payload("urn:example:order", ""));
    assert_eq!(
        rejection::<Option<JsonMessage<Order>>>(&hollow),
        bad("no JSON container (XEP-0335)")
    );
    let wrong =
        rejection::<JsonMessage<Order>>(&message(&payload("urn:example:order", &json("7"))));
    assert!(wrong.1.unwrap().starts_with("invalid JSON: "));
    // `Json` ignores the datatype and finds the container.
    assert_eq!(
        extract::<Json<Order>>(&other).unwrap().0,
        Order { count: 3 }
    );
}

#[test]
fn body_is_in_the_language_of_the_message() {
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
        assert_eq!(extract::<Body>(xml).unwrap().0, wanted, "{xml}");
    }
    assert_eq!(
        rejection::<Body>("<message><body xmlns='urn:x'>hi</body></message>"),
        bad("no body")
    );
}

#[test]
fn text_is_chosen_by_language() {
    let xml = "<message xml:lang='en'><body>hi</body><body xml:lang='de'>Hallo</body>\
        <body xml:lang='de-CH'>Grüezi</body><subject xml:lang='fr'>bonjour</subject></message>";
    let Bodies(body) = extract(xml).unwrap();
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
    for (languages, wanted) in rows {
        assert_eq!(body.choose(languages), wanted, "{languages:?}");
    }
    assert_eq!(body.own(), "hi");
    assert_eq!(
        body.iter().collect::<Vec<_>>()[1..],
        [(Some("de"), "Hallo"), (Some("de-CH"), "Grüezi")]
    );
    // No subject is in the language of the stanza, so the first one is used. A wide range matches a
    // narrower tag.
    let Subjects(subject) = extract(xml).unwrap();
    assert_eq!(
        (subject.own(), subject.choose(&["de"])),
        ("bonjour", "bonjour")
    );
    let Bodies(only) =
        extract("<message><body xml:lang='de-CH'>Grüezi</body><body>hi</body></message>").unwrap();
    assert_eq!((only.own(), only.choose(&["de"])), ("hi", "Grüezi"));
    assert_eq!(
        rejection::<Bodies>("<message><subject>x</subject></message>"),
        bad("no body")
    );
}

#[test]
fn subject_and_thread_are_extracted() {
    let xml = "<message><subject>news</subject><thread parent='t0'>t1</thread></message>";
    assert_eq!(extract::<Subject>(xml).unwrap().0, "news");
    assert_eq!(
        extract::<Thread>(xml).unwrap(),
        Thread {
            id: "t1".to_owned(),
            parent: Some("t0".to_owned())
        }
    );
    assert_eq!(rejection::<Subject>("<message/>"), bad("no subject"));
    assert_eq!(rejection::<Thread>("<message/>"), bad("no thread"));
}

#[test]
fn presence_fields_are_extracted() {
    let xml =
        "<presence><show>xa</show><status>on the moon</status><priority> -7 </priority></presence>";
    assert_eq!(extract::<Show>(xml).unwrap(), Show::Xa);
    assert_eq!(extract::<StatusText>(xml).unwrap().0, "on the moon");
    assert_eq!(extract::<Priority>(xml).unwrap(), Priority(-7));
    let plain = "<presence/>";
    assert!(extract::<Option<Show>>(plain).unwrap().is_none());
    assert!(extract::<Option<StatusText>>(plain).unwrap().is_none());
    assert_eq!(extract::<Priority>(plain).unwrap(), Priority(0));
    let odd = "<presence><show>busy</show><priority>200</priority></presence>";
    assert_eq!(
        rejection::<Option<Show>>(odd),
        bad("show must be one of away, chat, dnd, xa")
    );
    assert_eq!(
        rejection::<Priority>(odd),
        bad("priority must be an integer from -128 to 127")
    );
    // In a message, such a child does not describe availability.
    let message = "<message><status>on the moon</status></message>";
    assert_eq!(
        rejection::<StatusText>(message),
        bad("the stanza is not presence")
    );
    assert_eq!(
        rejection::<Priority>(message),
        bad("the stanza is not presence")
    );
}

#[test]
fn delay_is_extracted() {
    let xml = "<message><body>hi</body><delay xmlns='urn:xmpp:delay' from='example.org' \
        stamp='2026-01-02T03:04:05Z'>Offline Storage</delay></message>";
    let delay = extract::<Delay>(xml).unwrap();
    assert_eq!(delay.stamp.0.timestamp(), 1_767_323_045);
    assert_eq!(delay.data.as_deref(), Some("Offline Storage"));
    assert!(extract::<Option<Delay>>("<message/>").unwrap().is_none());
    let bad_stamp = "<message><delay xmlns='urn:xmpp:delay' stamp='yesterday'/></message>";
    assert_eq!(
        rejection::<Option<Delay>>(bad_stamp).0,
        Condition::BadRequest
    );
}

#[test]
fn stanza_error_is_extracted_from_a_bounce() {
    let xml = "<message type='error' id='m1'><body>hi</body><error type='wait'>\
        <recipient-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
        <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>at lunch</text></error></message>";
    let error = extract::<StanzaError>(xml).unwrap();
    assert_eq!(
        (error.condition(), error.text()),
        (Condition::RecipientUnavailable, Some("at lunch"))
    );
    assert!(
        extract::<Option<StanzaError>>("<message><body>hi</body></message>")
            .unwrap()
            .is_none()
    );
}

#[test]
fn whole_stanzas_are_extracted() {
    let xml = "<message id='1' type='chat'><body>hi</body></message>";
    assert_eq!(extract::<Message>(xml).unwrap().id.unwrap().0, "1");
    assert_eq!(rejection::<Presence>(xml).0, Condition::BadRequest);
    let away = extract::<Presence>("<presence><show>away</show></presence>").unwrap();
    assert_eq!(away.show, Some(xmpp_parsers::presence::Show::Away));
    // An invalid child matters only to a handler that extracts it.
    let busy = "<presence><show>busy</show></presence>";
    assert_eq!(rejection::<Presence>(busy).0, Condition::BadRequest);
    assert_eq!(
        extract::<Children>(busy).unwrap().as_bytes(),
        b"<show>busy</show>"
    );
    assert_eq!(extract::<StanzaRef>(xml).unwrap().id(), Some("1"));
    assert_eq!(
        extract::<Kind>("<iq type='set' id='1'/>").unwrap(),
        Kind::Iq(IqType::Set)
    );
    assert_eq!(
        extract::<Client>(xml).unwrap().domain().as_str(),
        "bot.localhost"
    );
    assert_eq!(extract::<Inbound>(xml).unwrap().stanza().id(), Some("1"));
}

#[test]
fn option_accepts_missing_and_rejects_invalid_values() {
    let xml = "<message><json xmlns='urn:xmpp:json:0'>no</json></message>";
    assert!(extract::<Option<Body>>(xml).unwrap().is_none());
    assert!(extract::<Option<Payload<Ping>>>(xml).unwrap().is_none());
    assert!(extract::<Option<Presence>>(xml).unwrap().is_none());
    assert!(extract::<Option<Extension<u8>>>(xml).unwrap().is_none());
    // Invalid is not missing.
    assert_eq!(
        rejection::<Option<Json<Order>>>(xml).0,
        Condition::BadRequest
    );
    let decided = extract::<Result<Json<Order>, Rejection>>(xml).unwrap();
    assert!(!decided.unwrap_err().is_missing());
}

#[test]
fn state_and_its_parts_are_extracted() {
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
fn extension_holds_a_value_added_by_a_layer() {
    let mut inbound = inbound("<message/>");
    inbound.extensions_mut().insert(7u8);
    let Extension(value) = Extension::<u8>::from_inbound(&inbound, &()).unwrap();
    assert_eq!(value, 7);
    // A missing layer is an internal fault, which is not disclosed to the peer.
    assert_eq!(
        rejection::<Extension<u8>>("<message/>"),
        (Condition::InternalServerError, None, true)
    );
}
