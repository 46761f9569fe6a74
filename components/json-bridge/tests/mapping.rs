//! Conversion between stanzas and JSON, tested on literal XML.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::needless_pass_by_value,
    reason = "tests may panic"
)]

mod schema;

use campanile::stanza::Stanza;
use campanile_json_bridge::mapping::{Mode, from_json, from_xml, many_from_json, to_json};
use serde_json::{Value, json};

fn json_of(xml: &str) -> Value {
    let text = to_json(&from_xml(xml).unwrap(), Mode::Plain).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    #[allow(
        clippy::needless_pass_by_value,
        reason = "keeps the tables of literals short"
    )]
    schema::check(&json);
    json
}

/// Checks both directions: the XML gives the JSON, and the JSON gives the XML.
fn both(xml: &str, json: Value) {
    assert_eq!(json_of(xml), json, "{xml}");
    let back = from_json(&json.to_string()).unwrap();
    assert_eq!(
        back.to_element().unwrap(),
        from_xml(xml).unwrap().to_element().unwrap(),
        "{json}"
    );
}

fn fault(json: &str) -> (String, String) {
    let fault = from_json(json).unwrap_err();
    (fault.path().to_owned(), fault.why().to_owned())
}

fn message(children: &str) -> String {
    format!("<message type='chat' from='a@x/r' to='b@y' id='1'>{children}</message>")
}

fn with(key: &str, value: Value) -> Value {
    let mut json =
        json!({"kind": "message", "type": "chat", "from": "a@x/r", "to": "b@y", "id": "1"});
    json[key] = value;
    json
}

#[test]
fn message_keys_round_trip() {
    for (xml, key, value) in [
        ("<body>a &amp; b\n</body>", "body", json!("a & b\n")),
        ("<subject>s</subject>", "subject", json!("s")),
        (
            "<thread parent='p'>t</thread>",
            "thread",
            json!({"id": "t", "parent": "p"}),
        ),
        (
            "<composing xmlns='http://jabber.org/protocol/chatstates'/>",
            "state",
            json!("composing"),
        ),
        (
            "<request xmlns='urn:xmpp:receipts'/>",
            "receipt",
            json!(true),
        ),
        (
            "<received xmlns='urn:xmpp:receipts' id='9'/>",
            "received",
            json!("9"),
        ),
        (
            "<replace xmlns='urn:xmpp:message-correct:0' id='9'/>",
            "replace",
            json!("9"),
        ),
        (
            "<reply xmlns='urn:xmpp:reply:0' id='9' to='a@x'/>",
            "reply",
            json!({"id": "9", "to": "a@x"}),
        ),
        (
            "<reactions xmlns='urn:xmpp:reactions:0' id='9'><reaction>👍</reaction></reactions>",
            "reactions",
            json!({"id": "9", "reactions": ["👍"]}),
        ),
        (
            "<markable xmlns='urn:xmpp:chat-markers:0'/>",
            "markable",
            json!(true),
        ),
        (
            "<displayed xmlns='urn:xmpp:chat-markers:0' id='9'/>",
            "displayed",
            json!("9"),
        ),
        (
            "<x xmlns='jabber:x:conference' jid='r@c' continue='true'/>",
            "invite",
            json!({"jid": "r@c", "continue": true}),
        ),
        (
            "<reference xmlns='urn:xmpp:reference:0' begin='0' end='3' type='mention' \
            uri='xmpp:a@x'/>",
            "reference",
            json!({"begin": 0, "end": 3, "type": "mention", "uri": "xmpp:a@x"}),
        ),
        (
            "<stanza-id xmlns='urn:xmpp:sid:0' by='y' id='1'/><stanza-id xmlns='urn:xmpp:sid:0' \
            by='z' id='2'/>",
            "stanza_ids",
            json!([{"by": "y", "id": "1"}, {"by": "z", "id": "2"}]),
        ),
        (
            "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>",
            "delay",
            json!("2026-01-01T00:00:00Z"),
        ),
        (
            "<nick xmlns='http://jabber.org/protocol/nick'>n</nick>",
            "nick",
            json!("n"),
        ),
        (
            "<html xmlns='http://jabber.org/protocol/xhtml-im'><body \
            xmlns='http://www.w3.org/1999/xhtml'><p>x</p></body></html>",
            "html",
            json!("<body xmlns='http://www.w3.org/1999/xhtml'><p>x</p></body>"),
        ),
        (
            "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='s'/>\
             <message xmlns='jabber:client' from='c@x' to='d@x' \
             type='chat'><body>x</body></message></forwarded>",
            "forwarded",
            json!({
                "delay": "s",
                "message":
                    {"kind": "message", "type": "chat", "from": "c@x", "to": "d@x", "body": "x"}
            }),
        ),
    ] {
        both(&message(xml), with(key, value));
    }
}

#[test]
fn presence_keys_round_trip() {
    for (xml, more) in [
        ("<presence from='a@x'/>", json!({"type": "available"})),
        (
            "<presence from='a@x' type='subscribe'><status>please</status></presence>",
            json!({"type": "subscribe", "status": "please"}),
        ),
        (
            "<presence from='a@x'><show>away</show><priority>-1</priority></presence>",
            json!({"type": "available", "show": "away", "priority": -1}),
        ),
        (
            "<presence from='a@x'><x xmlns='http://jabber.org/protocol/muc'><history \
            maxstanzas='0'/></x></presence>",
            json!({"type": "available", "muc": {"history": {"maxstanzas": 0}}}),
        ),
    ] {
        let mut json = json!({"kind": "presence", "from": "a@x"});
        json.as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        both(xml, json);
    }
}

#[test]
fn iq_keys_round_trip() {
    let iq = |kind: &str, payload: &str| format!("<iq type='{kind}' id='1'>{payload}</iq>");
    for (kind, xml, key, value) in [
        ("get", "<ping xmlns='urn:xmpp:ping'/>", "ping", json!(true)),
        (
            "get",
            "<query xmlns='jabber:iq:version'/>",
            "version",
            json!(true),
        ),
        (
            "result",
            "<query xmlns='jabber:iq:version'><name>n</name><version>1</version></query>",
            "version",
            json!({"name": "n", "version": "1"}),
        ),
        (
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "disco",
            json!(true),
        ),
        (
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info' node='n'/>",
            "disco",
            json!("n"),
        ),
        (
            "result",
            "<query xmlns='http://jabber.org/protocol/disco#info'><identity category='client' \
            type='bot' name='b'/><feature var='f'/>\
             <x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' \
             type='hidden'><value>t</value></field>\
             <field var='a'><value>1</value><value>2</value></field></x></query>",
            "disco",
            json!({
                "identities": [{"category": "client", "type": "bot", "name": "b"}],
                "features": ["f"],
                "extensions": {"t": {"a": ["1", "2"]}}
            }),
        ),
        (
            "result",
            "<query xmlns='http://jabber.org/protocol/disco#items'><item jid='a@x' \
            node='n'/></query>",
            "items",
            json!([{"jid": "a@x", "node": "n"}]),
        ),
        (
            "set",
            "<command xmlns='http://jabber.org/protocol/commands' node='n'/>",
            "command",
            json!("n"),
        ),
        (
            "result",
            "<command xmlns='http://jabber.org/protocol/commands' node='n' status='executing' \
            sessionid='s'>\
             <actions execute='next'><next/></actions><note type='info'>t</note></command>",
            "command",
            json!({
                "node": "n", "status": "executing", "sessionid": "s",
                "actions": {"execute": "next", "next": true},
                "note": {"type": "info", "text": "t"}
            }),
        ),
        (
            "result",
            "<query xmlns='jabber:iq:last' seconds='5'>gone</query>",
            "lastactivity",
            json!({"seconds": 5, "status": "gone"}),
        ),
        (
            "result",
            "<slot xmlns='urn:xmpp:http:upload:0'><get url='g'/><put url='p'><header \
            name='A'>b</header></put></slot>",
            "upload_slot",
            json!({
                "get": {"url": "g"},
                "put": {"url": "p", "headers": [{"name": "A", "value": "b"}]}
            }),
        ),
        (
            "set",
            "<query xmlns='urn:xmpp:mam:2' queryid='q'><set \
            xmlns='http://jabber.org/protocol/rsm'><before/><max>5</max></set></query>",
            "archive",
            json!({"queryid": "q", "page": {"before": "", "max": 5}}),
        ),
        (
            "result",
            "<query xmlns='http://jabber.org/protocol/stats'><stat name='a' unit='b' \
            value='1'/></query>",
            "stats",
            json!([{"name": "a", "unit": "b", "value": "1"}]),
        ),
        (
            "result",
            "<q xmlns='urn:q'><json xmlns='urn:xmpp:json:0'>[1]</json></q>",
            "container",
            json!({"name": "q", "xmlns": "urn:q", "json": [1]}),
        ),
    ] {
        let mut json = json!({"kind": "iq", "type": kind, "id": "1"});
        json[key] = value;
        both(&iq(kind, xml), json);
    }
    assert_eq!(
        from_json(r#"{"disco":true,"id":"1"}"#).unwrap().to_xml(),
        iq(
            "get",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>"
        )
        .replace(" type='get' id='1'", " id='1' type='get'")
    );
    assert_eq!(
        fault(r#"{"ping":true,"version":true}"#).1,
        "an iq can have only one payload (RFC 6120 §8.2.3)"
    );
}

#[test]
fn data_forms_keep_options() {
    both(
        "<iq type='result' id='1'><command xmlns='http://jabber.org/protocol/commands' node='n'><x \
        xmlns='jabber:x:data' type='form'>\
         <title>T</title><field var='a' type='list-single' \
         label='L'><desc>d</desc><required/><value>1</value>\
         <option label='One'><value>1</value></option><option><value>2</value></option></field>\
         <field var='m' type='text-multi'><value>x</value><value>y</value></field>\
         <field var='j' type='jid-multi'><value>a@x</value></field></x></command></iq>",
        json!({"kind": "iq", "type": "result", "id": "1", "command": {"node": "n", "form": {
            "type": "form", "title": "T", "fields": [
            {"var": "a", "type": "list-single", "label": "L", "desc": "d", "required": true,
             "value": "1", "options": [{"label": "One", "value": "1"}, {"value": "2"}]},
            {"var": "m", "type": "text-multi", "value": "x\ny"},
            {"var": "j", "type": "jid-multi", "value": ["a@x"]},
        ]}}}),
    );
    let short = from_json(
        r#"{"command":{"node":"n","action":"complete","data":{"a":"1","l":["x","y"],"b":true}}}"#,
    )
    .unwrap();
    assert!(short.to_xml().contains(
        "<field var='b'><value>1</value></field><field \
                var='l'><value>x</value><value>y</value></field>"
    ));
}

#[test]
fn stanza_errors_map_by_condition() {
    both(
        &message(
            "<error type='wait' by='c@x'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/>\
         <text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>t</text></error>",
        )
        .replace("'chat'", "'error'"),
        json!({"kind": "message", "type": "error", "from": "a@x/r", "to": "b@y", "id": "1",
               "error": {"type": "wait", "condition": "conflict", "by": "c@x", "text": "t"}}),
    );
    assert_eq!(
        fault(r#"{"kind":"iq","type":"error","error":{"condition":"x"}}"#).0,
        "error.condition"
    );
}

#[test]
fn embedded_json_is_preserved_verbatim() {
    let big = r#"{ "n":1e300,"i":123456789012345678901234567890,"z":"\u0000\ud83d\ude00 <&]]>" }"#;
    let json = format!(
        r#"{{"kind":"message","type":"chat","to":"b@y",
            "payload":{{"datatype":"urn:d","data":{big}}}}}"#
    );
    let stanza = from_json(&json).unwrap();
    let wanted = big
        .replace('<', "&lt;")
        .replace('&', "&amp;")
        .replace("&amp;lt;", "&lt;");
    let inner = stanza.to_element().unwrap();
    let text = inner
        .get_child("payload", "urn:xmpp:json-msg:0")
        .unwrap()
        .get_child("json", "urn:xmpp:json:0")
        .unwrap()
        .text();
    assert_eq!(text, big, "{wanted}");
    assert!(to_json(&stanza, Mode::Plain).unwrap().contains(big));
    both(
        &message(
            "<payload xmlns='urn:xmpp:json-msg:0' datatype='urn:a'><json \
            xmlns='urn:xmpp:json:0'>1</json></payload>\
         <payload xmlns='urn:xmpp:json-msg:0' datatype='urn:b'><json \
         xmlns='urn:xmpp:json:0'>null</json></payload>",
        ),
        with(
            "payload",
            json!([{"datatype": "urn:a", "data": 1}, {"datatype": "urn:b", "data": null}]),
        ),
    );
    both(
        &message("<json xmlns='urn:xmpp:json:0'>{\"a\":[]}</json>"),
        with("json", json!({"a": []})),
    );
    // Unescaped characters in a JSON string that XML does not allow are escaped.
    let escaped = from_json("{\"to\":\"b@y\",\"json\":\"\u{FFFE}\"}").unwrap();
    assert!(escaped.to_xml().contains("\"\\ufffe\""));
}

#[test]
fn invalid_embedded_json_is_rejected() {
    for bad in ["", "{", "nul", "{'a':1}", &"[".repeat(200), "<a/>"] {
        let xml = message(&format!(
            "<payload xmlns='urn:xmpp:json-msg:0' datatype='d'><json \
            xmlns='urn:xmpp:json:0'>{bad}</json></payload>"
        ));
        assert!(
            to_json(&from_xml(&xml).unwrap(), Mode::Lossless).is_err(),
            "{bad}"
        );
    }
    let deep = format!(
        r#"{{"to":"b@y","json":{}{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    assert_eq!(
        fault(&deep),
        ("json".to_owned(), "nested deeper than 127".to_owned())
    );
}

#[test]
fn faults_report_field_path() {
    for (json, field, why) in [
        (
            r#"{"body":"a\u0000"}"#,
            "body",
            "character U+0000 is not allowed in XML",
        ),
        (
            r#"{"id":"\u0001"}"#,
            "id",
            "character U+0001 is not allowed in XML",
        ),
        (r#"{"to":"@"}"#, "to", "invalid JID: "),
        (r#"{"bodi":"a"}"#, "bodi", "unknown key"),
        (r#"{"kind":"iq","body":"a"}"#, "body", "not allowed in iq"),
        (r#"{"kind":"iq","type":"chat"}"#, "type", "not a type of iq"),
        (
            r#"{"kind":"x"}"#,
            "kind",
            "expected message, presence or iq",
        ),
        (r#"{"body":["a"]}"#, "body", "expected a string"),
        (
            r#"{"thread":{"id":"a","x":1}}"#,
            "thread.x",
            "unknown key; expected one of id, parent",
        ),
        (
            r#"{"reactions":{"reactions":[1,null]}}"#,
            "reactions.reactions[1]",
            "expected a string",
        ),
        (
            r#"{"payload":{"datatype":"d"}}"#,
            "payload.data",
            "required",
        ),
        (
            r#"{"payload":[{"datatype":"d","data":1},{}]}"#,
            "payload[1].datatype",
            "required",
        ),
        (
            r#"{"container":{"name":"a b","xmlns":"u","json":1}}"#,
            "",
            "",
        ),
        (r#"{"state":"body"}"#, "state", "expected one of "),
        (
            r#"{"xml":"<body>a</body>","body":"b"}"#,
            "body",
            "contradicts `xml`",
        ),
        (
            r#"{"xml":"</message><message>"}"#,
            "xml",
            "more data follows the element",
        ),
        (r#"[]"#, "", "expected an object"),
        ("\"", "", "invalid JSON: "),
        ("{\"body\":\"\\ud800\"}", "body", ""),
        (r#"{"xmpp":[]}"#, "xmpp", "unknown key"),
    ] {
        let (path, said) = fault(json);
        assert_eq!(path, field, "{json}: {said}");
        assert!(said.starts_with(why), "{json}: {said}");
    }
    let deep = format!(
        "{}{}",
        r#"{"forwarded":{"message":"#.repeat(60),
        "{}".to_owned() + &"}}".repeat(60)
    );
    assert!(
        fault(&deep).1.contains("recursion limit")
            || fault(&deep).1.contains("too many nested stanzas"),
        "{:?}",
        fault(&deep)
    );
    let fault = many_from_json(r#"{"xmpp":[{"body":"a"},{"body":1.5,"x":1}]}"#).unwrap_err();
    assert_eq!(fault.to_string(), "xmpp[1].x: unknown key");
    assert_eq!(
        many_from_json(r#"{"xmpp":[{"body":"a"},{"ping":true}]}"#)
            .unwrap()
            .len(),
        2
    );
}

#[test]
fn lossless_mode_preserves_everything() {
    let xml = message(
        "<body xml:lang='de'>a</body><body>b</body><unknown xmlns='urn:u' a='1'>t<v/></unknown>",
    );
    let stanza = from_xml(&xml).unwrap();
    let json = to_json(&stanza, Mode::Lossless).unwrap();
    assert!(
        json.contains(r#""body":"a""#) && json.contains(r#""xml":""#),
        "{json}"
    );
    assert_eq!(
        from_json(&json).unwrap().to_element().unwrap(),
        stanza.to_element().unwrap()
    );
    // If the keys restore the whole stanza, there is no XML.
    let plain = from_xml(&message("<body>a</body>")).unwrap();
    assert_eq!(
        to_json(&plain, Mode::Lossless),
        to_json(&plain, Mode::Plain)
    );
    assert!(
        to_json(&plain, Mode::Raw)
            .unwrap()
            .contains(r#""xml":"<body>a</body>""#)
    );
}

#[test]
fn client_xml_must_be_exactly_one_stanza() {
    let good = from_xml(
        " <message xmlns='jabber:client' to='a@b' type='weird'><body>x</body></message>\n",
    )
    .unwrap();
    assert_eq!(
        good.to_xml(),
        "<message to='a@b' type='normal'><body>x</body></message>"
    );
    for bad in INJECTIONS {
        assert!(from_xml(bad).is_err(), "{bad}");
        let inside: Result<Stanza, _> = from_json(&json!({"to": "a@b", "xml": bad}).to_string());
        if let Ok(stanza) = inside {
            // Well-formed input remains a child element, whatever its name.
            assert_eq!(stanza.to_element().unwrap().name(), "message", "{bad}");
            assert!(from_xml(&stanza.to_xml()).is_ok(), "{bad}");
        }
    }
}

/// Attempts to smuggle in a second stanza, or input for which a server would close the stream.
const INJECTIONS: &[&str] = &[
    "",
    " ",
    "text",
    "<message/><message/>",
    "<message/>text",
    "text<message/>",
    "<message/>x<message/>",
    "<message></message></stream:stream>",
    "</stream:stream>",
    "</stream:stream><message/>",
    "<stream:error/>",
    "<handshake/>",
    "<message",
    "<message>",
    "<message><body></message>",
    "<message to='a@b' to='c@d'/>",
    "<message to='a@b'><!-- x --></message>",
    "<?xml version='1.0'?><message/>",
    "<!DOCTYPE x [<!ENTITY a 'b'>]><message/>",
    "<message><body>&a;</body></message>",
    "<message><body>&#0;</body></message>",
    "<message><body>\u{1}</body></message>",
    "<message><body>]]></body></message>",
    "<message xmlns='urn:x'/>",
    "<presence type='weird'/>",
    "<iq/>",
    "<iq type='get'/>",
    "<iq type='get' id='1'/>",
    "<message from='@'/>",
    "<message to='a@b'><x:y/></message>",
    "<message to='a@b'><a xmlns:xmlns='u'/></message>",
    "<x:message xmlns:x='urn:x'/>",
    "<message><body>a</body ></message ><message>",
    "\u{FEFF}<message/>",
];
