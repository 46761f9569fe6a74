//! Each cell of the table on [`Reply`].

use xmpp_parsers::ping::Ping;

use super::*;
use crate::error::Condition;
use crate::extract::{Json, Payload, Payloads};
use crate::test_util::{addressed, stanza};

const IQ: &str = "<iq type='set' id='q'><a xmlns='urn:a'/></iq>";
const CHAT: &str = "<message type='chat' id='m'><body>hi</body></message>";
const NORMAL: &str = "<message id='n'><body>hi</body></message>";
const ROOM: &str =
    "<message type='groupchat' id='g' from='room@muc.example.org/bob'><body>hi</body></message>";
const HEADLINE: &str = "<message type='headline' id='h'><body>hi</body></message>";
const PRESENCE: &str = "<presence id='p'/>";
const SILENT: [&str; 11] = [
    "<message type='error' id='e'><body>hi</body></message>",
    "<presence type='error'/>",
    "<iq type='result' id='r'/>",
    "<iq type='error' id='r'/>",
    "<iq type='result' id='r'><a xmlns='urn:a'/></iq>",
    "<message type='error' id='e'/>",
    "<message type='chat' id='o' from='bot.localhost/x'><body>own</body></message>",
    "<message type='groupchat' id='g' from='room@muc.example.org/bob'><body>hi</body>\
    <delay xmlns='urn:xmpp:delay' stamp='2026-01-31T12:00:00Z'/></message>",
    "<message type='chat' id='c'><received xmlns='urn:xmpp:carbons:2'/></message>",
    "<message type='chat' id='c'><sent xmlns='urn:xmpp:carbons:2'/></message>",
    "<message id='c'><result xmlns='urn:xmpp:mam:2' id='1'/></message>",
];

fn answer(reply: impl IntoReply, request: &str) -> String {
    addressed(reply.into_reply(), &stanza(request))
}

/// XML of a reply to Alice: the element with its addresses and id, then `rest`.
fn back(name: &str, id: &str, rest: &str) -> String {
    format!("<{name} from='bot.localhost' to='alice@example.org/desk' id='{id}'{rest}")
}

fn children() -> Children {
    Children::of(&Ping).unwrap()
}

fn message() -> Stanza {
    Stanza::new(Kind::Message(MessageType::Headline))
        .with_id("x")
        .with_text("body", "news")
        .unwrap()
}

const PING: &str = "<ping xmlns='urn:xmpp:ping'/>";
const NEWS: &str = " type='headline'><body>news</body></message>";
const NOT_ACCEPTABLE: &str =
    "<error type='modify'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";

#[test]
fn empty_reply_to_iq_is_empty_result() {
    assert_eq!(answer((), IQ), back("iq", "q", " type='result'/>"));
    assert_eq!(
        answer(None::<Children>, IQ),
        back("iq", "q", " type='result'/>")
    );
}

#[test]
fn empty_reply_to_other_stanzas_sends_nothing() {
    for request in [CHAT, NORMAL, ROOM, HEADLINE, PRESENCE] {
        assert_eq!(answer((), request), "", "{request}");
    }
}

#[test]
fn delayed_chat_message_is_answered() {
    let delayed = CHAT.replace(
        "</message>",
        "<delay xmlns='urn:xmpp:delay' stamp='2026-01-31T12:00:00Z'/></message>",
    );
    assert_eq!(answer(children(), &delayed), answer(children(), CHAT));
}

#[test]
fn children_reply_to_iq_is_its_result() {
    assert_eq!(
        answer(children(), IQ),
        back("iq", "q", &format!(" type='result'>{PING}</iq>"))
    );
    assert_eq!(answer(Payload(Ping), IQ), answer(children(), IQ));
}

#[test]
fn children_reply_to_chat_or_normal_keeps_the_type() {
    assert_eq!(
        answer(children(), CHAT),
        back("message", "m", &format!(" type='chat'>{PING}</message>"))
    );
    assert_eq!(
        answer(children(), NORMAL),
        back("message", "n", &format!(" type='normal'>{PING}</message>"))
    );
}

#[test]
fn children_reply_to_groupchat_headline_presence_sends_nothing() {
    for request in [ROOM, HEADLINE, PRESENCE] {
        assert_eq!(answer(children(), request), "", "{request}");
    }
}

#[test]
fn stanza_reply_to_iq_precedes_the_empty_result() {
    let wanted = back("message", "x", NEWS) + &back("iq", "q", " type='result'/>");
    assert_eq!(answer(message(), IQ), wanted);
}

#[test]
fn stanza_reply_to_other_stanzas_is_sent_as_is() {
    for request in [CHAT, NORMAL, HEADLINE, PRESENCE] {
        assert_eq!(
            answer(message(), request),
            back("message", "x", NEWS),
            "{request}"
        );
    }
}

#[test]
fn stanza_reply_keeps_its_addresses() {
    let stanza = message()
        .with_from(jid("news@bot.localhost"))
        .with_to(jid("bob@example.org"));
    let wanted = format!("<message from='news@bot.localhost' to='bob@example.org' id='x'{NEWS}");
    assert_eq!(answer(stanza, CHAT), wanted);
}

#[test]
fn groupchat_reply_goes_to_the_bare_room_address() {
    let stanza = Stanza::new(Kind::Message(MessageType::Groupchat))
        .with_text("body", "hi all")
        .unwrap();
    let wanted = "<message from='bot.localhost' to='room@muc.example.org' \
        type='groupchat'><body>hi all</body></message>";
    assert_eq!(answer(stanza, ROOM), wanted);
}

#[test]
fn iq_result_built_by_a_handler_is_the_result() {
    let result = Stanza::new(Kind::Iq(IqType::Result))
        .with_id("wrong")
        .with_children(children());
    assert_eq!(answer(result, IQ), answer(children(), IQ));
}

#[test]
fn error_reply_to_iq_is_an_iq_error() {
    assert_eq!(
        answer(Condition::NotAcceptable, IQ),
        back("iq", "q", &format!(" type='error'>{NOT_ACCEPTABLE}</iq>"))
    );
}

#[test]
fn error_reply_to_message_with_content_is_a_message_error() {
    let rejected = |id| {
        back(
            "message",
            id,
            &format!(" type='error'>{NOT_ACCEPTABLE}</message>"),
        )
    };
    assert_eq!(
        answer(StanzaError::new(Condition::NotAcceptable), CHAT),
        rejected("m")
    );
    assert_eq!(answer(Condition::NotAcceptable, NORMAL), rejected("n"));
}

#[test]
fn error_reply_to_other_stanzas_sends_nothing() {
    let empty =
        "<message type='chat'><active xmlns='http://jabber.org/protocol/chatstates'/></message>";
    let delayed =
        "<message type='chat'><body>hi</body><delay xmlns='urn:xmpp:delay' stamp='x'/></message>";
    let own = "<message type='chat' from='x@bot.localhost'><body>hi</body></message>";
    for request in [ROOM, HEADLINE, PRESENCE, empty, delayed, own] {
        assert_eq!(answer(Condition::NotAcceptable, request), "", "{request}");
    }
}

#[test]
fn multiple_replies_to_iq_contain_one_result() {
    let twice = vec![
        Reply::Children(children()),
        Reply::Stanza(Box::new(message())),
        Reply::Children(children()),
    ];
    let wanted = answer(children(), IQ) + &back("message", "x", NEWS);
    assert_eq!(answer(twice, IQ), wanted);
    let rejected = vec![
        Reply::Error(Condition::NotAcceptable.into()),
        Reply::Children(children()),
    ];
    assert_eq!(answer(rejected, IQ), answer(Condition::NotAcceptable, IQ));
    let none = vec![Reply::Stanza(Box::new(message()))];
    assert_eq!(answer(none, IQ), answer(message(), IQ));
}

#[test]
fn multiple_replies_to_other_stanzas_are_all_sent() {
    let both = || {
        vec![
            Reply::Children(children()),
            Reply::Stanza(Box::new(message())),
        ]
    };
    assert_eq!(
        answer(both(), CHAT),
        answer(children(), CHAT) + &answer(message(), CHAT)
    );
    for request in [HEADLINE, PRESENCE] {
        assert_eq!(
            answer(both(), request),
            back("message", "x", NEWS),
            "{request}"
        );
    }
    let in_room = answer(both(), ROOM);
    assert_eq!(
        in_room,
        format!("<message from='bot.localhost' to='room@muc.example.org/bob' id='x'{NEWS}")
    );
}

#[test]
fn errors_and_results_get_no_reply() {
    for request in SILENT {
        assert_eq!(answer((), request), "", "{request}");
        assert_eq!(answer(children(), request), "", "{request}");
        assert_eq!(answer(message(), request), "", "{request}");
        assert_eq!(answer(Condition::NotAcceptable, request), "", "{request}");
        assert_eq!(answer(vec![message()], request), "", "{request}");
    }
}

#[tokio::test]
async fn deferred_reply_equals_immediate_reply() {
    for request in [IQ, CHAT, NORMAL, ROOM, HEADLINE, PRESENCE]
        .into_iter()
        .chain(SILENT)
    {
        let (deferred, responder) = Deferred::channel();
        responder.send(Reply::Children(children()));
        let Ok(Reply::Deferred(deferred)) = deferred.into_reply() else {
            panic!("not a deferred reply")
        };
        let reply = deferred
            .wait(std::time::Duration::from_secs(1))
            .await
            .unwrap();
        assert_eq!(
            answer(reply, request),
            answer(children(), request),
            "{request}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn missing_deferred_reply_is_an_error() {
    let second = std::time::Duration::from_secs(1);
    let (deferred, responder) = Deferred::channel();
    drop(responder);
    let told = addressed(deferred.wait(second).await, &stanza(IQ));
    assert!(told.contains("internal-server-error"), "{told}");
    let (deferred, _responder) = Deferred::channel();
    let told = addressed(deferred.within(second).wait(2 * second).await, &stanza(IQ));
    assert!(told.contains("remote-server-timeout"), "{told}");
}

#[test]
fn deferred_reply_inside_multiple_is_internal_server_error() {
    let (deferred, _responder) = Deferred::channel();
    assert_eq!(
        answer(vec![deferred], IQ),
        answer(Condition::InternalServerError, IQ)
    );
}

#[test]
fn tuple_is_multiple_replies() {
    let wanted = back("message", "x", NEWS) + &answer(children(), IQ);
    assert_eq!(answer((message(), Payload(Ping)), IQ), wanted);
    assert_eq!(
        answer(("a", None::<&str>, message(), "b"), CHAT),
        answer("a", CHAT) + &answer(message(), CHAT) + &answer("b", CHAT)
    );
    assert_eq!(
        answer(("a", Err::<(), _>(Condition::Gone)), CHAT),
        answer(Condition::Gone, CHAT)
    );
}

#[test]
fn text_becomes_a_message_body() {
    let wanted = back(
        "message",
        "m",
        " type='chat'><body>a &amp; b</body></message>",
    );
    assert_eq!(answer("a & b", CHAT), wanted);
    assert_eq!(answer("a & b".to_owned(), CHAT), wanted);
    assert_eq!(answer(std::borrow::Cow::Borrowed("a & b"), CHAT), wanted);
    assert_eq!(answer(Text("a & b".to_owned()), CHAT), wanted);
    assert!("\u{1}".into_reply().is_err());
}

#[test]
fn json_is_sent_in_a_json_container() {
    let wanted = back(
        "iq",
        "q",
        " type='result'><json xmlns='urn:xmpp:json:0'>[1,2]</json></iq>",
    );
    assert_eq!(answer(Json([1, 2]), IQ), wanted);
}

#[test]
fn json_message_carries_its_datatype() {
    #[derive(serde::Serialize)]
    struct Position(i8, i8);
    impl crate::extract::Datatype for Position {
        const DATATYPE: &'static str = "urn:example:position";
    }
    let wanted = " type='chat'><payload xmlns='urn:xmpp:json-msg:0' \
        datatype='urn:example:position'>\
        <json xmlns='urn:xmpp:json:0'>[1,-2]</json></payload></message>";
    assert_eq!(
        answer(crate::extract::JsonMessage(Position(1, -2)), CHAT),
        back("message", "m", wanted)
    );
}

#[test]
fn payloads_become_children_of_one_message() {
    let twice = Payloads(vec![Ping, Ping]);
    assert_eq!(
        answer(twice, CHAT),
        back(
            "message",
            "m",
            &format!(" type='chat'>{PING}{PING}</message>")
        )
    );
    assert_eq!(answer(Payloads(vec![Ping]), IQ), answer(children(), IQ));
    assert_eq!(answer(Payloads::<Ping>(vec![]), IQ), answer((), IQ));
}

#[test]
fn iq_result_with_several_children_is_internal_server_error() {
    let twice = Payloads(vec![Ping, Ping]);
    assert_eq!(
        answer(twice, IQ),
        answer(Condition::InternalServerError, IQ)
    );
}

#[test]
fn xmpp_parsers_types_are_sent_as_stanzas() {
    let message = xmpp_parsers::message::Message::chat(jid("bob@example.org"))
        .with_body(xmpp_parsers::message::Lang(String::new()), "hi".to_owned());
    let wanted =
        "<message from='bot.localhost' to='bob@example.org' type='chat'><body>hi</body></message>";
    assert_eq!(answer(message, CHAT), wanted);
    let presence = xmpp_parsers::presence::Presence::unavailable();
    assert_eq!(
        answer(presence, CHAT),
        "<presence from='bot.localhost' to='alice@example.org/desk' \
        type='unavailable'><priority>0</priority></presence>"
    );
}

#[test]
fn result_error_is_mapped_to_a_stanza_error() {
    let number: Result<(), _> = "x".parse::<u8>().map(drop);
    assert!(answer(number, IQ).contains("internal-server-error"));
    let rejected: Result<(), _> = Err(Condition::Gone);
    assert!(answer(rejected, IQ).contains("<gone xmlns"));
    let fine: Result<&str, std::fmt::Error> = Ok("hi");
    assert_eq!(answer(fine, CHAT), answer("hi", CHAT));
}

fn jid(text: &str) -> jid::Jid {
    text.parse().unwrap()
}

#[test]
fn reply_in_a_language_carries_it() {
    use crate::error::StanzaError;
    use crate::router::Router;
    use crate::test_util::answer;

    let ask = "<message type='chat' xml:lang='de'><body>hi</body></message>";
    let from_to = "from='bot.localhost' to='alice@example.org/desk'";
    let text = async || super::InLanguage("de".to_owned(), "Guten Tag");
    assert_eq!(
        answer(&mut Router::new().message(text), ask),
        format!("<message {from_to} type='chat' xml:lang='de'><body>Guten Tag</body></message>")
    );
    let error = async || {
        let error = StanzaError::new(Condition::NotAcceptable).with_text("nein");
        super::InLanguage("de".to_owned(), error)
    };
    let reply = answer(&mut Router::new().message(error), ask);
    assert!(reply.contains("xml:lang='de'>nein</text>"), "{reply}");
    let german = async || {
        StanzaError::new(Condition::NotAcceptable)
            .with_text("nein")
            .with_lang("de")
    };
    assert_eq!(answer(&mut Router::new().message(german), ask), reply);
}

/// RFC 6120 §8.1.5 and §8.3.2: a text carries its own language, and none if it is unknown.
#[test]
fn error_text_has_the_language_that_its_author_stated() {
    use crate::error::StanzaError;
    use crate::extract::Json;
    use crate::router::Router;
    use crate::test_util::answer;

    let ask = "<message type='chat' xml:lang='de'><body>hi</body></message>";
    let unstated = async || StanzaError::new(Condition::NotAcceptable).with_text("nein");
    assert_eq!(
        answer(&mut Router::new().message(unstated), ask),
        "<message from='bot.localhost' to='alice@example.org/desk' type='error'>\
        <error type='modify'><not-acceptable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
        <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>nein</text></error></message>"
    );
    // A text of the library is English, also in the reply of a German handler.
    let german = async |_: Json<u32>| super::InLanguage("de".to_owned(), "ja");
    let reply = answer(&mut Router::new().message(german), ask);
    assert!(
        reply.contains("xml:lang='en'>no JSON container (XEP-0335)</text>"),
        "{reply}"
    );
}
