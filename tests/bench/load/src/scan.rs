//! Finds complete stanzas in a component's output without an XML parser, at memory bandwidth.
//!
//! It relies on two properties of every component measured here: `>` is escaped in attribute
//! values, and there are no comments, processing instructions or CDATA sections.

use memchr::memchr;

/// A stanza of the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stanza<'a> {
    /// The whole stanza.
    pub raw: &'a [u8],
    /// Content between start and end tag.
    pub content: &'a [u8],
    head: &'a [u8],
}

#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A stanza, and the offset after it.
    Stanza(Stanza<'a>, usize),
    /// Incomplete input.
    Partial,
    /// End of the stream.
    End,
    /// Not a stanza.
    Nonsense,
}

/// The relevant attributes of a stanza.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Attributes<'a> {
    pub id: &'a [u8],
    pub kind: &'a [u8],
    pub from: &'a [u8],
    pub to: &'a [u8],
}

/// Returns the first stanza in `bytes`.
pub fn first(bytes: &[u8]) -> Found<'_> {
    let Some(start) = memchr(b'<', bytes) else {
        return Found::Partial;
    };
    let Some(gt) = memchr(b'>', &bytes[start..]).map(|i| start + i) else {
        return Found::Partial;
    };
    match bytes[start + 1] {
        b'/' => return Found::End,
        b'm' | b'i' | b'p' | b's' => {}
        _ => return Found::Nonsense,
    }
    let head = &bytes[start + 1..gt];
    let opened = gt + 1;
    if head.ends_with(b"/") {
        return Found::Stanza(
            Stanza {
                raw: &bytes[start..opened],
                content: &[],
                head,
            },
            opened,
        );
    }
    let Some((closing, end)) = end_of_content(bytes, opened) else {
        return Found::Partial;
    };
    Found::Stanza(
        Stanza {
            raw: &bytes[start..end],
            content: &bytes[opened..closing],
            head,
        },
        end,
    )
}

impl<'a> Stanza<'a> {
    pub fn name(&self) -> &'a [u8] {
        let end = self
            .head
            .iter()
            .position(|&b| b.is_ascii_whitespace() || b == b'/');
        &self.head[..end.unwrap_or(self.head.len())]
    }

    pub fn attributes(&self) -> Attributes<'a> {
        let mut found = Attributes::default();
        let mut rest = self.head;
        while let Some(equals) = memchr(b'=', rest) {
            let name = rest[..equals]
                .rsplit(|b| b.is_ascii_whitespace())
                .next()
                .unwrap_or_default();
            let Some(&quote) = rest.get(equals + 1) else {
                break;
            };
            let value = &rest[equals + 2..];
            let Some(end) = memchr(quote, value) else {
                break;
            };
            match name {
                b"id" => found.id = &value[..end],
                b"type" => found.kind = &value[..end],
                b"from" => found.from = &value[..end],
                b"to" => found.to = &value[..end],
                _ => {}
            }
            rest = &value[end + 1..];
        }
        found
    }
}

/// Returns start and end of the closing tag of the element whose content starts at `at`.
fn end_of_content(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    let mut depth = 1usize;
    loop {
        let lt = at + memchr(b'<', &bytes[at..])?;
        let gt = lt + memchr(b'>', &bytes[lt..])?;
        if bytes[lt + 1] == b'/' {
            depth -= 1;
        } else if bytes[gt - 1] != b'/' {
            depth += 1;
        }
        if depth == 0 {
            return Some((lt, gt + 1));
        }
        at = gt + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[u8] = b" \n<message to=\"u@h/r\" xml:lang='en' id='m1' type='chat' from='b@c'>\
        <x><y/></x><body>hi</body></message><iq type='result' id='m2'/></stream:stream>";

    #[test]
    fn scanner_yields_stanzas_in_order() {
        let Found::Stanza(one, next) = first(TWO) else {
            panic!("no stanza")
        };
        assert_eq!(one.name(), b"message");
        assert_eq!(one.content, b"<x><y/></x><body>hi</body>");
        assert!(one.raw.starts_with(b"<message ") && one.raw.ends_with(b"</message>"));
        assert_eq!(
            one.attributes(),
            Attributes {
                id: b"m1",
                kind: b"chat",
                from: b"b@c",
                to: b"u@h/r"
            }
        );
        let Found::Stanza(two, end) = first(&TWO[next..]) else {
            panic!("no stanza")
        };
        assert_eq!(
            (two.name(), two.content, two.attributes().id),
            (&b"iq"[..], &b""[..], &b"m2"[..])
        );
        assert_eq!(first(&TWO[next + end..]), Found::End);
    }

    #[test]
    fn truncated_stanza_is_partial() {
        let Found::Stanza(_, next) = first(TWO) else {
            panic!("no stanza")
        };
        for cut in 0..next {
            assert_eq!(first(&TWO[..cut]), Found::Partial, "cut at {cut}");
        }
    }

    #[test]
    fn declaration_is_not_a_stanza() {
        assert_eq!(first(b"<?xml version='1.0'?>"), Found::Nonsense);
        assert_eq!(first(b""), Found::Partial);
    }
}
