//! Serializes XML in the form that all stanzas have in memory: no prefixes on elements except
//! `xml`, namespaces declared where they change, all characters checked.

use compact_str::CompactString;
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
#[derive(Debug)]
pub struct Emitter<'o> {
    out: &'o mut Vec<u8>,
    open: Vec<Open>,
    in_tag: bool,
    /// The namespaces and local names of the attributes in the current tag.
    attributes: SmallVec<[(CompactString, CompactString); 4]>,
    /// Names and namespaces come from a stream, so the server accepts them.
    names_trusted: bool,
}

#[derive(Debug)]
struct Open {
    name: String,
    namespace: String,
}

impl<'o> Emitter<'o> {
    /// Creates an emitter inside an element whose default namespace is `namespace`.
    pub(crate) fn new(out: &'o mut Vec<u8>, namespace: &str) -> Self {
        let outside = Open {
            name: String::new(),
            namespace: namespace.to_owned(),
        };
        Self {
            out,
            open: vec![outside],
            in_tag: false,
            attributes: SmallVec::new(),
            names_trusted: false,
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
        let inherited = self.open.last().map_or("", |open| open.namespace.as_str());
        // Namespaces in XML 1.0 §3: the namespace of `xml` must not be declared as the default.
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
        if self
            .attributes
            .iter()
            .any(|(space, other)| space == namespace && other == name)
        {
            return Err(EmitError::Shape("duplicate attribute"));
        }
        match namespace {
            // This would declare a namespace without the emitter tracking it.
            "" if name == "xmlns" => return Err(EmitError::Name(name.to_owned())),
            "" => self.write_attribute(name, value)?,
            XML => self.write_attribute(&format!("xml:{name}"), value)?,
            _ => {
                self.check_namespace(namespace)?;
                let prefixed = self
                    .attributes
                    .iter()
                    .filter(|(space, _)| !space.is_empty() && space != XML);
                let prefix = format!("ns{}", prefixed.count());
                self.write_attribute(&format!("xmlns:{prefix}"), namespace)?;
                self.write_attribute(&format!("{prefix}:{name}"), value)?;
            }
        }
        self.attributes.push((namespace.into(), name.into()));
        Ok(())
    }

    /// Appends character data, escaped.
    ///
    /// # Errors
    /// Returns [`EmitError`] for a character that XML forbids.
    pub fn text(&mut self, text: &str) -> Result<(), EmitError> {
        if text.is_empty() {
            return Ok(());
        }
        check(text)?;
        self.end_tag();
        escape::push_text(self.out, text);
        Ok(())
    }

    /// Closes the innermost open element.
    pub fn end(&mut self) {
        // The outermost entry is no element.
        let Some(open) = self.open.pop_if(|open| !open.name.is_empty()) else {
            return;
        };
        if self.in_tag {
            self.out.extend_from_slice(b"/>");
            self.in_tag = false;
        } else {
            self.out.extend_from_slice(b"</");
            self.out.extend_from_slice(open.name.as_bytes());
            self.out.push(b'>');
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
        const NOT_ONE: EmitError = EmitError::Shape("the value is not one element");
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
