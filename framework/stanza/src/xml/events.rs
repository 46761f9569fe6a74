//! Parses checked XML into types of `xso`, by producing the events that its builders consume.

use rxml::parser::EventMetrics;
use rxml::{AttrMap, Event, Namespace, NcName, QName};
use xso::error::{Error, FromEventsError};
use xso::{Context, FromEventsBuilder, FromXml};

use super::tokens::{Token, Tokens, attributes, split_name};
use super::{CLIENT, XML, escape};

/// Parses one checked element whose parent is in `jabber:client`.
pub(crate) fn parse<T: FromXml>(element: &str, lang: Option<&str>) -> Result<T, Error> {
    let mut events = Events::new(element, lang);
    let Some(Event::StartElement(_, name, attributes)) = events.next()? else {
        return Err(Error::Other("no element"));
    };
    let builder = open::<T>(name, attributes, events.lang())?;
    finish(builder, events)
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
    bindings: Vec<Binding<'a>>,
    langs: Vec<(usize, String)>,
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
    fn new(checked: &'a str, lang: Option<&str>) -> Self {
        let outside = Binding {
            depth: 0,
            prefix: "",
            namespace: Namespace::from_str(CLIENT),
        };
        Self {
            tokens: Tokens::new(checked),
            bindings: vec![outside],
            langs: lang.map(|lang| (0, lang.to_owned())).into_iter().collect(),
            depth: 0,
            owed_end: false,
            closing: false,
        }
    }

    fn lang(&self) -> Option<&str> {
        self.langs.last().map(|(_, lang)| lang.as_str())
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
        for (name, value) in attributes(raw) {
            let prefix = match split_name(name) {
                ("", "xmlns") => "",
                ("xmlns", prefix) => prefix,
                _ => continue,
            };
            let namespace = Namespace::from(escape::unescape_attribute(value).into_owned());
            self.bindings.push(Binding {
                depth: self.depth,
                prefix,
                namespace,
            });
        }
        let (prefix, local) = split_name(name);
        let name = (self.namespace(prefix), NcName::try_from(local)?);
        let mut map = AttrMap::new();
        for (name, value) in attributes(raw) {
            let (prefix, local) = split_name(name);
            if prefix == "xmlns" || name == "xmlns" {
                continue;
            }
            let value = escape::unescape_attribute(value).into_owned();
            let namespace = if prefix.is_empty() {
                Namespace::NONE
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

    fn end(&mut self) -> Event {
        let depth = self.depth;
        self.bindings.truncate(
            self.bindings
                .iter()
                .rposition(|b| b.depth < depth)
                .map_or(0, |at| at + 1),
        );
        self.langs.truncate(
            self.langs
                .iter()
                .rposition(|l| l.0 < depth)
                .map_or(0, |at| at + 1),
        );
        self.depth -= 1;
        Event::EndElement(EventMetrics::zero())
    }

    fn namespace(&self, prefix: &str) -> Namespace<'static> {
        if prefix == "xml" {
            return Namespace::from_str(XML);
        }
        let bound = self
            .bindings
            .iter()
            .rev()
            .find(|binding| binding.prefix == prefix);
        bound.map_or(Namespace::NONE, |binding| binding.namespace.clone())
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
