//! Conversion between stanzas and the XML text in which entries are stored.

use campanile::stanza::Stanza;

/// Parses one stanza with the stream's reader. Returns `None` if the text is not a stanza.
pub(crate) fn stanza(xml: &[u8]) -> Option<Stanza> {
    Stanza::parse(std::str::from_utf8(xml).ok()?).ok()
}

/// Returns `true` if every server accepts this stanza. Prosody accepts namespaces with a line feed
/// (written as a character reference); ejabberd closes the stream of a component that sends one,
/// and an archive may hold stanzas of components on both.
pub(crate) fn is_sendable(xml: &str) -> bool {
    let reparsed = || Stanza::try_from(&stanza(xml.as_bytes())?.to_element().ok()?).ok();
    !xml.contains("&#") || reparsed().is_some()
}

/// Adds the `jabber:client` namespace to a stored stanza, so that it can be embedded elsewhere.
pub(crate) fn standalone(xml: &str) -> String {
    let end = xml.find([' ', '/', '>']).unwrap_or(xml.len());
    let (name, rest) = xml.split_at(end);
    format!("{name} xmlns='jabber:client'{rest}")
}

/// Appends text with XML escapes, valid in attributes and in character data.
pub(crate) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            // Attribute normalization would turn these into spaces (XML 1.0 §3.3.3).
            '\n' | '\r' | '\t' => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
    }
}

/// Returns text with XML escapes.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    out
}

/// Returns the character data of well-formed XML at any depth, with tags replaced by spaces.
///
/// Entity references (`&amp;`) become spaces too; numeric ones are decoded. This is sufficient for
/// splitting into words, its only purpose.
pub(crate) fn character_data(xml: &str) -> String {
    let mut out = String::new();
    let mut rest = xml;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        rest = if let Some(data) = rest.strip_prefix("<![CDATA[") {
            let end = data.find("]]>").unwrap_or(data.len());
            out.push_str(&data[..end]);
            data.get(end + 3..).unwrap_or_default()
        } else if rest.starts_with('<') {
            out.push(' ');
            &rest[tag_end(rest)..]
        } else {
            let end = rest.find(';').map_or(rest.len(), |end| end + 1);
            out.push(reference(&rest[..end]).unwrap_or(' '));
            &rest[end..]
        };
    }
    out.push_str(rest);
    out
}

/// Returns the offset after the `>` of a tag, skipping those in attribute values.
fn tag_end(tag: &str) -> usize {
    let mut quote = None;
    for (at, byte) in tag.bytes().enumerate() {
        match (byte, quote) {
            (b'>', None) => return at + 1,
            (b'\'' | b'"', None) => quote = Some(byte),
            (byte, Some(open)) if byte == open => quote = None,
            _ => {}
        }
    }
    tag.len()
}

fn reference(text: &str) -> Option<char> {
    let number = text.strip_prefix("&#")?.strip_suffix(';')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stanza_round_trips() {
        let xml = "<message from='a@b/c' to='d.e' type='chat'><body>a &amp; b</body><x \
            xmlns='urn:x'><y/></x></message>";
        assert_eq!(stanza(xml.as_bytes()).unwrap().to_xml(), xml);
        for bad in [
            "",
            "x",
            "<message",
            "<foo/>",
            "<message/><message/>",
            "<message/> x",
        ] {
            assert!(stanza(bad.as_bytes()).is_none(), "{bad}");
        }
        assert_eq!(
            standalone("<message to='x'/>"),
            "<message xmlns='jabber:client' to='x'/>"
        );
        assert_eq!(
            standalone("<presence/>"),
            "<presence xmlns='jabber:client'/>"
        );
    }

    #[test]
    fn character_data_includes_nested_elements() {
        let xml = "<a q='x>y'>one<b>two</b>&#116;hree &amp; <![CDATA[fo<ur]]><c/></a>";
        assert_eq!(character_data(xml), " one two three   fo<ur  ");
    }
}
