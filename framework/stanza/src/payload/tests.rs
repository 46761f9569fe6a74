//! Parsing and serializing of each payload type.

use xso::{AsXml, FromXml};

use super::*;
use crate::stanza::Children;

fn parse<T: FromXml>(xml: &str) -> Result<T, crate::stanza::ParseError> {
    let element: minidom::Element = xml.parse().unwrap();
    Children::of(&element).unwrap().first().unwrap().parse()
}

fn same<T: FromXml + AsXml + PartialEq + std::fmt::Debug>(value: &T, xml: &str) {
    assert_eq!(
        String::from_utf8_lossy(Children::of(value).unwrap().as_bytes()),
        xml
    );
    assert_eq!(parse::<T>(xml).unwrap(), *value, "{xml}");
}

#[test]
fn command_payloads_round_trip() {
    let request = CommandPayload {
        action: Some(CommandAction::Execute),
        ..CommandPayload::new("list")
    };
    same(
        &request,
        "<command xmlns='http://jabber.org/protocol/commands' node='list' action='execute'/>",
    );
    let form: minidom::Element = "<x xmlns='jabber:x:data' type='form'/>".parse().unwrap();
    let answer = CommandPayload {
        session: Some("s1".into()),
        status: Some(CommandStatus::Executing),
        actions: Some(CommandActions {
            execute: Some(CommandAction::Next),
            prev: true,
            next: true,
            complete: false,
        }),
        notes: vec![Note::warn("slow")],
        payloads: vec![form],
        ..CommandPayload::new("config")
    };
    let xml = "<command xmlns='http://jabber.org/protocol/commands' node='config' sessionid='s1' \
        status='executing'>\
        <actions execute='next'><prev/><next/></actions><note type='warn'>slow</note>\
        <x xmlns='jabber:x:data' type='form'/></command>";
    same(&answer, xml);
    let other = xml
        .replace("<note type='warn'>slow</note>", "")
        .replace("</command>", "<note type='warn'>slow</note></command>");
    assert_eq!(
        parse::<CommandPayload>(&other).unwrap(),
        answer,
        "the order of children does not matter"
    );
    assert!(
        parse::<CommandPayload>("<command xmlns='http://jabber.org/protocol/commands'/>").is_err()
    );
    assert!(parse::<CommandPayload>(&xml.replace("executing", "busy")).is_err());
    same(
        &CommandErrorCondition::BadSessionId,
        "<bad-sessionid xmlns='http://jabber.org/protocol/commands'/>",
    );
    assert_eq!(CommandStatus::Canceled.to_string(), "canceled");
    assert_eq!("what".parse::<CommandAction>(), Err(UnknownValue));
}

#[test]
fn hints_replies_and_fallbacks_round_trip() {
    let hints = [
        (Hint::NoPermanentStore, "no-permanent-store"),
        (Hint::NoStore, "no-store"),
        (Hint::NoCopy, "no-copy"),
        (Hint::Store, "store"),
    ];
    for (hint, name) in hints {
        same(&hint, &format!("<{name} xmlns='urn:xmpp:hints'/>"));
    }
    let reply = InReplyTo {
        to: Some("anna@example.com/tablet".parse().unwrap()),
        id: "m1".into(),
    };
    same(
        &reply,
        "<reply xmlns='urn:xmpp:reply:0' to='anna@example.com/tablet' id='m1'/>",
    );
    same(
        &InReplyTo { to: None, ..reply },
        "<reply xmlns='urn:xmpp:reply:0' id='m1'/>",
    );
    same(
        &Fallback::for_namespace("urn:xmpp:reply:0"),
        "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body/></fallback>",
    );
    same(
        &Fallback::default(),
        "<fallback xmlns='urn:xmpp:fallback:0'/>",
    );
}

#[test]
fn strip_removes_fallback_parts() {
    let quote = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' \
        end='8'/></fallback>";
    let quote: Fallback = parse(quote).unwrap();
    assert_eq!(quote.strip("> héllo\nyes"), "yes");
    assert_eq!(Fallback::for_namespace("urn:x").strip("all of it"), "");
    assert_eq!(Fallback::default().strip("all of it"), "");
    let subject = Fallback {
        subject: vec![FallbackSubject::default()],
        ..Fallback::default()
    };
    assert_eq!(subject.strip("the body stays"), "the body stays");
    let beyond = Fallback {
        body: vec![FallbackBody {
            start: Some(2),
            end: Some(99),
        }],
        ..Fallback::default()
    };
    assert_eq!(beyond.strip("äöü"), "äö");
}

#[test]
fn reexported_payloads_round_trip() {
    same(
        &ChatState::Composing,
        "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
    );
    same(
        &Received { id: "1".into() },
        "<received xmlns='urn:xmpp:receipts' id='1'/>",
    );
    same(&Markable, "<markable xmlns='urn:xmpp:chat-markers:0'/>");
    same(
        &OriginId { id: "1".into() },
        "<origin-id xmlns='urn:xmpp:sid:0' id='1'/>",
    );
    parse::<ReceiptRequest>("<request xmlns='urn:xmpp:receipts'/>").unwrap();
    parse::<Displayed>("<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>").unwrap();
    parse::<StanzaId>("<stanza-id xmlns='urn:xmpp:sid:0' id='1' by='room@x'/>").unwrap();
    parse::<Delay>("<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>").unwrap();
}
