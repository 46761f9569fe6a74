//! Each extractor on literal stanzas.

use serde::Deserialize;
use xmpp_parsers::ping::Ping;
use xmpp_parsers::version::VersionResult;

use super::*;
use crate::client::Client;
use crate::error::Condition;
use crate::rescue::rescue;
use crate::samples::inbound;
use crate::stanza::{Children, IqType, Kind};

fn take<T: FromInbound<()>>(xml: &str) -> Result<T, BoxError> {
    T::from_inbound(&inbound(xml), &()).map_err(Into::into)
}

/// What the peer is told, and whether it is a fault of ours.
fn told<T: FromInbound<()>>(xml: &str) -> (Condition, Option<String>, bool) {
    let Err(error) = take::<T>(xml) else { panic!("{xml} was taken") };
    let rescued = rescue(&error);
    (rescued.error.condition(), rescued.error.text().map(str::to_owned), rescued.fault)
}

fn bad(text: &str) -> (Condition, Option<String>, bool) {
    (Condition::BadRequest, Some(text.to_owned()), false)
}

#[test]
fn addresses() {
    let Sender(from) = take("<iq type='get' id='1'/>").unwrap();
    let Recipient(to) = take("<iq type='get' id='1' to='x@bot.localhost/y'/>").unwrap();
    assert_eq!((from.as_str(), to.as_str()), ("alice@example.org/desk", "x@bot.localhost/y"));
}

#[test]
fn a_payload_is_found_by_its_name() {
    let xml = "<message><body>hi</body><ping xmlns='urn:xmpp:ping'/></message>";
    take::<Payload<Ping>>(xml).unwrap();
    assert_eq!(told::<Payload<Ping>>("<message><ping xmlns='urn:other'/></message>"), bad("no such element"));
    let (condition, text, fault) =
        told::<Payload<VersionResult>>("<iq type='set' id='1'><query xmlns='jabber:iq:version'><what/></query></iq>");
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
        "<iq type='set' id='1'><order xmlns='urn:x'><json xmlns='urn:xmpp:json:0'>{\"count\":3}</json></order></iq>",
        "<message><a xmlns='urn:a'/><b xmlns='urn:b'><c><json xmlns='urn:xmpp:json:0'>{\"count\":3}</json></c></b></message>",
    ];
    for xml in rows {
        let Json(order) = take::<Json<Order>>(xml).unwrap();
        assert_eq!(order, Order { count: 3 }, "{xml}");
    }
}

#[test]
fn unusable_json_is_a_bad_request() {
    let none = "<message><body>urn:xmpp:json:0</body></message>";
    assert_eq!(told::<Json<Order>>(none), bad("no JSON container (XEP-0335)"));
    let wrong = "<message><json xmlns='urn:xmpp:json:0'>{\"count\":-1}</json></message>";
    let (condition, text, fault) = told::<Json<Order>>(wrong);
    assert_eq!((condition, fault), (Condition::BadRequest, false));
    assert!(text.unwrap().starts_with("unusable JSON: invalid value: integer `-1`, expected u32"));
}

#[test]
fn the_body_is_the_one_in_the_language_of_the_message() {
    let rows = [
        ("<message><body>a &amp; b</body></message>", "a & b"),
        ("<message><active xmlns='http://jabber.org/protocol/chatstates'/><body>hi</body></message>", "hi"),
        ("<message><body xml:lang='de'>Hallo</body><body>hi</body></message>", "hi"),
        ("<message xml:lang='en'><body xml:lang='de'>Hallo</body><body xml:lang='en'>hi</body></message>", "hi"),
        ("<message><body xml:lang='de'>Hallo</body><body xml:lang='en'>hi</body></message>", "Hallo"),
    ];
    for (xml, wanted) in rows {
        assert_eq!(take::<Body>(xml).unwrap().0, wanted, "{xml}");
    }
    assert_eq!(told::<Body>("<message><body xmlns='urn:x'>hi</body></message>"), bad("no body"));
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
    assert_eq!(take::<Children>(busy).unwrap().as_bytes(), b"<show>busy</show>");
    assert_eq!(take::<StanzaRef>(xml).unwrap().id(), Some("1"));
    assert_eq!(take::<Kind>("<iq type='set' id='1'/>").unwrap(), Kind::Iq(IqType::Set));
    assert_eq!(take::<Client>(xml).unwrap().domain().as_str(), "bot.localhost");
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
    assert!(!decided.unwrap_err().is_absent());
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
    assert_eq!(told::<Extension<u8>>("<message/>"), (Condition::InternalServerError, None, true));
}
