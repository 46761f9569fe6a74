//! The terms of schema version 2, which must be known to remove them from the index.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Words are truncated to this many bytes.
const MAX_WORD_BYTES: usize = 64;

/// Calls `found` with each word: a run of letters and digits without marks, or an ideograph.
pub(super) fn for_each_word(text: &str, mut found: impl FnMut(&str)) {
    let mut word = String::new();
    let mut emit = |word: &mut String| {
        if !word.is_empty() {
            found(word);
            word.clear();
        }
    };
    for c in text.chars() {
        if c.is_ascii() {
            if c.is_ascii_alphanumeric() {
                push(&mut word, c.to_ascii_lowercase());
            } else {
                emit(&mut word);
            }
            continue;
        }
        for c in std::iter::once(c).nfkd().filter(|c| !is_combining_mark(*c)) {
            if is_ideograph(c) {
                emit(&mut word);
                push(&mut word, c);
                emit(&mut word);
            } else if c.is_alphanumeric() {
                c.to_lowercase().for_each(|c| push(&mut word, c));
            } else {
                emit(&mut word);
            }
        }
    }
    emit(&mut word);
}

fn push(word: &mut String, c: char) {
    if word.len() + c.len_utf8() <= MAX_WORD_BYTES {
        word.push(c);
    }
}

fn is_ideograph(c: char) -> bool {
    matches!(
        u32::from(c),
        0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff
            | 0x2_0000..=0x3_ffff
    )
}
