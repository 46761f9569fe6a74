//! Tests of the reader's work and memory, which its events do not show.

use std::cell::Cell;

use super::*;

thread_local! {
    /// The number of bytes scanned.
    pub(super) static SCANNED: Cell<usize> = const { Cell::new(0) };
}

const HEADER: &str = "<stream:stream xmlns='jabber:component:accept' \
    xmlns:stream='http://etherx.jabber.org/streams'>";

/// Returns how often each byte is scanned on average, if the document arrives byte by byte.
fn scans_per_byte(stanza: &str) -> usize {
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
fn work_is_linear_when_bytes_arrive_one_by_one() {
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
        let scans = scans_per_byte(&stanza);
        // A byte that is held back is scanned again a few times.
        assert!(
            scans <= 8,
            "{before}{middle}: each byte is scanned {scans} times"
        );
    }
    // The longest reference is held back until it is complete.
    let stanza = format!(
        "<message><body>{}</body></message>",
        "&#0000000000000000000000000000000000000000000000000000000065;".repeat(SIZE / 60)
    );
    assert!(scans_per_byte(&stanza) <= 40);
}

#[test]
fn memory_does_not_grow_with_skipped_elements() {
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
