//! Escaping of untrusted text for terminals and logs.
//!
//! An address or a message body must not move the cursor, forge a log line or change the direction
//! of the text after it.

use std::fmt::{self, Write};

/// Displays a text with control characters escaped.
pub(crate) struct Escaped<T>(pub(crate) T);

impl<T: fmt::Display> fmt::Display for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{}", self.0)
    }
}

impl<T: fmt::Debug> fmt::Debug for Escaped<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(Escaping(f), "{:?}", self.0)
    }
}

/// A writer that escapes control characters.
struct Escaping<'w, W>(&'w mut W);

impl<W: Write> Write for Escaping<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_control) {
            let (clean, from) = rest.split_at(at);
            self.0.write_str(clean)?;
            let mut chars = from.chars();
            match chars.next() {
                Some('\n') => self.0.write_str("\\n")?,
                Some('\t') => self.0.write_str("\\t")?,
                Some(control) => write!(self.0, "{}", control.escape_unicode())?,
                None => {}
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

/// Returns `true` for C0 and C1 controls, which terminals interpret, for line separators, and for
/// bidi controls.
pub(crate) fn is_control(c: char) -> bool {
    matches!(c,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        | '\u{2028}' | '\u{2029}'
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_controls_are_escaped() {
        let hostile = "a\u{1b}[2Jb\r\nc\u{9b}1md\u{202e}e\u{2067}f\u{2028}g\u{7f}";
        assert_eq!(
            Escaped(hostile).to_string(),
            r"a\u{1b}[2Jb\u{d}\nc\u{9b}1md\u{202e}e\u{2067}f\u{2028}g\u{7f}"
        );
        assert_eq!(Escaped("Grüße, 鐘楼 🔔").to_string(), "Grüße, 鐘楼 🔔");
    }
}
