//! Serializes XML in the form that all stanzas have in memory: no prefixes on elements except
//! `xml`, namespaces declared where they change, all characters checked.

use std::ops::Range;

use compact_str::{CompactString, format_compact};
use smallvec::SmallVec;
use xso::{AsXml, Item};

use super::{XML, XMLNS, chars, escape, names};

/// The reason why a value cannot be serialized as XML.
#[derive(Debug)]
pub enum EmitError {
    /// A character that XML 1.0 does not allow.
    Character(char),
    /// A name of an element or an attribute that servers do not accept.
    Name(String),
    /// A namespace that servers do not accept.
    Namespace(String),
    /// The serialization code of the value failed.
    Value(xso::error::Error),
    /// The items of the value do not form exactly one element.
    Shape(&'static str),
    /// More output than the caller allows.
    TooLarge,
}

/// Appends elements to a buffer and tracks the default namespace.
///
/// Names and namespaces of open elements are not kept: they are where they were written.
#[derive(Debug)]
pub struct Emitter<'o> {
    out: &'o mut Vec<u8>,
    /// The default namespace around the elements.
    outside: &'o str,
    open: SmallVec<[Open; 8]>,
    in_tag: bool,
    /// The attributes in the current tag.
    attributes: SmallVec<[Attribute; 8]>,
    /// Names and namespaces come from a stream, so the server accepts them.
    names_trusted: bool,
    /// The number of elements that have no parent here.
    roots: usize,
    /// Text was written outside of an element.
    stray_text: bool,
}

/// An open element.
#[derive(Debug, Clone)]
struct Open {
    /// The name as written in the start tag.
    name: Range<usize>,
    /// The declaration of its default namespace, escaped. `None` stands for the outside.
    namespace: Option<Range<usize>>,
}

#[derive(Debug)]
struct Attribute {
    namespace: CompactString,
    /// The local name as written.
    name: Range<usize>,
}

const NOT_ONE: EmitError = EmitError::Shape("the value is not one element");

impl<'o> Emitter<'o> {
    /// Creates an emitter inside an element whose default namespace is `namespace`.
    pub(crate) fn new(out: &'o mut Vec<u8>, namespace: &'o str) -> Self {
        Self {
            out,
            outside: namespace,
            open: SmallVec::new(),
            in_tag: false,
            attributes: SmallVec::new(),
            names_trusted: false,
            roots: 0,
            stray_text: false,
        }
    }

    /// Disables the checks of names and namespaces, for those that the reader has accepted.
    pub(crate) fn trust_names(&mut self) {
        self.names_trusted = true;
    }

    /// Opens an element.
    ///
    /// # Errors
    /// Returns [`EmitError`] if `name` is not an XML name, or `namespace` holds a character that
    /// XML forbids.
    pub fn start(&mut self, namespace: &str, name: &str) -> Result<(), EmitError> {
        self.check_name(name)?;
        self.check_namespace(namespace)?;
        self.end_tag();
        self.attributes.clear();
        self.out
            .reserve(" xmlns=''></>".len() + 2 * name.len() + namespace.len());
        self.out.push(b'<');
        let inherited = self.open.last().and_then(|open| open.namespace.clone());
        // Namespaces in XML 1.0 §3: the namespace of `xml` must not be declared as the default.
        let prefix: &[u8] = if namespace == XML { b"xml:" } else { b"" };
        let name = self.write(&[prefix, name.as_bytes()]);
        let namespace = if namespace == XML || self.is_written(inherited.as_ref(), namespace) {
            inherited
        } else {
            Some(self.write_attribute(&[b"xmlns"], namespace)?)
        };
        self.roots += usize::from(self.open.is_empty());
        self.open.push(Open { name, namespace });
        self.in_tag = true;
        Ok(())
    }

    /// Returns `true` if the default namespace declared here is this one.
    fn is_written(&self, declared: Option<&Range<usize>>, namespace: &str) -> bool {
        let Some(declared) = declared else {
            return self.outside == namespace;
        };
        let written = &self.out[declared.clone()];
        if chars::is_plain(namespace) {
            return written == namespace.as_bytes();
        }
        let mut escaped = Vec::new();
        escape::push_attribute(&mut escaped, namespace);
        written == escaped
    }

    /// Adds an attribute to the start tag that was opened last.
    ///
    /// # Errors
    /// Returns [`EmitError`] outside a start tag, for a duplicate, and for a name or value that XML
    /// forbids.
    pub fn attribute(&mut self, namespace: &str, name: &str, value: &str) -> Result<(), EmitError> {
        self.check_name(name)?;
        if !self.in_tag {
            return Err(EmitError::Shape("attribute outside of a start tag"));
        }
        // Namespaces in XML 1.0 §6.3: unique by namespace and local name.
        // Names first: they differ, and comparing two empty namespaces is slow, see
        // `namespace_cache::NONE`.
        let is_same = |other: &Attribute| {
            self.out[other.name.clone()] == *name.as_bytes() && other.namespace == namespace
        };
        if self.attributes.iter().any(is_same) {
            return Err(EmitError::Shape("duplicate attribute"));
        }
        let prefix = match namespace {
            // This would declare a namespace without the emitter tracking it.
            "" if name == "xmlns" => return Err(EmitError::Name(name.to_owned())),
            "" => CompactString::default(),
            XML => CompactString::const_new("xml:"),
            _ => self.declare_prefix(namespace)?,
        };
        let start = self.out.len() + " ".len() + prefix.len();
        self.write_attribute(&[prefix.as_bytes(), name.as_bytes()], value)?;
        self.attributes.push(Attribute {
            namespace: namespace.into(),
            name: start..start + name.len(),
        });
        Ok(())
    }

    /// Declares a namespace in the current tag, and returns its prefix with the colon.
    fn declare_prefix(&mut self, namespace: &str) -> Result<CompactString, EmitError> {
        self.check_namespace(namespace)?;
        let prefixed = self
            .attributes
            .iter()
            .filter(|other| !other.namespace.is_empty() && other.namespace != XML);
        let prefix = format_compact!("ns{}", prefixed.count());
        self.write_attribute(&[b"xmlns:", prefix.as_bytes()], namespace)?;
        Ok(prefix + ":")
    }

    /// Appends character data, escaped.
    ///
    /// # Errors
    /// Returns [`EmitError`] for a character that XML forbids.
    pub fn text(&mut self, text: &str) -> Result<(), EmitError> {
        if text.is_empty() {
            return Ok(());
        }
        let plain = chars::is_plain(text);
        if !plain {
            check(text)?;
        }
        self.stray_text |= self.open.is_empty();
        self.end_tag();
        if plain {
            self.out.extend_from_slice(text.as_bytes());
        } else {
            escape::push_text(self.out, text);
        }
        Ok(())
    }

    /// Closes the innermost open element.
    pub fn end(&mut self) {
        let Some(open) = self.open.pop() else {
            return;
        };
        if self.in_tag {
            self.out.extend_from_slice(b"/>");
            self.in_tag = false;
        } else {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_within(open.name);
            self.out.push(b'>');
        }
    }

    /// Checks that exactly one whole element was written.
    pub(crate) fn finish(self) -> Result<(), EmitError> {
        if self.open.is_empty() && self.roots == 1 && !self.stray_text {
            Ok(())
        } else {
            Err(NOT_ONE)
        }
    }

    /// Appends serialized elements.
    ///
    /// The default namespace here must be the one that they were serialized in.
    pub(crate) fn raw(&mut self, checked: &[u8]) {
        self.end_tag();
        self.out.extend_from_slice(checked);
    }

    /// Serializes one typed value.
    ///
    /// `AsXml` may be implemented by user code, so it is checked that the items form exactly one
    /// element.
    ///
    /// # Errors
    /// Returns [`EmitError`] if they do not, or contain something that XML or servers forbid.
    pub fn value<T: AsXml + ?Sized>(&mut self, value: &T) -> Result<(), EmitError> {
        let outside = self.open.len();
        let mut started = false;
        for item in value.as_xml_iter().map_err(EmitError::Value)? {
            let item = item.map_err(EmitError::Value)?;
            let is_start = matches!(item, Item::ElementHeadStart(..));
            let is_first = is_start && !started;
            if self.open.len() == outside && !is_first && !matches!(item, Item::XmlDeclaration(_)) {
                return Err(NOT_ONE);
            }
            started |= is_start;
            self.item(&item)?;
        }
        if started && self.open.len() == outside {
            Ok(())
        } else {
            Err(NOT_ONE)
        }
    }

    pub(crate) fn item(&mut self, item: &Item<'_>) -> Result<(), EmitError> {
        match item {
            Item::XmlDeclaration(_) => {}
            Item::ElementHeadStart(namespace, name) => self.start(namespace, name)?,
            Item::Attribute(namespace, name, value) => self.attribute(namespace, name, value)?,
            // The next item ends the tag, so that an element without content becomes an empty tag.
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

    fn check_name(&self, name: &str) -> Result<(), EmitError> {
        if self.names_trusted || names::is_writable(name) {
            Ok(())
        } else {
            Err(EmitError::Name(name.to_owned()))
        }
    }

    /// Rejects the namespace of `xmlns`, which must not be declared (Namespaces in XML 1.0 §3), and
    /// line feeds: ejabberd's parser separates namespace and name with one, and closes the stream
    /// if the namespace contains another.
    fn check_namespace(&self, namespace: &str) -> Result<(), EmitError> {
        let allowed = namespace != XMLNS && (self.names_trusted || !namespace.contains('\n'));
        if allowed {
            Ok(())
        } else {
            Err(EmitError::Namespace(namespace.to_owned()))
        }
    }

    /// Writes an attribute whose name is given in pieces. Returns the range of its value.
    fn write_attribute(&mut self, name: &[&[u8]], value: &str) -> Result<Range<usize>, EmitError> {
        let plain = chars::is_plain(value);
        if !plain {
            check(value)?;
        }
        self.out.push(b' ');
        self.write(name);
        self.out.extend_from_slice(b"='");
        let start = self.out.len();
        if plain {
            self.out.extend_from_slice(value.as_bytes());
        } else {
            escape::push_attribute(self.out, value);
        }
        let end = self.out.len();
        self.out.push(b'\'');
        Ok(start..end)
    }

    /// Appends pieces as they are, and returns their range.
    fn write(&mut self, pieces: &[&[u8]]) -> Range<usize> {
        let start = self.out.len();
        for piece in pieces {
            self.out.extend_from_slice(piece);
        }
        start..self.out.len()
    }
}

fn check(text: &str) -> Result<(), EmitError> {
    chars::forbidden(text).map_or(Ok(()), |c| Err(EmitError::Character(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_declared_where_they_change() {
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
    fn xml_namespace_is_written_as_a_prefix() {
        let mut out = Vec::new();
        let mut emitter = Emitter::new(&mut out, "jabber:client");
        emitter.start(XML, "a").unwrap();
        emitter.start("jabber:client", "b").unwrap();
        emitter.end();
        emitter.end();
        assert_eq!(String::from_utf8(out).unwrap(), "<xml:a><b/></xml:a>");
    }

    #[test]
    fn forbidden_character_is_an_error() {
        let mut out = Vec::new();
        let mut emitter = Emitter::new(&mut out, "");
        emitter.start("", "a").unwrap();
        assert!(matches!(
            emitter.text("\u{1}"),
            Err(EmitError::Character('\u{1}'))
        ));
        assert!(matches!(
            emitter.attribute("", "b", "\0"),
            Err(EmitError::Character('\0'))
        ));
    }

    #[test]
    fn names_that_servers_do_not_accept_are_errors() {
        for bad in ["", "a b", "a:b", "1", "\u{FEFF}", "\u{1F6}", "a/><b"] {
            let mut out = Vec::new();
            let mut emitter = Emitter::new(&mut out, "");
            assert!(
                matches!(emitter.start("urn:x", bad), Err(EmitError::Name(_))),
                "{bad:?}"
            );
            emitter.start("urn:x", "a").unwrap();
            assert!(
                matches!(emitter.attribute("", bad, ""), Err(EmitError::Name(_))),
                "{bad:?}"
            );
            assert!(
                matches!(emitter.attribute("urn:y", bad, ""), Err(EmitError::Name(_))),
                "{bad:?}"
            );
        }
        let mut out = Vec::new();
        let mut emitter = Emitter::new(&mut out, "");
        emitter.start("urn:x", "a").unwrap();
        assert!(matches!(
            emitter.attribute("", "xmlns", "urn:y"),
            Err(EmitError::Name(_))
        ));
        for bad in [XMLNS, "urn:\n"] {
            assert!(
                matches!(emitter.start(bad, "a"), Err(EmitError::Namespace(_))),
                "{bad:?}"
            );
            assert!(
                matches!(
                    emitter.attribute(bad, "a", ""),
                    Err(EmitError::Namespace(_))
                ),
                "{bad:?}"
            );
        }
    }

    /// A value that serializes to the given items.
    struct Items(Vec<Item<'static>>);

    impl AsXml for Items {
        type ItemIter<'x> = Box<dyn Iterator<Item = Result<Item<'x>, xso::error::Error>> + 'x>;

        fn as_xml_iter(&self) -> Result<Self::ItemIter<'_>, xso::error::Error> {
            Ok(Box::new(self.0.iter().map(|item| {
                Ok(match item {
                    Item::ElementHeadStart(namespace, name) => {
                        Item::ElementHeadStart(namespace.borrow().into_static(), name.clone())
                    }
                    Item::Attribute(namespace, name, value) => Item::Attribute(
                        namespace.borrow().into_static(),
                        name.clone(),
                        value.clone(),
                    ),
                    Item::Text(text) => Item::Text(text.clone()),
                    Item::ElementHeadEnd => Item::ElementHeadEnd,
                    Item::ElementFoot => Item::ElementFoot,
                    Item::XmlDeclaration(version) => Item::XmlDeclaration(*version),
                })
            })))
        }
    }

    #[test]
    fn value_must_be_exactly_one_element() {
        let start =
            || Item::ElementHeadStart("urn:x".into(), rxml::NcName::try_from("a").unwrap().into());
        let attribute = || {
            Item::Attribute(
                rxml::Namespace::NONE,
                rxml::NcName::try_from("b").unwrap().into(),
                "".into(),
            )
        };
        let written = |items| {
            let mut out = Vec::new();
            let written = Emitter::new(&mut out, "").value(&Items(items));
            written.map(|()| String::from_utf8(out).unwrap())
        };
        let good = vec![
            start(),
            attribute(),
            Item::ElementHeadEnd,
            Item::Text("t".into()),
            Item::ElementFoot,
        ];
        assert_eq!(written(good).unwrap(), "<a xmlns='urn:x' b=''>t</a>");
        let bad = [
            vec![],
            vec![Item::Text("t".into())],
            vec![Item::ElementFoot],
            vec![start()],
            vec![start(), Item::ElementFoot, Item::ElementFoot],
            vec![start(), Item::ElementFoot, Item::Text("t".into())],
            vec![start(), Item::ElementFoot, start(), Item::ElementFoot],
            vec![start(), attribute(), attribute(), Item::ElementFoot],
            vec![
                start(),
                Item::Text("t".into()),
                attribute(),
                Item::ElementFoot,
            ],
        ];
        for items in bad {
            let shown = format!("{items:?}");
            assert!(
                matches!(written(items), Err(EmitError::Shape(_))),
                "{shown}"
            );
        }
    }
}
