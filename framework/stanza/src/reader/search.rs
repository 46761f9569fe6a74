//! Where a tag ends that arrives in pieces.

use super::count_scanned;

/// The search for the `>` of one tag. It goes on where it stopped, so that no byte is looked at
/// twice.
#[derive(Debug, Default)]
pub(super) struct Search {
    /// How many bytes of the tag have been searched.
    seen: usize,
    /// The quote that is open there, or 0.
    quote: u8,
}

impl Search {
    pub(super) fn has_started(&self) -> bool {
        self.seen > 0
    }

    /// Length of the start tag at the beginning of `rest`; a `>` inside quotes does not end it.
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

    /// Length of the end tag at the beginning of `rest`, which has no quotes.
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
    fn the_end_is_found_in_any_pieces() {
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
