//! Input that ends a stream, and the stream error condition of RFC 6120 for it.

use campanile_stanza::reader::{ReadError, ReaderLimits};

use crate::seen::{HEADER, Seen, everywhere, everywhere_within};

/// Returns the condition with which `bytes` end the stream, checked for every split.
fn condition(bytes: &[u8]) -> Option<&'static str> {
    match everywhere(bytes).pop() {
        Some(Seen::Failed(fault)) => Some(fault.condition()),
        _ => None,
    }
}

fn below(xml: &[u8]) -> Option<&'static str> {
    condition(&[HEADER.as_bytes(), xml].concat())
}

#[test]
fn malformed_stanza_is_not_well_formed() {
    let bad: &[&[u8]] = &[
        // Mismatched tags.
        b"<a></b>",
        b"<a><b></a></b>",
        b"</a>",
        b"<a></A>",
        b"<p:a xmlns:p='urn:p' xmlns:q='urn:p'></q:a>",
        b"<message></stream:stream>",
        b"<message><a></message>",
        b"<message></message ></message>",
        b"</>",
        b"</ a>",
        b"<message></message/>",
        b"<message></message a='b'>",
        b"<message></message'>'>",
        // Names.
        b"<1a/>",
        b"<-a/>",
        b"<a b:c:d='1'/>",
        b"<a:b:c/>",
        b"<:a/>",
        b"<a:/>",
        b"<a:1/>",
        b"< a/>",
        b"<a\x00/>",
        b"<a\xC3\x97/>",
        b"<a&b/>",
        b"<a<b/>",
        b"<a/b/>",
        b"<a/ >",
        b"<a / >",
        // Attributes.
        b"<a b/>",
        b"<a b=c/>",
        b"<a b='1'c='2'/>",
        b"<a 'b'/>",
        b"<a b=''=''/>",
        b"<a ='1'/>",
        b"<a b='<'/>",
        b"<a b='\x01'/>",
        b"<a b='\xEF\xBF\xBE'/>",
        b"<a b='&'/>",
        b"<a b='& '/>",
        b"<a b='&x;'/>",
        b"<a b='&#0;'/>",
        b"<a b='&lt'/>",
        b"<a b='1' b='2'/>",
        b"<a b='1' c='2' b='1'/>",
        b"<a xmlns='urn:a' xmlns='urn:a'/>",
        b"<a xmlns:p='urn:p' xmlns:p='urn:p'/>",
        b"<a xmlns:p='urn:x' xmlns:q='urn:x' p:k='1' q:k='2'/>",
        b"<a xmlns:p='urn:&#120;' xmlns:q='urn:x' p:k='1' q:k='2'/>",
        b"<message xmlns:p='urn:x'><a xmlns:q='urn:x' q:k='1' p:k='2'/></message>",
        b"<message xml:lang='a' xml:lang='b'/>",
        // Namespaces.
        b"<p:a/>",
        b"<a p:b='1'/>",
        b"<message><a xmlns:p='urn:p'/><p:b/></message>",
        b"<message xmlns:p='urn:p'/><p:a/>",
        b"<xmlns:a/>",
        b"<a xmlns:p=''/>",
        b"<a xmlns:xmlns='urn:a'/>",
        b"<a xmlns:xmlns='http://www.w3.org/2000/xmlns/'/>",
        b"<a xmlns:xml='urn:a'/>",
        b"<a xmlns:xml=''/>",
        b"<a xmlns='http://www.w3.org/2000/xmlns/'/>",
        b"<a xmlns='http://www.w3.org/XML/1998/namespace'/>",
        b"<a xmlns:p='http://www.w3.org/2000/xmlns/'/>",
        b"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
        b"<a xmlns:='urn:a'/>",
        b"<a xmlns:1='urn:a'/>",
        // Text.
        b"<a>]]></a>",
        b"<a>]]]></a>",
        b"<a>\x00</a>",
        b"<a>\x01</a>",
        b"<a>\x0B</a>",
        b"<a>\x1F</a>",
        b"<a>\xEF\xBF\xBE</a>",
        b"<a>\xEF\xBF\xBF</a>",
        b"<a>&</a>",
        b"<a>&;</a>",
        b"<a>& amp;</a>",
        b"<a>&amp</a>",
        b"<a>&nbsp;</a>",
        b"<a>&a b;</a>",
        b"<a>&#;</a>",
        b"<a>&#x;</a>",
        b"<a>&#0;</a>",
        b"<a>&#1;</a>",
        b"<a>&#xB;</a>",
        b"<a>&#xD800;</a>",
        b"<a>&#xFFFE;</a>",
        b"<a>&#x110000;</a>",
        b"<a>&#4294967361;</a>",
        b"<a>&#+65;</a>",
        b"<a>&#X41;</a>",
        b"<a>&#xG;</a>",
        b"<a>&lt</a>;",
        b"<a><![CDATA[\x01]]></a>",
        b"]]>",
        b"&nbsp;",
        // Sections and declarations.
        b"<a><![cdata[]]></a>",
        b"<a><![CDATA []]></a>",
        b"<a><!x></a>",
        b"<!ELEMENT a EMPTY>",
        b"<!>",
        b"<a <![CDATA[]]>></a>",
    ];
    for bytes in bad {
        assert_eq!(
            below(bytes),
            Some("not-well-formed"),
            "{}",
            bytes.escape_ascii()
        );
        if !bytes.starts_with(b"</a>") && !bytes.starts_with(b"</>") && !bytes.starts_with(b"</ a>")
        {
            let inside = [b"<message><x xmlns='urn:x'>", *bytes].concat();
            assert_eq!(
                below(&inside),
                Some("not-well-formed"),
                "{}",
                inside.escape_ascii()
            );
        }
    }
}

#[test]
fn invalid_utf8_is_unsupported_encoding() {
    let bad: &[&[u8]] = &[
        b"\xFF",
        b"\x80",
        b"\xC0\x80",
        b"\xC3(",
        b"\xED\xA0\x80",
        b"\xF4\x90\x80\x80",
        b"\xE2\x82",
        b"\xF8\x88\x80\x80\x80",
    ];
    for bytes in bad {
        for (before, after) in [
            ("<a>", "</a>"),
            ("<a b='", "'/>"),
            ("<a", "/>"),
            ("<a><![CDATA[", "]]></a>"),
            ("", "<a/>"),
            ("<a></a", ">"),
        ] {
            let document = [before.as_bytes(), bytes, after.as_bytes()].concat();
            // RFC 6120 §4.9.3.22: the condition also covers "improperly encoded" streams.
            assert_eq!(
                below(&document),
                Some("unsupported-encoding"),
                "{}",
                document.escape_ascii()
            );
        }
    }
}

#[test]
fn forbidden_markup_is_restricted_xml() {
    // RFC 6120 §11.1.
    for bytes in [
        "<!---->",
        "<!-- a -->",
        "<!DOCTYPE a>",
        "<?php ?>",
        "<?xml version='1.0'?>",
        "<?xml-stylesheet?>",
        "<?",
    ] {
        assert_eq!(below(bytes.as_bytes()), Some("restricted-xml"), "{bytes}");
        assert_eq!(
            below(format!("<message><a>{bytes}").as_bytes()),
            Some("restricted-xml"),
            "{bytes}"
        );
    }
    for bytes in [
        "<!---->",
        "<!DOCTYPE a>",
        "<?php ?>",
        "<?xml-stylesheet?>",
        " <?xml version='1.0'?>",
        "<?xml version='1.0'?>\n<!---->",
        "<?xml version='1.0'?><?xml version='1.0'?>",
        "\u{FEFF} <?xml version='1.0'?>",
    ] {
        assert_eq!(
            condition(format!("{bytes}{HEADER}").as_bytes()),
            Some("restricted-xml"),
            "{bytes}"
        );
    }
}

#[test]
fn prolog_before_the_header_is_checked() {
    let header = HEADER.trim_start_matches("<?xml version='1.0'?>");
    for prolog in [
        "",
        "\n",
        "\u{FEFF}",
        "\u{FEFF}\n",
        "<?xml version='1.0'?>",
        "\u{FEFF}<?xml version=\"1.0\" ?>\r\n",
        "<?xml version='1.0' encoding='UTF-8'?>",
        "<?xml\tversion = '1.0'\nencoding='utf-8' standalone='yes'?>",
        "<?xml version='1.0' standalone='no'?>",
    ] {
        let seen = everywhere(format!("{prolog}{header}").as_bytes());
        assert!(
            matches!(seen[..], [Seen::Open { .. }]),
            "{prolog:?}: {seen:?}"
        );
    }
    for prolog in [
        "x",
        "\n.",
        "&amp;",
        "\u{FEFF}\u{FEFF}",
        "\n\u{FEFF}",
        "<?xml version='1.0'?>\u{FEFF}",
        "<![CDATA[]]>",
        "</a>",
        "<?xml ?>",
        "<?xml version='2.0'?>",
        "<?xml version='1.'?>",
        "<?xml version=1.0?>",
        "<?xml version='1.0'",
        "<?xml version='1.0'encoding='utf-8'?>",
        "<?xml encoding='utf-8'?>",
        "<?xml encoding='utf-8' version='1.0'?>",
        "<?xml version='1.0' standalone='maybe'?>",
        "<?xml version='1.0' standalone='yes' encoding='utf-8'?>",
        "<?xml version='1.0' version='1.0'?>",
        "<?xml version='1.0' x='1'?>",
        "<?xml version='1.0'/?>",
    ] {
        let document = format!("{prolog}{header}");
        assert_eq!(
            condition(document.as_bytes()),
            Some("not-well-formed"),
            "{prolog:?}"
        );
    }
    for prolog in [
        "<?xml version='1.0' encoding='iso-8859-1'?>",
        "<?xml version='1.0' encoding='UTF-16'?>",
    ] {
        let document = format!("{prolog}{header}");
        assert_eq!(
            condition(document.as_bytes()),
            Some("unsupported-encoding"),
            "{prolog:?}"
        );
    }
    // The byte order marks of UTF-16 (XML 1.0 Appendix F).
    for mark in [b"\xFF\xFE<\0", b"\xFE\xFF\0<"] {
        assert_eq!(
            condition(&[mark, header.as_bytes()].concat()),
            Some("unsupported-encoding")
        );
    }
}

#[test]
fn first_element_must_be_a_stream_header() {
    for header in [
        "<foo/>",
        "<stream xmlns='urn:x'>",
        "<stream:stream xmlns:stream='http://example.com/streams'>",
        "<stream:features xmlns:stream='http://etherx.jabber.org/streams'>",
        "<message xmlns='jabber:component:accept'>",
        "<stream>",
    ] {
        assert_eq!(
            everywhere(header.as_bytes()),
            [Seen::Failed(ReadError::NoStream)],
            "{header}"
        );
    }
    assert_eq!(ReadError::NoStream.condition(), "invalid-namespace");
    assert_eq!(condition(b"<stream:stream>"), Some("not-well-formed"));
}

#[test]
fn oversized_tag_is_policy_violation() {
    let bounds = ReaderLimits {
        max_stanza: 200,
        ..ReaderLimits::default()
    };
    let long = "x".repeat(200);
    for xml in [
        format!("<message id='{long}'>"),
        format!("<message><a b='{long}"),
        format!("<{long}/>"),
        format!("</{long}>"),
        format!("<message><a>{long}</a><a b='{long}'/></message>"),
    ] {
        let seen = everywhere_within(bounds, format!("{HEADER}{xml}").as_bytes());
        assert_eq!(
            seen.last(),
            Some(&Seen::Failed(ReadError::TagTooLarge)),
            "{xml}"
        );
    }
    assert_eq!(ReadError::TagTooLarge.condition(), "policy-violation");
    let fits = "x".repeat(200 - "<a b=''/>".len());
    let seen = everywhere_within(
        bounds,
        format!("{HEADER}<a b='{fits}'/><presence/>").as_bytes(),
    );
    assert!(
        matches!(
            seen[..],
            [Seen::Open { .. }, Seen::Element { .. }, Seen::Stanza { .. }]
        ),
        "{seen:?}"
    );
}

#[test]
fn stream_header_with_too_many_attributes_is_policy_violation() {
    let many: String = (0..200).map(|i| format!(" xmlns:p{i}='urn:{i}'")).collect();
    let header = HEADER.replace("id='1'", &many);
    assert_eq!(condition(header.as_bytes()), Some("policy-violation"));
}

#[test]
fn read_errors_display_condition_and_reason() {
    for (fault, words) in [
        (
            ReadError::NoStream,
            "invalid-namespace: first element is not a stream header",
        ),
        (
            ReadError::TagTooLarge,
            "policy-violation: tag exceeds the limits",
        ),
        (ReadError::NotWellFormed("x"), "not-well-formed: x"),
        (ReadError::Restricted("x"), "restricted-xml: x"),
        (
            ReadError::Encoding,
            "unsupported-encoding: encoding is not UTF-8",
        ),
    ] {
        assert_eq!(fault.to_string(), words);
    }
}
