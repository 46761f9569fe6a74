//! Stanza headers, and the conversion of children to `jabber:client`.

use campanile_stanza::jid::Jid;
use campanile_stanza::reader::{Event, Reader, StanzaDefect};
use campanile_stanza::stanza::Stanza;

use crate::seen::{HEADER, Head, Seen, everywhere};
use crate::tree::{Tree, tree};

const STREAM: &str = "<stream:stream xmlns='jabber:component:accept' \
    xmlns:stream='http://etherx.jabber.org/streams' id='1'>";

/// Returns the events after the stream header, for every split.
fn below(header: &str, xml: &str) -> Vec<Seen> {
    let mut seen = everywhere(format!("{header}{xml}").as_bytes());
    assert!(matches!(seen.remove(0), Seen::Open { .. }));
    seen
}

/// Returns the children of the only stanza.
fn children(header: &str, xml: &str) -> Vec<Tree> {
    match <[_; 1]>::try_from(below(header, xml)) {
        Ok([Seen::Stanza { children, .. }]) => children,
        other => panic!("not a single stanza: {other:?}"),
    }
}

fn head(xml: &str) -> Head {
    match <[_; 1]>::try_from(below(STREAM, xml)) {
        Ok([Seen::Stanza { head, .. }]) => head,
        other => panic!("not a single stanza: {other:?}"),
    }
}

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

#[test]
fn stanza_header_is_read_in_any_order() {
    let wanted = Head {
        kind: "message chat".to_owned(),
        from: some("alice@localhost/r"),
        to: some("bot@echo.localhost"),
        id: some("a/b+c="),
        lang: some("en"),
    };
    for xml in [
        "<message from='alice@localhost/r' to='bot@echo.localhost' id='a/b+c=' type='chat' \
        xml:lang='en'/>",
        "<message xml:lang=\"en\" type=\"chat\" id=\"a/b+c=\" to=\"bot@echo.localhost\" \
        from=\"alice@localhost/r\"></message>",
        "<message\n\tto = 'bot@echo.localhost'\r\n from= 'alice@localhost/r' id ='a/b+c=' \
        type='chat' xml:lang='en'\n></message\n>",
        // Unknown attributes are dropped.
        "<message x:y='1' foo='2' from='alice@localhost/r' to='bot@echo.localhost' xmlns:x='urn:x' \
        id='a/b+c=' type='chat' x:from='b' xml:lang='en' x:lang='de' lang='fr'/>",
        // Addresses are normalized: ejabberd forwards them as typed.
        "<message from='ALICE@LocalHost/r' to='Bot@ECHO.localhost' id='a/b+c=' type='chat' \
        xml:lang='en'/>",
        "<message from='alice&#64;localhost/r' to='bot@echo.localhost' id='a/b&#x2B;c=' \
        type='c&#104;at' xml:lang='en'/>",
    ] {
        assert_eq!(head(xml), wanted, "{xml}");
    }
}

#[test]
fn invalid_address_counts_as_missing() {
    for bad in [
        "",
        "@localhost",
        "a@",
        "a@b/",
        "@@/",
        "a b@localhost",
        "&lt;@localhost",
        "a@&#9;b",
    ] {
        let head = head(&format!("<presence from='{bad}' to='{bad}'/>"));
        assert_eq!(
            head,
            Head {
                kind: "presence".to_owned(),
                ..Head::default()
            },
            "{bad}"
        );
    }
}

#[test]
fn address_with_unknown_characters_is_kept_as_received() {
    let rows = [
        ("a@b/🐎", Some("a@b"), Some("a@b/🐎")),
        ("b/🐎", Some("b"), Some("b/🐎")),
        ("🐎@b/r", None, Some("🐎@b/r")),
        ("a@b/é", Some("a@b/é"), None),
        ("a@🐎 b/r", None, None),
    ];
    for (text, jid, raw) in rows {
        let xml = format!("<presence from='{text}' to='{text}'/>");
        let stanza = Stanza::parse(&xml).unwrap();
        let found = stanza.from().map(|from| from.as_str());
        assert_eq!((found, stanza.raw_from()), (jid, raw), "{text}");
        assert_eq!((stanza.to(), stanza.raw_to()), (stanza.from(), raw));
        let reply = stanza.reply(stanza.kind());
        assert_eq!(reply.to_text(), stanza.from_text());
        if raw.is_some() {
            assert_eq!(reply.to_xml(), xml);
        }
        assert_eq!(reply.with_to(Jid::new("x").unwrap()).to_text(), Some("x"));
    }
}

#[test]
fn stanza_types_are_recognized() {
    for (xml, kind) in [
        ("<message/>", "message normal"),
        ("<message type=''/>", "message normal"),
        ("<message type='normal'/>", "message normal"),
        ("<message type='chat'/>", "message chat"),
        ("<message type='groupchat'/>", "message groupchat"),
        ("<message type='headline'/>", "message headline"),
        ("<message type='error'/>", "message error"),
        // RFC 6121 §5.2.2: an unknown type is treated as `normal`.
        ("<message type='weird'/>", "message normal"),
        ("<message type='Chat'/>", "message normal"),
        ("<presence/>", "presence"),
        ("<presence type='unavailable'/>", "presence unavailable"),
        ("<presence type='subscribe'/>", "presence subscribe"),
        ("<presence type='subscribed'/>", "presence subscribed"),
        ("<presence type='unsubscribe'/>", "presence unsubscribe"),
        ("<presence type='unsubscribed'/>", "presence unsubscribed"),
        ("<presence type='probe'/>", "presence probe"),
        ("<presence type='error'/>", "presence error"),
        ("<iq type='get' id='1'><a/></iq>", "iq get"),
        ("<iq type='set' id='1'><a/></iq>", "iq set"),
        ("<iq type='result' id='1'/>", "iq result"),
        ("<iq type='result' id='1'><a/><b/></iq>", "iq result"),
        ("<iq type='error' id='1'><a/><error/></iq>", "iq error"),
    ] {
        assert_eq!(head(xml).kind, kind, "{xml}");
    }
}

#[test]
fn each_defect_rejects_the_stanza_only() {
    let cases = [
        ("<iq id='1' from='a@x'><a/></iq>", StanzaDefect::UnknownType),
        (
            "<iq id='1' type='' from='a@x'><a/></iq>",
            StanzaDefect::UnknownType,
        ),
        (
            "<iq id='1' type='weird' from='a@x'><a/></iq>",
            StanzaDefect::UnknownType,
        ),
        (
            "<presence id='1' type='weird' from='a@x'/>",
            StanzaDefect::UnknownType,
        ),
        (
            "<presence id='1' type='available' from='a@x'/>",
            StanzaDefect::UnknownType,
        ),
        (
            "<iq id='1' type='get' from='a@x'/>",
            StanzaDefect::PayloadCount,
        ),
        (
            "<iq id='1' type='get' from='a@x'>text</iq>",
            StanzaDefect::PayloadCount,
        ),
        (
            "<iq id='1' type='set' from='a@x'><a/><b/></iq>",
            StanzaDefect::PayloadCount,
        ),
        (
            "<iq id='1' type='set' from='a@x'><a/>\n<b/><![CDATA[]]></iq>",
            StanzaDefect::PayloadCount,
        ),
    ];
    for (xml, defect) in cases {
        let kind = if xml.starts_with("<iq") {
            "iq"
        } else {
            "presence"
        }
        .to_owned();
        let head = Head {
            kind,
            from: some("a@x"),
            id: some("1"),
            ..Head::default()
        };
        // The next stanza is unaffected.
        let seen = below(STREAM, &format!("{xml}<message/>"));
        let next = Seen::Stanza {
            head: Head {
                kind: "message normal".to_owned(),
                ..Head::default()
            },
            children: vec![],
        };
        assert_eq!(seen, [Seen::Rejected { head, defect }, next], "{xml}");
    }
    for xml in [
        "<iq type='get'><a/></iq>",
        "<iq id='' type='result'/>",
        "<iq type='error'/>",
    ] {
        let seen = below(STREAM, xml);
        let head = Head {
            kind: "iq".to_owned(),
            ..Head::default()
        };
        assert_eq!(
            seen,
            [Seen::Rejected {
                head,
                defect: StanzaDefect::MissingId
            }],
            "{xml}"
        );
    }
}

#[test]
fn children_are_in_the_client_namespace() {
    let wanted = [
        tree("<body xmlns='jabber:client'>a &lt; b</body>"),
        tree("<active xmlns='http://jabber.org/protocol/chatstates'/>"),
    ];
    let chat = "<active xmlns='http://jabber.org/protocol/chatstates'/>";
    for xml in [
        format!("<message><body>a &lt; b</body>{chat}</message>"),
        format!("<message>\n <body>a &#60; b</body>text{chat}\n</message>"),
        format!("<message xmlns='jabber:component:accept'><body>a &lt; b</body>{chat}</message>"),
        format!("<message xmlns='jabber:client'><body>a &lt; b</body>{chat}</message>"),
        format!("<message><body xmlns='jabber:component:accept'>a &lt; b</body>{chat}</message>"),
        format!("<message><body xmlns='jabber:client'>a &lt; b</body>{chat}</message>"),
        format!(
            "<message><c:body xmlns:c='jabber:component:accept'>a &lt; b</c:body>{chat}</message>"
        ),
        format!("<message><c:body xmlns:c='jabber:client'>a &lt; b</c:body>{chat}</message>"),
        format!(
            "<message xmlns:c='jabber:component:accept'><c:body>a &lt; b</c:body>{chat}</message>"
        ),
        format!(
            "<c:message xmlns:c='jabber:component:accept' xmlns='urn:x'><c:body>a &lt; \
            b</c:body>{chat}</c:message>"
        ),
        format!("<message><body><![CDATA[a < b]]></body>{chat}</message>"),
        format!("<message><body>a <![CDATA[<]]><![CDATA[]]> b</body>{chat}</message>"),
    ] {
        assert_eq!(children(STREAM, &xml), wanted, "{xml}");
    }
    // A stream header that binds its content namespace to a prefix.
    let prefixed = "<stream xmlns='http://etherx.jabber.org/streams' \
        xmlns:c='jabber:component:accept' id='1'>";
    let xml = format!("<c:message><c:body>a &lt; b</c:body>{chat}</c:message>");
    assert_eq!(children(prefixed, &xml), wanted);
}

#[test]
fn archived_message_stays_in_the_client_namespace() {
    let result = "<result xmlns='urn:xmpp:mam:2' queryid='q' id='28482'>\
        <forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' \
        stamp='2010-07-10T23:08:25Z'/>\
        <message xmlns='jabber:client' from='a@x/r' \
        to='b@y'><body>hi</body></message></forwarded></result>";
    assert_eq!(
        children(STREAM, &format!("<message>{result}</message>")),
        [tree(result)]
    );
}

#[test]
fn carbon_stays_in_the_client_namespace() {
    let carbon = "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>\
        <message xmlns='jabber:client' from='a@x/r' to='b@y/s' \
        type='chat'><body>hi</body></message>\
        </forwarded></received>";
    assert_eq!(
        children(STREAM, &format!("<message>{carbon}</message>")),
        [tree(carbon)]
    );
}

#[test]
fn delegated_iq_stays_in_the_client_namespace() {
    let delegation = "<delegation xmlns='urn:xmpp:delegation:2'><forwarded \
        xmlns='urn:xmpp:forward:0'>\
        <iq xmlns='jabber:client' from='a@x/r' to='a@x' type='get' id='1'>\
        <pubsub xmlns='http://jabber.org/protocol/pubsub'><items \
        node='n'/></pubsub></iq></forwarded></delegation>";
    assert_eq!(
        children(STREAM, &format!("<iq type='set' id='2'>{delegation}</iq>")),
        [tree(delegation)]
    );
    // A forwarded stanza in the stream's own namespace is converted as well.
    let bare = delegation.replace(
        "<iq xmlns='jabber:client'",
        "<iq xmlns='jabber:component:accept'",
    );
    assert_eq!(
        children(STREAM, &format!("<iq type='set' id='2'>{bare}</iq>")),
        [tree(delegation)]
    );
}

#[test]
fn error_in_the_client_namespace_is_kept() {
    let error = "<error xmlns='jabber:client' type='cancel'>\
        <gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    assert_eq!(
        children(STREAM, &format!("<message type='error'>{error}</message>")),
        [tree(error)]
    );
}

#[test]
fn prefixes_declared_outside_are_resolved_in_children() {
    let header = "<stream:stream xmlns='jabber:component:accept' \
        xmlns:stream='http://etherx.jabber.org/streams' \
        xmlns:d='urn:d' xmlns:e='urn:old' id='1'>";
    let xml = "<message xmlns:e='urn:e'><d:x e:k='1' k='2' xml:lang='de'><d:y/><z/></d:x>\
        <a xmlns='urn:a' d:k='&quot;'><stream:error/><e:e>t</e:e></a><e:body/></message>";
    let wanted = [
        tree(
            "<x xmlns='urn:d' xmlns:e='urn:e' e:k='1' k='2' xml:lang='de'><y/><z \
            xmlns='jabber:client'/></x>",
        ),
        tree(
            "<a xmlns='urn:a' xmlns:d='urn:d' d:k='&quot;'><error \
            xmlns='http://etherx.jabber.org/streams'/>\
            <e xmlns='urn:e'>t</e></a>",
        ),
        tree("<body xmlns='urn:e'/>"),
    ];
    assert_eq!(children(header, xml), wanted);
    // A default namespace declared outside, and no namespace.
    let wanted = [tree("<x xmlns='urn:x'><y/></x>"), tree("<z xmlns=''/>")];
    let xml = "<c:message xmlns:c='jabber:component:accept' xmlns='urn:x'><x><y/></x><z \
        xmlns=''/></c:message>";
    assert_eq!(children(STREAM, xml), wanted);
}

#[test]
fn namespaces_are_compared_by_value_not_by_spelling() {
    let wanted = [
        tree("<x xmlns='urn:a&amp;b'/>"),
        tree("<body xmlns='jabber:client'/>"),
    ];
    let xml = "<message><x xmlns='urn:a&#38;b'/><c:body \
        xmlns:c='jabber:component&#58;accept'/></message>";
    assert_eq!(children(STREAM, xml), wanted);
}

/// ejabberd's parser rejects these, so they are never sent, but they are accepted from a server.
#[test]
fn namespace_with_references_to_white_space_is_accepted() {
    let wanted = [
        tree("<x xmlns='urn:a&#10;b' xmlns:p='urn:a&#10;b' p:k='1'><y/></x>"),
        tree("<z xmlns='urn:&#9;'/>"),
    ];
    let xml =
        "<message xmlns:p='urn:a&#10;b'><p:x p:k='1'><p:y/></p:x><z xmlns='urn:&#9;'/></message>";
    assert_eq!(children(STREAM, xml), wanted);
}

#[test]
fn attribute_namespaces_are_not_converted() {
    let wanted = [tree(
        "<x xmlns='urn:x' xmlns:c='jabber:component:accept' c:k='1'/>",
    )];
    for xml in [
        "<message><x xmlns='urn:x' xmlns:c='jabber:component:accept' c:k='1'/></message>",
        "<message xmlns:c='jabber:component:accept'><x xmlns='urn:x' c:k='1'/></message>",
    ] {
        assert_eq!(children(STREAM, xml), wanted, "{xml}");
    }
}

#[test]
fn xml_prefix_needs_no_declaration() {
    let wanted = [
        tree("<xml:x xml:k='1'><y xmlns='jabber:client'/></xml:x>"),
        tree("<a xmlns='urn:a' xml:space='preserve'/>"),
    ];
    for xml in [
        "<message><xml:x xml:k='1'><y/></xml:x><a xmlns='urn:a' xml:space='preserve'/></message>",
        "<message xmlns:a='urn:a'><xml:x xml:k='1'><y/></xml:x><a:a \
        xml:space='preserve'/></message>",
        "<message xmlns:xml='http://www.w3.org/XML/1998/namespace'><xml:x xml:k='1'><y/></xml:x>\
         <a xmlns='urn:a' xml:space='preserve'/></message>",
    ] {
        assert_eq!(children(STREAM, xml), wanted, "{xml}");
    }
}

#[test]
fn line_ends_and_white_space_are_normalized() {
    let wanted = [tree(
        "<body xmlns='jabber:client' k='a b  c&#10;d'>a\nb\n\nc&#13;d\n</body>",
    )];
    for xml in [
        "<message><body k='a\tb\r\n\rc&#10;d'>a\r\nb\n\rc&#13;d\r</body></message>",
        "<message><body k='a b \nc&#xA;d'>a\nb\r\r\nc&#xD;d\n</body></message>",
        "<message><body k='a b  \
        c&#10;d'><![CDATA[a\r\nb\r]]>\nc&#13;<![CDATA[d\r]]></body></message>",
    ] {
        assert_eq!(children(STREAM, xml), wanted, "{}", xml.escape_debug());
    }
}

#[test]
fn all_characters_that_xml_allows_are_accepted() {
    let text = "\t\n ~\u{7F}\u{80}\u{9F}\u{7FF}\u{800}\u{D7FF}\u{E000}\u{FEFF}\u{FFFD}\
        \u{10000}\u{1F514}\u{10FFFF}]] ]>";
    let name = "é\u{300}日本\u{10000}-._1";
    let xml = format!("<message><{name} {name}='{text}'>{text}</{name}></message>");
    let wanted = tree(&format!(
        "<{name} xmlns='jabber:client' {name}='{text}'>{text}</{name}>"
    ));
    assert_eq!(children(STREAM, &xml), [wanted]);
}

#[test]
fn text_between_stanzas_is_ignored() {
    let seen = below(
        HEADER,
        " \n<presence/>stray &amp; text<![CDATA[<presence/>]]><presence/>\n \u{1F514}",
    );
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| matches!(seen, Seen::Stanza { .. })));
}

#[test]
fn element_that_is_not_a_stanza_is_reported() {
    let element = |namespace: &str, name: &str, text: &str, children: &[&str]| Seen::Element {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        children: children.iter().map(|xml| tree(xml)).collect(),
        text: text.to_owned(),
    };
    let accept = "jabber:component:accept";
    assert_eq!(
        below(STREAM, "<handshake/>"),
        [element(accept, "handshake", "", &[])]
    );
    assert_eq!(
        below(STREAM, "<handshake></handshake>"),
        [element(accept, "handshake", "", &[])]
    );
    for digest in [
        "a1b2",
        "<![CDATA[a1]]>b2",
        "a&#49;b2",
        "a1<x/>b<![CDATA[2]]>",
    ] {
        let seen = below(
            STREAM,
            &format!("<handshake>{digest}</handshake><presence/>"),
        );
        let children: &[&str] = if digest.contains("<x/>") {
            &["<x xmlns='jabber:client'/>"]
        } else {
            &[]
        };
        assert_eq!(
            seen[0],
            element(accept, "handshake", "a1b2", children),
            "{digest}"
        );
        assert!(matches!(seen[1], Seen::Stanza { .. }));
    }
    assert_eq!(
        below(
            STREAM,
            "<foo xmlns='urn:foo'><bar/></foo><foo/><message xmlns='jabber:server'/>"
        ),
        [
            element("urn:foo", "foo", "", &["<bar xmlns='urn:foo'/>"]),
            element(accept, "foo", "", &[]),
            element("jabber:server", "message", "", &[]),
        ]
    );
    assert_eq!(
        below(
            STREAM,
            "<stream:error><conflict \
            xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>"
        ),
        [
            element(
                "http://etherx.jabber.org/streams",
                "error",
                "",
                &["<conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"]
            ),
            Seen::Close,
        ]
    );
}

#[test]
fn bytes_after_the_end_of_the_stream_are_ignored() {
    assert_eq!(
        below(STREAM, "</stream:stream >\n<presence/><\u{0}&"),
        [Seen::Close]
    );
    assert_eq!(
        below(&STREAM.replace("'1'>", "'1'/>"), "<presence/><\u{0}&"),
        [Seen::Close]
    );
}

#[test]
fn element_attributes_are_found_by_name() {
    let mut reader = Reader::default();
    reader
        .buffer()
        .extend_from_slice(format!("{STREAM}<foo a='1' b='2 &amp; 3' xml:lang='de'/>").as_bytes());
    assert!(matches!(reader.next().unwrap(), Some(Event::Open(_))));
    let Some(Event::Element(element)) = reader.next().unwrap() else {
        panic!("an element")
    };
    let found = ["a", "b", "c", ""].map(|name| element.attribute(name).map(str::to_owned));
    assert_eq!(
        found,
        [Some("1".to_owned()), Some("2 & 3".to_owned()), None, None]
    );
}
