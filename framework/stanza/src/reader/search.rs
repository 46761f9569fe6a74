//! The search for the end of a tag that arrives in pieces.

use super::count_scanned;

/// A search for the `>` of one tag, which resumes where it stopped, so that no byte is scanned
/// twice.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// The number of bytes of the tag that have been searched.
    seen: usize,
    /// The open quote at that position, or 0.
    quote: u8,
}

impl Search {
    pub(super) fn has_started(&self) -> bool {
        self.seen > 0
    }

    /// Returns the length of the start tag at the start of `rest`, ignoring any `>` inside quotes.
    pub(super) fn start_tag(&mut self, rest: &[u8]) -> Option<usize> {
        let mut at = self.seen;
        count_scanned(rest.len() - at);
        loop {
            let found = match self.quote {
                0 => memchr::memchr3(b'>', b'\'', b'"', &rest[at..]),
                quote => memchr::memchr(quote, &rest[at..]),
            };
            let Some(found) = found else {
                self.seen = rest.len();
                return None;
            };
            at += found + 1;
            self.quote = match (self.quote, rest[at - 1]) {
                (0, b'>') => {
                    *self = Self::default();
                    return Some(at);
                }
                (0, quote) => quote,
                _ => 0,
            };
        }
    }

    /// Returns the length of the end tag at the start of `rest`, which has no quotes.
    pub(super) fn end_tag(&mut self, rest: &[u8]) -> Option<usize> {
        let from = std::mem::replace(&mut self.seen, rest.len());
        count_scanned(rest.len() - from);
        let found = from + memchr::memchr(b'>', &rest[from..])?;
        *self = Self::default();
        Some(found + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn end_is_found_for_any_split() {
        let tag = b"<a b='\">' c=\"'>\" d = '>'>";
        for pieces in 1..=tag.len() {
            let mut search = Search::default();
            let mut ends = (1..tag.len() / pieces + 2)
                .map(|n| search.start_tag(&tag[..(n * pieces).min(tag.len())]));
            assert_eq!(ends.find_map(|end| end), Some(tag.len()), "{pieces}");
        }
        let mut search = Search::default();
        assert_eq!((search.end_tag(b"</a"), search.has_started()), (None, true));
        assert_eq!(
            (search.end_tag(b"</a'>'>"), search.has_started()),
            (Some(5), false)
        );
    }
}
