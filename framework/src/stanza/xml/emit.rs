//! Writing XML in the form that everything in memory has: no prefixes but `xml`, namespaces written where
//! they change, every character checked.

use std::collections::HashSet;

use xso::{AsXml, Item};

use super::{XML, chars, escape};

/// Why something cannot be written as XML.
#[derive(Debug)]
pub(crate) enum EmitError {
    /// A character that XML 1.0 cannot carry.
    Character(char),
    /// The value's own serialisation failed.
    Value(xso::error::Error),
    /// More output than the caller allows.
    TooLarge,
}

/// Appends elements to a buffer, keeping track of the default namespace.
#[derive(Debug)]
pub(crate) struct Emitter<'o> {
    out: &'o mut Vec<u8>,
    open: Vec<Open>,
    in_tag: bool,
    prefixes: HashSet<String>,
}

#[derive(Debug)]
struct Open {
    name: String,
    namespace: String,
}

impl<'o> Emitter<'o> {
    /// Elements in `namespace` get no `xmlns` at the outermost level.
    pub(crate) fn new(out: &'o mut Vec<u8>, namespace: &str) -> Self {
        let outside = Open { name: String::new(), namespace: namespace.to_owned() };
        Self { out, open: vec![outside], in_tag: false, prefixes: HashSet::new() }
    }

    pub(crate) fn start(&mut self, namespace: &str, name: &str) -> Result<(), EmitError> {
        self.end_tag();
        self.prefixes.clear();
        let inherited = self.open.last().map_or("", |open| open.namespace.as_str());
        // Namespaces in XML 1.0 §3: this one has its prefix, and must not be declared as the default.
        let (name, namespace) = match namespace {
            XML => (format!("xml:{name}"), inherited.to_owned()),
            _ => (name.to_owned(), namespace.to_owned()),
        };
        let changed = namespace != inherited;
        self.out.push(b'<');
        self.out.extend_from_slice(name.as_bytes());
        if changed {
            self.write_attribute("xmlns", &namespace)?;
        }
        self.open.push(Open { name, namespace });
        self.in_tag = true;
        Ok(())
    }

    pub(crate) fn attribute(&mut self, namespace: &str, name: &str, value: &str) -> Result<(), EmitError> {
        match namespace {
            "" => self.write_attribute(name, value),
            XML => self.write_attribute(&format!("xml:{name}"), value),
            _ => {
                let prefix = format!("ns{}", self.prefixes.len());
                self.write_attribute(&format!("xmlns:{prefix}"), namespace)?;
                self.write_attribute(&format!("{prefix}:{name}"), value)?;
                self.prefixes.insert(prefix);
                Ok(())
            }
        }
    }

    pub(crate) fn text(&mut self, text: &str) -> Result<(), EmitError> {
        if text.is_empty() {
            return Ok(());
        }
        check(text)?;
        self.end_tag();
        escape::push_text(self.out, text);
        Ok(())
    }

    pub(crate) fn end(&mut self) {
        let Some(open) = self.open.pop() else { return };
        if self.in_tag {
            self.out.extend_from_slice(b"/>");
            self.in_tag = false;
        } else {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_slice(open.name.as_bytes());
            self.out.push(b'>');
        }
    }

    /// Appends elements that need nothing of their surroundings but what they had where they come from.
    pub(crate) fn raw(&mut self, checked: &[u8]) {
        self.end_tag();
        self.out.extend_from_slice(checked);
    }

    /// Writes one typed value, whole.
    pub(crate) fn value<T: AsXml + ?Sized>(&mut self, value: &T) -> Result<(), EmitError> {
        for item in value.as_xml_iter().map_err(EmitError::Value)? {
            self.item(&item.map_err(EmitError::Value)?)?;
        }
        Ok(())
    }

    pub(crate) fn item(&mut self, item: &Item<'_>) -> Result<(), EmitError> {
        match item {
            Item::XmlDeclaration(_) => {}
            Item::ElementHeadStart(namespace, name) => self.start(namespace, name)?,
            Item::Attribute(namespace, name, value) => self.attribute(namespace, name, value)?,
            // The tag is ended by what follows it, so that an element without content closes itself.
            Item::ElementHeadEnd => {}
            Item::Text(text) => self.text(text)?,
            Item::ElementFoot => self.end(),
        }
        Ok(())
    }

    fn end_tag(&mut self) {
        if self.in_tag {
            self.out.push(b'>');
            self.in_tag = false;
        }
    }

    fn write_attribute(&mut self, name: &str, value: &str) -> Result<(), EmitError> {
        check(value)?;
        self.out.push(b' ');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"='");
        escape::push_attribute(self.out, value);
        self.out.push(b'\'');
        Ok(())
    }
}

fn check(text: &str) -> Result<(), EmitError> {
    chars::forbidden(text).map_or(Ok(()), |c| Err(EmitError::Character(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_written_where_they_change() {
        let mut out = Vec::new();
        let mut emitter = Emitter::new(&mut out, "jabber:client");
        emitter.start("urn:a", "a").unwrap();
        emitter.attribute(XML, "lang", "en").unwrap();
        emitter.attribute("urn:k", "k", "'<").unwrap();
        emitter.start("urn:a", "b").unwrap();
        emitter.end();
        emitter.start("jabber:client", "message").unwrap();
        emitter.text("a & b").unwrap();
        emitter.end();
        emitter.end();
        let wanted = "<a xmlns='urn:a' xml:lang='en' xmlns:ns0='urn:k' ns0:k='&apos;&lt;'><b/>\
                      <message xmlns='jabber:client'>a &amp; b</message></a>";
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }

    #[test]
    fn the_namespace_of_xml_itself_is_a_prefix() {
        let mut out = Vec::new();
        let mut emitter = Emitter::new(&mut out, "jabber:client");
        emitter.start(XML, "a").unwrap();
        emitter.start("jabber:client", "b").unwrap();
        emitter.end();
        emitter.end();
        assert_eq!(String::from_utf8(out).unwrap(), "<xml:a><b/></xml:a>");
    }

    #[test]
    fn a_forbidden_character_is_an_error() {
        let mut out = Vec::new();
        let mut emitter = Emitter::new(&mut out, "");
        emitter.start("", "a").unwrap();
        assert!(matches!(emitter.text("\u{1}"), Err(EmitError::Character('\u{1}'))));
        assert!(matches!(emitter.attribute("", "b", "\0"), Err(EmitError::Character('\0'))));
    }
}
