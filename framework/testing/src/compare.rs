//! Comparison of seen stanzas with wanted ones.

use jid::Jid;
use minidom::Element;

use super::show;
use crate::host::RawStanza;
use campanile::stanza::Stanza;

/// Placeholder for any text in a wanted stanza.
const ANY: &str = "{any}";

/// A stanza as described by a test. Attributes that it does not mention are ignored.
pub(super) struct Wanted {
    stanza: Stanza,
}

impl Wanted {
    /// Parses a wanted stanza.
    ///
    /// # Panics
    /// If the text is not a stanza.
    #[track_caller]
    pub(super) fn parse(xml: &str) -> Self {
        match RawStanza::plain(xml) {
            Ok(stanza) => Self { stanza },
            Err(error) => panic!("invalid wanted stanza: {error}\n  {xml}"),
        }
    }

    pub(super) fn is(&self, seen: &Stanza) -> bool {
        self.difference(seen).is_none()
    }

    /// Describes the first difference, if any.
    ///
    /// Kind, type and children are always compared; addresses, id and language if they are given.
    pub(super) fn difference(&self, seen: &Stanza) -> Option<String> {
        let wanted = &self.stanza;
        if wanted.kind() != seen.kind() {
            return Some(format!("this is {}, not {}", named(seen), named(wanted)));
        }
        let jid = |jid: Option<&Jid>| jid.map(|jid| jid.as_str().to_owned());
        let id = |stanza: &Stanza| stanza.id().map(str::to_owned);
        let lang = |stanza: &Stanza| stanza.lang().map(str::to_owned);
        let header = [
            ("from", jid(wanted.from()), jid(seen.from())),
            ("to", jid(wanted.to()), jid(seen.to())),
            ("id", id(wanted), id(seen)),
            ("xml:lang", lang(wanted), lang(seen)),
        ];
        let mentioned = header.into_iter().filter(|(_, wanted, _)| wanted.is_some());
        let mut differences = mentioned.filter_map(|(name, wanted, seen)| {
            let wanted = wanted.unwrap_or_default();
            let seen = seen.unwrap_or_default();
            (!text_matches(&wanted, &seen)).then(|| format!("{name} is {seen:?}, not {wanted:?}"))
        });
        differences
            .next()
            .or_else(|| list(&trees(wanted), &trees(seen), wanted.kind().name()))
    }

    /// Formats the stanza for a failure message.
    pub(super) fn show(&self) -> String {
        show::stanza(&self.stanza)
    }
}

fn named(stanza: &Stanza) -> String {
    match stanza.kind().type_str() {
        "" => format!("<{}> without a type", stanza.kind().name()),
        kind => format!("<{} type='{kind}'>", stanza.kind().name()),
    }
}

/// Returns the children as trees, which compare independently of prefixes and attribute order.
fn trees(stanza: &Stanza) -> Vec<Element> {
    // Children accepted by the reader always convert.
    stanza
        .children()
        .iter()
        .filter_map(|child| child.element().ok())
        .collect()
}

fn list(wanted: &[Element], seen: &[Element], path: &str) -> Option<String> {
    let missing = |element: &Element| format!("missing {} in {path}", tag(element));
    let surplus = |element: &Element| format!("unexpected {} in {path}", tag(element));
    for at in 0..wanted.len().max(seen.len()) {
        let difference = match (wanted.get(at), seen.get(at)) {
            (Some(wanted), Some(seen)) if wanted.is(seen.name(), seen.ns().as_str()) => {
                element(wanted, seen, path)
            }
            (Some(_), Some(other)) if wanted.len() < seen.len() => Some(surplus(other)),
            (Some(wanted), _) => Some(missing(wanted)),
            (None, Some(seen)) => Some(surplus(seen)),
            (None, None) => None,
        };
        if difference.is_some() {
            return difference;
        }
    }
    None
}

/// Compares two elements of the same name.
fn element(wanted: &Element, seen: &Element, path: &str) -> Option<String> {
    let path = format!("{path}/{}", wanted.name());
    for ((space, name), value) in wanted.attrs().iter() {
        match seen.attrs().get(space, name) {
            None => return Some(format!("{path} has no {name}")),
            Some(other) if !text_matches(value, other) => {
                return Some(format!("{name} of {path} is {other:?}, not {value:?}"));
            }
            Some(_) => {}
        }
    }
    let surplus = seen
        .attrs()
        .iter()
        .find(|((space, name), _)| wanted.attrs().get(*space, *name).is_none());
    if let Some(((_, name), value)) = surplus {
        return Some(format!("{path} has unexpected {name}={value:?}"));
    }
    let children = |element: &Element| element.children().cloned().collect::<Vec<_>>();
    let difference = list(&children(wanted), &children(seen), &path);
    difference.or_else(|| {
        let wanted = wanted.text();
        let seen = seen.text();
        (!text_matches(&wanted, &seen)).then(|| format!("{path} is {seen:?}, not {wanted:?}"))
    })
}

fn tag(element: &Element) -> String {
    match element.ns().as_str() {
        "jabber:client" => format!("<{}>", element.name()),
        namespace => format!("<{} xmlns='{namespace}'>", element.name()),
    }
}

/// Returns `true` if a text matches the wanted one, in which `{any}` matches any text.
fn text_matches(wanted: &str, seen: &str) -> bool {
    let mut pieces = wanted.split(ANY);
    let Some(mut rest) = pieces.next().and_then(|first| seen.strip_prefix(first)) else {
        return false;
    };
    let mut pieces = pieces.peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return rest.ends_with(piece);
        }
        match rest.split_once(piece) {
            Some((_, behind)) => rest = behind,
            None => return false,
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(wanted: &str, seen: &str) -> Option<String> {
        Wanted::parse(wanted).difference(&RawStanza::plain(seen).unwrap())
    }

    #[test]
    fn unmentioned_attributes_are_ignored() {
        let seen = "<message from='a@x/r' to='b@y' id='1' type='chat'><p:x xmlns:p='urn:x' b='1' \
            a='2'/></message>";
        for wanted in [
            "<message type='chat'><x xmlns='urn:x' a='2' b='1'/></message>",
            "<message type='chat' id='1' to='b@y'><x xmlns='urn:x' a='2' b='1'/></message>",
            "<message type='chat' from='a@x/{any}' id='{any}'><x xmlns='urn:x' a='{any}' \
            b='1'/></message>",
        ] {
            assert_eq!(difference(wanted, seen), None, "{wanted}");
        }
    }

    #[test]
    fn difference_is_described() {
        let seen = "<message from='a@x/r' id='1' type='chat'><body>hi</body><x xmlns='urn:x' \
            a='2'><y/></x></message>";
        for (wanted, named) in [
            (
                "<message><body>hi</body></message>",
                "this is <message type='chat'>, not <message type='normal'>",
            ),
            (
                "<presence/>",
                "this is <message type='chat'>, not <presence> without a type",
            ),
            (
                "<message type='chat' from='b@x'/>",
                "from is \"a@x/r\", not \"b@x\"",
            ),
            ("<message type='chat' id='2'/>", "id is \"1\", not \"2\""),
            ("<message type='chat'/>", "unexpected <body> in message"),
            (
                "<message type='chat'><body>hi</body></message>",
                "unexpected <x xmlns='urn:x'> in message",
            ),
            (
                "<message type='chat'><body>ho</body><x xmlns='urn:x' a='2'><y/></x></message>",
                "message/body is \"hi\", not \"ho\"",
            ),
            (
                "<message type='chat'><body>hi</body><x xmlns='urn:z' a='2'><y/></x></message>",
                "missing <x xmlns='urn:z'> in message",
            ),
            (
                "<message type='chat'><body>hi</body><x xmlns='urn:x' a='3'><y/></x></message>",
                "a of message/x is \"2\", not \"3\"",
            ),
            (
                "<message type='chat'><body>hi</body><x xmlns='urn:x' a='2' \
                b='1'><y/></x></message>",
                "message/x has no b",
            ),
            (
                "<message type='chat'><body>hi</body><x xmlns='urn:x'><y/></x></message>",
                "message/x has unexpected a=\"2\"",
            ),
            (
                "<message type='chat'><body>hi</body><x xmlns='urn:x' a='2'><y/><y/></x></message>",
                "missing <y xmlns='urn:x'> in message/x",
            ),
        ] {
            assert_eq!(difference(wanted, seen).as_deref(), Some(named), "{wanted}");
        }
    }

    #[test]
    fn any_matches_any_text() {
        for (wanted, seen, right) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("", "", true),
            ("{any}", "", true),
            ("{any}", "x", true),
            ("a{any}", "abc", true),
            ("a{any}c", "abc", true),
            ("a{any}c", "abd", false),
            ("a{any}b{any}c", "a-b-c", true),
            ("a{any}b{any}c", "a-c-b", false),
            ("{any}a", "ba", true),
            ("ab{any}ba", "aba", false),
        ] {
            assert_eq!(text_matches(wanted, seen), right, "{wanted} {seen}");
        }
    }
}
