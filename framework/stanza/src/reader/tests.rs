//! How much work the reader does, which no event shows.

use std::cell::Cell;

use super::*;

thread_local! {
    /// Bytes looked at in search of an end.
    pub(super) static SCANNED: Cell<usize> = const { Cell::new(0) };
}

const HEADER: &str = "<stream:stream xmlns='jabber:component:accept' \
    xmlns:stream='http://etherx.jabber.org/streams'>";

/// How often each byte of the document is looked at when it comes byte by byte.
fn looks_per_byte(stanza: &str) -> usize {
    let mut reader = Reader::default();
    SCANNED.set(0);
    for byte in HEADER.bytes().chain(stanza.bytes()) {
        reader.buffer().extend_from_slice(&[byte]);
        while reader.next().unwrap().is_some() {}
    }
    assert!(reader.partial.is_none(), "{stanza}");
    SCANNED.get() / stanza.len()
}

#[test]
fn half_a_megabyte_byte_by_byte_is_linear() {
    const SIZE: usize = 512 * 1024;
    for (before, middle, after) in [
        ("<message><body>", "hello ", "</body></message>"),
        ("<message><body>", "]]", "</body></message>"),
        ("<message><body>", "\u{1F514}", "</body></message>"),
        ("<message><body><![CDATA[", "]]", "]]></body></message>"),
        ("<message><a b='", "v>", "'/></message>"),
        ("<message id=\"", "v'", "\"/>"),
        ("<message><a", " \n", "/></message>"),
        ("<message><", "a", "/></message>"),
        ("<message><a></a", " ", "></message>"),
        ("<message>", "<a/>", "</message>"),
        ("<message><body>", "&amp;", "</body></message>"),
    ] {
        let stanza = format!("{before}{}{after}", middle.repeat(SIZE / middle.len()));
        let looks = looks_per_byte(&stanza);
        // A byte that is held back is looked at again, a few times.
        assert!(
            looks <= 8,
            "{before}{middle}: each byte is looked at {looks} times"
        );
    }
    // The longest reference there is, held back until its end comes.
    let stanza = format!(
        "<message><body>{}</body></message>",
        "&#0000000000000000000000000000000000000000000000000000000065;".repeat(SIZE / 60)
    );
    assert!(looks_per_byte(&stanza) <= 40);
}

#[test]
fn nothing_grows_with_what_is_lost() {
    let mut reader = Reader::new(ReaderLimits {
        max_stanza: 10_000,
        max_depth: 5,
    });
    reader
        .buffer()
        .extend_from_slice(format!("{HEADER}<message>").as_bytes());
    for _ in 0..10_000 {
        reader
            .buffer()
            .extend_from_slice(b"<a xmlns:p='urn:p'><p:b><c/></p:b>");
        while reader.next().unwrap().is_some() {}
    }
    assert!(reader.scope.depth() <= 6, "{}", reader.scope.depth());
    assert!(reader.buffer.len() < 100);
    assert_eq!(reader.skipped, 10_000 - 4);
}
