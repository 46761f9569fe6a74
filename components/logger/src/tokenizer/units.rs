//! Splitting of text into units.

use unicode_normalization::char::is_combining_mark;

use super::fold::fold;

/// Words are truncated to this many bytes.
const MAX_WORD_BYTES: usize = 64;

/// A unit of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit<'t> {
    /// A run of letters and digits, or a symbol such as an emoji.
    Word(&'t str),
    /// The preceding word with its sign, as in `C++` and `C#`.
    Signed(&'t str),
    /// A run of letters of a script that does not separate words by spaces, or whose words have
    /// endings without a boundary.
    Dense(&'t str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Word,
    Dense,
    /// Each character is a word.
    Symbol,
    Other,
}

/// Calls `found` with each unit of a text.
pub(super) fn for_each_unit(text: &str, mut found: impl FnMut(Unit<'_>)) {
    let mut scanner = Scanner {
        run: String::new(),
        class: Class::Other,
        sign: Sign::None,
        found: &mut found,
    };
    fold(text, |c| scanner.push(c));
    scanner.end();
}

/// The signs read since the last word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    None,
    Plus,
    PlusPlus,
    Hash,
}

struct Scanner<'f, F: FnMut(Unit<'_>)> {
    run: String,
    class: Class,
    sign: Sign,
    found: &'f mut F,
}

impl<F: FnMut(Unit<'_>)> Scanner<'_, F> {
    fn push(&mut self, c: char) {
        let class = Class::of(c, self.class);
        if class == Class::Other && self.class == Class::Word && self.takes_sign(c) {
            return;
        }
        // `a#b` and `1++2` are words without signs.
        if matches!(class, Class::Word | Class::Dense) && self.sign != Sign::None {
            self.sign = Sign::None;
            self.end();
        }
        if class != self.class || class == Class::Symbol {
            self.end();
        }
        if class != Class::Other {
            self.class = class;
            let limit = if class == Class::Dense {
                usize::MAX
            } else {
                MAX_WORD_BYTES
            };
            if self.run.len() + c.len_utf8() <= limit {
                self.run.push(c);
            }
        }
    }

    /// Takes a character that may belong to the sign of a word.
    fn takes_sign(&mut self, c: char) -> bool {
        self.sign = match (self.sign, c) {
            (Sign::None, '+') => Sign::Plus,
            (Sign::Plus, '+') => Sign::PlusPlus,
            (Sign::None, '#') => Sign::Hash,
            (_, '+' | '#') => Sign::None,
            _ => return false,
        };
        if self.sign == Sign::None {
            self.end();
        }
        true
    }

    fn end(&mut self) {
        let class = std::mem::replace(&mut self.class, Class::Other);
        let sign = std::mem::replace(&mut self.sign, Sign::None);
        if self.run.is_empty() {
            return;
        }
        if class == Class::Dense {
            (self.found)(Unit::Dense(&self.run));
        } else {
            (self.found)(Unit::Word(&self.run));
            // Not the ASCII characters, at which the tokenizer of SQLite splits.
            let sign = match sign {
                Sign::PlusPlus => "＋＋",
                Sign::Hash => "＃",
                Sign::None | Sign::Plus => "",
            };
            if !sign.is_empty() {
                self.run.push_str(sign);
                (self.found)(Unit::Signed(&self.run));
            }
        }
        self.run.clear();
    }
}

impl Class {
    /// Returns the class of a character; a mark belongs to the run that it follows.
    fn of(c: char, before: Self) -> Self {
        match c {
            c if c.is_ascii_alphanumeric() => Self::Word,
            c if c.is_ascii() => Self::Other,
            c if is_symbol(c) => Self::Symbol,
            c if is_flag(c) => Self::Dense,
            c if is_combining_mark(c) && matches!(before, Self::Word | Self::Dense) => before,
            c if !c.is_alphanumeric() && !is_combining_mark(c) => Self::Other,
            c if is_dense(c) => Self::Dense,
            _ => Self::Word,
        }
    }
}

/// Emoji and other pictures.
fn is_symbol(c: char) -> bool {
    matches!(
        u32::from(c),
        0x203c | 0x2049 | 0x2139 | 0x2190..=0x21ff | 0x231a..=0x23ff | 0x25a0..=0x27bf
            | 0x2900..=0x297f | 0x2b00..=0x2bff | 0x1_f000..=0x1_f1e5 | 0x1_f200..=0x1_faff
    )
}

/// The letters of which flags are made, two for each.
fn is_flag(c: char) -> bool {
    matches!(u32::from(c), 0x1_f1e6..=0x1_f1ff)
}

/// Thai, Lao, Burmese, Khmer, Japanese, Chinese; and Korean, for the endings of its words.
fn is_dense(c: char) -> bool {
    matches!(
        u32::from(c),
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1100..=0x11ff | 0x1780..=0x17ff | 0x1950..=0x19ff
            | 0x1a20..=0x1aaf | 0x3005..=0x3007 | 0x3040..=0x318f | 0x31f0..=0x31ff
            | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xa960..=0xa97f | 0xa9e0..=0xa9ff
            | 0xaa60..=0xaadf | 0xac00..=0xd7ff | 0xf900..=0xfaff | 0x2_0000..=0x3_ffff
    )
}
