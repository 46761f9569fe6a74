//! Stanzas beyond the limits: rejected with their header, discarded while they arrive, and the
//! stream continues.

use campanile_stanza::reader::{Event, Reader, ReaderLimits, StanzaDefect};

use crate::seen::{HEADER, Head, Seen, everywhere_within};

const MAX: usize = 64 * 1024;
const BOUNDS: ReaderLimits = ReaderLimits {
    max_stanza: MAX,
    max_depth: 8,
};
const START: &str =
    "<message from='alice@localhost/r' to='bot@echo.localhost' id='big' type='chat'>";

fn rejected(defect: StanzaDefect) -> Seen {
    let some = |text: &str| Some(text.to_owned());
    let head = Head {
        kind: "message".to_owned(),
        from: some("alice@localhost/r"),
        to: some("bot@echo.localhost"),
        id: some("big"),
        lang: None,
    };
    Seen::Rejected { head, defect }
}

/// Feeds a header, one stanza made of `before`, megabytes of `middle` and `after`, and a last
/// stanza. Returns the events between header and last stanza, and the maximum buffer capacity.
fn flood(megabytes: usize, before: &str, middle: &str, after: &str) -> (Vec<Seen>, usize) {
    let mut reader = Reader::new(BOUNDS);
    let mut seen = Vec::new();
    let mut largest = 0;
    let mut give = |bytes: &[u8]| {
        // Like a socket: never more than the free capacity of the buffer.
        for piece in bytes.chunks(4096) {
            reader.buffer().extend_from_slice(piece);
            largest = largest.max(reader.buffer().capacity());
            while let Some(event) = reader.next().unwrap() {
                seen.push(Seen::from(event));
            }
        }
    };
    let block = middle.repeat(1_000_000 / middle.len() + 1);
    give(HEADER.as_bytes());
    give(format!("{START}{before}").as_bytes());
    (0..megabytes).for_each(|_| give(block.as_bytes()));
    give(format!("{after}</message><presence/>").as_bytes());
    assert!(matches!(seen.remove(0), Seen::Open { .. }));
    assert!(
        matches!(seen.pop(), Some(Seen::Stanza { .. })),
        "{before}{middle}{after}"
    );
    (seen, largest)
}

#[test]
fn oversized_stanza_uses_constant_memory() {
    for (megabytes, before, middle, after) in [
        (
            20,
            "",
            "<body>hello there, hello there, hello there</body>",
            "",
        ),
        (20, "<body>", "hello there. ", "</body>"),
        (20, "<body><![CDATA[", "hello > there < ]] & ", "]]></body>"),
        (2, "", "<a/>", ""),
        (2, "<body>", "&amp;&#x1F514;", "</body>"),
        (2, "<body>", "é日本\u{1F514}]] \r\n", "</body>"),
        (2, "<body>", "<![CDATA[x]]>", "</body>"),
        (
            2,
            "<x xmlns='urn:x'><y>",
            "<z k='v' xml:lang='en'><z/>t</z>",
            "</y></x>",
        ),
        (2, "", "text", ""),
        (
            2,
            "<x>",
            "<y xmlns='urn:y' xmlns:p='urn:p' p:k='v'/>",
            "</x>",
        ),
    ] {
        let (seen, largest) = flood(megabytes, before, middle, after);
        assert_eq!(
            seen,
            [rejected(StanzaDefect::TooLarge)],
            "{before}{middle}{after}"
        );
        assert!(largest <= 4 * MAX, "{middle}: {largest}");
    }
}

#[test]
fn deep_nesting_uses_constant_memory() {
    let mut reader = Reader::new(BOUNDS);
    let mut seen = Vec::new();
    let levels = 500_000;
    let opening = "<a k='a long value in every tag'>".repeat(100);
    let closing = "</a>".repeat(100);
    let mut give = |bytes: &[u8]| {
        reader.buffer().extend_from_slice(bytes);
        assert!(reader.buffer().capacity() <= 4 * MAX);
        while let Some(event) = reader.next().unwrap() {
            seen.push(Seen::from(event));
        }
    };
    give(format!("{HEADER}{START}").as_bytes());
    (0..levels / 100).for_each(|_| give(opening.as_bytes()));
    (0..levels / 100).for_each(|_| give(closing.as_bytes()));
    give(b"</message><presence/>");
    assert_eq!(seen[1], rejected(StanzaDefect::TooDeep));
    assert!(matches!(seen[2], Seen::Stanza { .. }));
}

/// Returns the event of one stanza between the header and a last stanza, for every split.
fn one(bounds: ReaderLimits, stanza: &str) -> Seen {
    let seen = everywhere_within(bounds, format!("{HEADER}{stanza}<presence/>").as_bytes());
    match <[_; 3]>::try_from(seen) {
        Ok([Seen::Open { .. }, seen, Seen::Stanza { .. }]) => seen,
        other => panic!("{stanza}: {other:?}"),
    }
}

#[test]
fn size_limit_is_exact() {
    let bounds = ReaderLimits {
        max_stanza: 300,
        ..ReaderLimits::default()
    };
    for (before, after) in [
        ("<body>", "</body></message>"),
        ("", "</message>"),
        ("<a><b><![CDATA[", "]]></b></a></message>"),
        ("<a b='", "'/></message>"),
    ] {
        let fits = 300 - START.len() - before.len() - after.len();
        let stanza = |length| format!("{START}{before}{}{after}", "x".repeat(length));
        assert!(
            matches!(one(bounds, &stanza(fits)), Seen::Stanza { .. }),
            "{before}"
        );
        assert_eq!(
            one(bounds, &stanza(fits + 1)),
            rejected(StanzaDefect::TooLarge),
            "{before}"
        );
    }
}

#[test]
fn depth_limit_is_exact() {
    let bounds = ReaderLimits {
        max_depth: 4,
        ..ReaderLimits::default()
    };
    assert!(matches!(
        one(bounds, &format!("{START}<a><b><c>t</c></b></a></message>")),
        Seen::Stanza { .. }
    ));
    for deep in [
        "<a><b><c><d/></c></b></a>",
        "<a><b><c><d><e/>t<e></e></d><d/></c></b></a>",
        // In skipped elements prefixes are not resolved, but the XML is still checked.
        "<a><b><c><d><p:e/></d></c></b></a><body/>",
    ] {
        assert_eq!(
            one(bounds, &format!("{START}{deep}</message>")),
            rejected(StanzaDefect::TooDeep),
            "{deep}"
        );
    }
    for bad in [
        "<a b/>",
        "<a>&x;</a>",
        "</1>",
        "<a></a/>",
        "<!---->",
        "<a>\u{1}</a>",
        "<a></a\u{D7}>",
    ] {
        let seen = everywhere_within(
            bounds,
            format!("{HEADER}{START}<a><b><c><d>{bad}").as_bytes(),
        );
        assert!(
            matches!(seen.last(), Some(Seen::Failed(_))),
            "{bad}: {seen:?}"
        );
    }
    let bounds = ReaderLimits {
        max_depth: 1,
        ..bounds
    };
    assert!(matches!(
        one(bounds, &format!("{START}text</message>")),
        Seen::Stanza { .. }
    ));
    assert_eq!(
        one(bounds, &format!("{START}<a/></message>")),
        rejected(StanzaDefect::TooDeep)
    );
}

fn many(count: usize, attribute: impl Fn(usize) -> String) -> String {
    (0..count).map(|i| format!(" {}", attribute(i))).collect()
}

#[test]
fn too_many_attributes_reject_the_stanza() {
    let bounds = ReaderLimits::default();
    let fits = many(128, |i| format!("a{i}=''"));
    assert!(matches!(
        one(bounds, &format!("{START}<x{fits}/></message>")),
        Seen::Stanza { .. }
    ));
    let too_many = many(129, |i| format!("a{i}=''"));
    assert_eq!(
        one(bounds, &format!("{START}<x{too_many}/></message>")),
        rejected(StanzaDefect::TooDeep)
    );
    assert_eq!(
        one(
            bounds,
            &format!("{START}<x{too_many}><y/></x><body/></message>")
        ),
        rejected(StanzaDefect::TooDeep)
    );
    // On the stanza itself: the attributes of the header are kept in any position, and a prefix
    // whose declaration was dropped does not end the stream.
    let too_many = many(150, |i| format!("xmlns:p{i}='urn:{i}'"));
    let stanza = START.replacen("<message", &format!("<message{too_many}"), 1);
    assert_eq!(
        one(
            bounds,
            &format!("{stanza}<p140:x/><y p149:a=''/></message>")
        ),
        rejected(StanzaDefect::TooDeep)
    );
    let stanza = START
        .replacen("<message", &format!("<message{too_many}"), 1)
        .replace("'chat'>", "'chat'/>");
    assert_eq!(one(bounds, &stanza), rejected(StanzaDefect::TooDeep));
    // A duplicate attribute of the header is detected, however many are between.
    let twice = START.replacen(" id='big'", &format!(" id='big'{too_many} id='big'"), 1);
    let seen = everywhere_within(bounds, format!("{HEADER}{twice}").as_bytes());
    assert!(matches!(seen.last(), Some(Seen::Failed(_))), "{seen:?}");
}

#[test]
fn too_many_namespaces_reject_the_stanza() {
    let declare = |from: usize| many(100, |i| format!("xmlns:p{}='urn:x'", from + i));
    let a = declare(0);
    let b = declare(100);
    let c = declare(200);
    let stanza = format!("{START}<x{a}><x{b}><x{c}><p299:y/></x></x></x></message>");
    assert_eq!(
        one(ReaderLimits::default(), &stanza),
        rejected(StanzaDefect::TooDeep)
    );
    let stanza = format!("{START}<x{a}/><x{b}/><x{c}><p299:y/></x></message>");
    assert!(matches!(
        one(ReaderLimits::default(), &stanza),
        Seen::Stanza { .. }
    ));
}

#[test]
fn rewriting_that_exceeds_the_limit_rejects_the_stanza() {
    let namespace = "x".repeat(1000);
    let bounds = ReaderLimits {
        max_stanza: 4000,
        ..ReaderLimits::default()
    };
    let stanza = format!(
        "{}{}</message>",
        START.replace("<message", &format!("<message xmlns:p='{namespace}'")),
        "<p:x/>".repeat(100)
    );
    let seen = everywhere_within(bounds, format!("{HEADER}{stanza}<presence/>").as_bytes());
    assert_eq!(seen[1], rejected(StanzaDefect::TooLarge));
    assert!(matches!(seen[2], Seen::Stanza { .. }));
    // Text may grow when it is escaped, without the stanza being rejected.
    let stanza = format!(
        "{START}<body><![CDATA[{}]]></body></message>",
        "&".repeat(3000)
    );
    assert!(matches!(one(bounds, &stanza), Seen::Stanza { .. }));
}

#[test]
fn oversized_element_that_is_not_a_stanza_is_discarded_silently() {
    let bounds = ReaderLimits {
        max_stanza: 300,
        max_depth: 3,
    };
    for xml in [
        format!("<foo>{}</foo>", "x".repeat(300)),
        "<foo><a><b><c/></b></a></foo>".to_owned(),
    ] {
        let seen = everywhere_within(bounds, format!("{HEADER}{xml}<presence/>").as_bytes());
        assert!(
            matches!(seen[..], [Seen::Open { .. }, Seen::Stanza { .. }]),
            "{seen:?}"
        );
    }
}

#[test]
fn no_bytes_are_kept_between_stanzas() {
    let mut reader = Reader::default();
    reader.buffer().extend_from_slice(HEADER.as_bytes());
    assert!(matches!(reader.next(), Ok(Some(Event::Open(_)))));
    for _ in 0..1000 {
        reader
            .buffer()
            .extend_from_slice(b"<presence/> stray text between the stanzas, here ");
        assert!(matches!(reader.next(), Ok(Some(Event::Stanza(_)))));
        assert!(matches!(reader.next(), Ok(None)));
        assert_eq!(reader.pending(), 0);
    }
    reader.buffer().extend_from_slice(b"<message><bo");
    assert!(matches!(reader.next(), Ok(None)));
    assert_eq!(reader.pending(), 12);
    assert!(reader.buffer().capacity() < 64 * 1024);
}

#[test]
fn unbounded_limits_are_clamped() {
    let bounds = ReaderLimits {
        max_stanza: usize::MAX,
        max_depth: usize::MAX,
    };
    assert!(matches!(
        one(bounds, &format!("{START}<a/></message>")),
        Seen::Stanza { .. }
    ));
}
