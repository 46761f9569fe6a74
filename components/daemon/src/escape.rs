//! Text from outside, made safe to show: an address or a body must not move the cursor, forge a log
//! line or turn the direction of what follows.

use std::fmt::{self, Write};

/// Shows a text with its control characters written out.
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

/// Writes on what it is given, control characters written out.
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

/// C0 and C1, which terminals obey, what ends a line, and what turns or hides the direction of a
/// text.
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
    fn what_a_terminal_obeys_is_written_out() {
        let hostile = "a\u{1b}[2Jb\r\nc\u{9b}1md\u{202e}e\u{2067}f\u{2028}g\u{7f}";
        assert_eq!(
            Escaped(hostile).to_string(),
            r"a\u{1b}[2Jb\u{d}\nc\u{9b}1md\u{202e}e\u{2067}f\u{2028}g\u{7f}"
        );
        assert_eq!(Escaped("Grüße, 鐘楼 🔔").to_string(), "Grüße, 鐘楼 🔔");
    }
}
