//! Parses checked XML into types of `xso`, by producing the events that its builders consume.

use rxml::parser::EventMetrics;
use rxml::{AttrMap, Event, Namespace, NcName, QName};
use smallvec::SmallVec;
use xso::error::{Error, FromEventsError};
use xso::{Context, FromEventsBuilder, FromXml};

use super::element_reader::RawElement;
use super::tokens::{Token, Tokens, attributes, is_same_prefix, split_name};
use super::{CLIENT, escape, namespace_cache};

/// Parses one checked element whose parent is in `jabber:client`.
pub(crate) fn parse<T: FromXml>(element: &str, lang: Option<&str>) -> Result<T, Error> {
    parse_root(Events::new(element, lang))
}

fn parse_root<T: FromXml>(mut events: Events<'_>) -> Result<T, Error> {
    let Some(Event::StartElement(_, name, attributes)) = events.next()? else {
        return Err(Error::Other("no element"));
    };
    let builder = open::<T>(name, attributes, events.lang())?;
    finish(builder, events)
}

/// Parses one element within others.
pub(crate) fn parse_within<T: FromXml>(element: &RawElement<'_, '_>) -> Result<T, Error> {
    let mut events = Events::new(element.text, element.lang);
    for outer in element.bindings {
        events.bindings.push(Binding {
            depth: 0,
            prefix: outer.prefix,
            namespace: namespace_cache::namespace(&outer.namespace),
        });
    }
    parse_root(events)
}

/// Parses a whole stanza from its name, its attributes and its checked children.
pub(crate) fn parse_stanza<T: FromXml>(
    name: &str,
    header: AttrMap,
    children: &str,
    lang: Option<&str>,
) -> Result<T, Error> {
    let name = (Namespace::from_str(CLIENT), NcName::try_from(name)?);
    let builder = open::<T>(name, header, lang)?;
    let mut events = Events::new(children, lang);
    events.depth = 1;
    events.closing = true;
    finish(builder, events)
}

fn open<T: FromXml>(
    name: QName,
    attributes: AttrMap,
    lang: Option<&str>,
) -> Result<T::Builder, Error> {
    match T::from_events(name, attributes, &Context::empty().with_language(lang)) {
        Ok(builder) => Ok(builder),
        Err(FromEventsError::Mismatch { .. }) => Err(Error::TypeMismatch),
        Err(FromEventsError::Invalid(error)) => Err(error),
    }
}

fn finish<B: FromEventsBuilder>(
    mut builder: B,
    mut events: Events<'_>,
) -> Result<B::Output, Error> {
    while let Some(event) = events.next()? {
        let context = Context::empty().with_language(events.lang());
        if let Some(value) = builder.feed(event, &context)? {
            return Ok(value);
        }
    }
    Err(Error::Other("unclosed element"))
}

/// Converts tokens into events, resolving namespaces.
struct Events<'a> {
    tokens: Tokens<'a>,
    bindings: SmallVec<[Binding<'a>; 4]>,
    /// The language outside of the tokens.
    outer_lang: Option<&'a str>,
    /// The languages within, each with the depth of its element.
    langs: SmallVec<[(usize, String); 1]>,
    depth: usize,
    /// The last element was an empty tag, so its end event is due.
    owed_end: bool,
    /// The tokens cover the children only, so the end event of the stanza is due after them.
    closing: bool,
}

struct Binding<'a> {
    depth: usize,
    prefix: &'a str,
    namespace: Namespace<'static>,
}

impl<'a> Events<'a> {
    fn new(checked: &'a str, lang: Option<&'a str>) -> Self {
        Self {
            tokens: Tokens::new(checked),
            bindings: SmallVec::new(),
            outer_lang: lang,
            langs: SmallVec::new(),
            depth: 0,
            owed_end: false,
            closing: false,
        }
    }

    fn lang(&self) -> Option<&str> {
        match self.langs.last() {
            Some((_, lang)) => Some(lang),
            None => self.outer_lang,
        }
    }

    fn next(&mut self) -> Result<Option<Event>, Error> {
        if std::mem::take(&mut self.owed_end) {
            return Ok(Some(self.end()));
        }
        loop {
            return Ok(match self.tokens.next() {
                Some(Token::Start(start)) => {
                    self.owed_end = start.empty;
                    Some(self.start(start.name, start.attributes)?)
                }
                Some(Token::End) => Some(self.end()),
                // RFC 6120 §8.4: stanzas contain elements only; text directly in one is ignored.
                Some(Token::Text(_) | Token::Cdata(_)) if self.closing && self.depth == 1 => {
                    continue;
                }
                Some(Token::Text(raw)) => Some(Event::Text(
                    EventMetrics::zero(),
                    escape::unescape_text(raw).into_owned(),
                )),
                Some(Token::Cdata(raw)) => Some(Event::Text(EventMetrics::zero(), raw.to_owned())),
                None if std::mem::take(&mut self.closing) => Some(self.end()),
                None => None,
            });
        }
    }

    fn start(&mut self, name: &'a str, raw: &'a str) -> Result<Event, Error> {
        self.depth += 1;
        // A prefix may be declared after its use in the same tag.
        let mut plain: SmallVec<[_; 8]> = SmallVec::new();
        for (name, value) in attributes(raw) {
            match split_name(name) {
                ("", "xmlns") => self.bind("", value),
                ("xmlns", prefix) => self.bind(prefix, value),
                (prefix, local) => plain.push((prefix, local, value)),
            }
        }
        let (prefix, local) = split_name(name);
        let name = (self.namespace(prefix), NcName::try_from(local)?);
        let mut map = AttrMap::new();
        for (prefix, local, value) in plain {
            let value = escape::unescape_attribute(value).into_owned();
            let namespace = if prefix.is_empty() {
                namespace_cache::NONE
            } else {
                self.namespace(prefix)
            };
            if prefix == "xml" && local == "lang" {
                self.langs.push((self.depth, value.clone()));
            }
            map.insert(namespace, NcName::try_from(local)?, value);
        }
        Ok(Event::StartElement(EventMetrics::zero(), name, map))
    }

    fn bind(&mut self, prefix: &'a str, value: &str) {
        self.bindings.push(Binding {
            depth: self.depth,
            prefix,
            namespace: namespace_cache::namespace(&escape::unescape_attribute(value)),
        });
    }

    fn end(&mut self) -> Event {
        let depth = self.depth;
        while self.bindings.last().is_some_and(|it| it.depth >= depth) {
            self.bindings.pop();
        }
        while self.langs.last().is_some_and(|it| it.0 >= depth) {
            self.langs.pop();
        }
        self.depth -= 1;
        Event::EndElement(EventMetrics::zero())
    }

    fn namespace(&self, prefix: &str) -> Namespace<'static> {
        if prefix == "xml" {
            return Namespace::XML;
        }
        let is_same = |bound: &&Binding<'_>| is_same_prefix(bound.prefix, prefix);
        match self.bindings.iter().rev().find(is_same) {
            Some(binding) => binding.namespace.clone(),
            None if prefix.is_empty() => const { Namespace::from_str(CLIENT) },
            None => namespace_cache::NONE,
        }
    }
}

#[cfg(test)]
mod tests {
    use minidom::Element;

    use super::*;

    #[test]
    fn parsed_tree_equals_that_of_an_independent_parser() {
        let cases = [
            "<a xmlns='urn:a'/>",
            "<a xmlns='urn:a' k='&lt;&#10;' xml:lang='de'>t<b/>u<c xmlns='urn:c'>&amp;</c><d/></a>",
            "<p:a xmlns:p='urn:p' p:k='v'><p:b xmlns:p='urn:q'/><p:c/></p:a>",
            "<a xmlns=''>x\r\ny</a>",
        ];
        for case in cases {
            let parsed: Element = parse(case, None).unwrap();
            let expected: Element = xso::from_bytes(case.as_bytes()).unwrap();
            assert_eq!(parsed, expected, "{case}");
        }
    }

    #[test]
    fn child_without_xmlns_is_in_the_client_namespace() {
        let body: Element = parse("<body>hi</body>", None).unwrap();
        assert_eq!((body.name(), body.ns()), ("body", CLIENT.to_owned()));
    }
}
