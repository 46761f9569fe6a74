//! Reads arbitrary bytes at once, byte by byte and in two pieces: the events must be the same, and
//! must agree with those of rxml.
#![no_main]
#![allow(
    dead_code,
    reason = "the modules are shared with the tests of the reader"
)]

#[path = "../../tests/reader/compare_rxml.rs"]
mod compare_rxml;
#[path = "../../tests/reader/oracle.rs"]
mod oracle;
#[path = "../../tests/reader/seen.rs"]
mod seen;
#[path = "../../tests/reader/tree.rs"]
mod tree;

use campanile_stanza::reader::ReaderLimits;
use libfuzzer_sys::fuzz_target;

use crate::seen::{events, snapshot};

/// The limit on stanzas exceeds any document here, so that only the form decides.
const BOUNDS: ReaderLimits = ReaderLimits {
    max_stanza: 1 << 20,
    max_depth: 64,
};

fuzz_target!(|bytes: &[u8]| {
    let wanted = snapshot(&events(BOUNDS, [bytes]));
    assert_eq!(
        wanted,
        snapshot(&events(BOUNDS, bytes.chunks(1))),
        "byte by byte"
    );
    // The split depends on the bytes only, so that a finding can be reproduced.
    let sum = bytes.iter().fold(0usize, |sum, &byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    });
    let (first, second) = bytes.split_at(sum % (bytes.len() + 1));
    assert_eq!(
        wanted,
        snapshot(&events(BOUNDS, [first, second])),
        "in two pieces, cut at {}",
        first.len()
    );
    compare_rxml::check(bytes);
});
