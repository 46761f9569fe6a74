//! Formatting of stanzas in failure messages: as XML, indented if long.

use campanile::stanza::Stanza;
use campanile_stanza::xml::{Token, Tokens};

/// Longer stanzas are spread over several lines.
const LINE: usize = 100;
/// Longer text is truncated to this many characters.
const SHOWN: usize = 4000;

/// Formats one stanza.
pub(super) fn stanza(stanza: &Stanza) -> String {
    let xml = stanza.to_xml();
    if xml.chars().count() <= LINE {
        xml
    } else {
        cut(&spread(&xml))
    }
}

/// Formats several stanzas, one per line.
pub(super) fn stanzas(stanzas: &[Stanza]) -> String {
    if stanzas.is_empty() {
        "nothing".to_owned()
    } else {
        join(stanzas.iter().map(stanza))
    }
}

/// Joins texts with line breaks.
pub(super) fn join(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join("\n")
}

/// Formats a failure: the reason, the wanted and the seen text, aligned.
pub(super) fn failure(head: &str, wanted: &str, seen: &str) -> String {
    format!(
        "{head}\n  wanted: {}\n    seen: {}\n",
        indented(wanted),
        indented(seen)
    )
}

/// Truncates long text.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} … ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}

/// Aligns continuation lines with the first.
fn indented(text: &str) -> String {
    text.replace('\n', "\n          ")
}

/// Indents XML. An element that contains only text stays on one line.
fn spread(xml: &str) -> String {
    let mut lines = String::new();
    let mut depth = 0usize;
    let pieces: Vec<_> = Tokens::new(xml).collect();
    let mut names = Vec::new();
    let mut at = 0;
    while at < pieces.len() {
        let indent = "  ".repeat(depth);
        match pieces[at] {
            Token::Start(start) => {
                let tag = format!("{}<{}{}", indent, start.name, start.attributes);
                match (&pieces.get(at + 1), &pieces.get(at + 2)) {
                    _ if start.empty => lines += &format!("{tag}/>\n"),
                    (Some(Token::Text(text)), Some(Token::End)) => {
                        lines += &format!("{tag}>{text}</{}>\n", start.name);
                        at += 2;
                    }
                    _ => {
                        lines += &format!("{tag}>\n");
                        names.push(start.name);
                        depth += 1;
                    }
                }
            }
            Token::End => {
                depth = depth.saturating_sub(1);
                lines += &format!(
                    "{}</{}>\n",
                    "  ".repeat(depth),
                    names.pop().unwrap_or_default()
                );
            }
            Token::Text(text) | Token::Cdata(text) => lines += &format!("{indent}{text}\n"),
        }
        at += 1;
    }
    lines.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::RawStanza;

    fn shown(xml: &str) -> String {
        stanza(&RawStanza::plain(xml).unwrap())
    }

    #[test]
    fn short_stanza_fits_one_line() {
        assert_eq!(
            shown("<presence to='a@x'><show>away</show></presence>"),
            "<presence to='a@x'><show>away</show></presence>"
        );
    }

    #[test]
    fn long_stanza_is_indented() {
        let long = "<iq from='bot.localhost' to='alice@localhost/home' id='1' type='result'><query \
            xmlns='urn:x'>\
            <item jid='a@x'/><item jid='b@x'><name>b &amp; c</name></item>text<item/></query></iq>";
        let wanted = "\
<iq from='bot.localhost' to='alice@localhost/home' id='1' type='result'>
  <query xmlns='urn:x'>
    <item jid='a@x'/>
    <item jid='b@x'>
      <name>b &amp; c</name>
    </item>
    text
    <item/>
  </query>
</iq>";
        assert_eq!(shown(long), wanted);
    }

    #[test]
    fn failure_aligns_wanted_and_seen() {
        assert_eq!(
            failure("here", "a\nb", "c"),
            "here\n  wanted: a\n          b\n    seen: c\n"
        );
    }

    #[test]
    fn long_text_is_truncated() {
        let text = "é".repeat(SHOWN + 1);
        assert_eq!(
            cut(&text).chars().count(),
            SHOWN + " … (8002 bytes)".chars().count()
        );
    }
}
