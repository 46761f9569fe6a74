//! Writing XML in the form that everything in memory has: no prefixes but `xml`, namespaces written
//! where they change, every character checked.

use compact_str::CompactString;
use smallvec::SmallVec;
use xso::{AsXml, Item};

use super::{XML, XMLNS, chars, escape, names};

/// Why something cannot be written as XML.
#[derive(Debug)]
pub enum EmitError {
    /// A character that XML 1.0 cannot carry.
    Character(char),
    /// A name of an element or an attribute that servers do not take.
    Name(String),
    /// A namespace that servers do not take.
    Namespace(String),
    /// The value's own serialisation failed.
    Value(xso::error::Error),
    /// The value's items do not make one element.
    Shape(&'static str),
    /// More output than the caller allows.
    TooLarge,
}

/// Appends elements to a buffer, keeping track of the default namespace.
#[derive(Debug)]
pub struct Emitter<'o> {
    out: &'o mut Vec<u8>,
    open: Vec<Open>,
    in_tag: bool,
    /// What stands in the tag that is being written: namespaces and local names.
    attributes: SmallVec<[(CompactString, CompactString); 4]>,
    /// Names and namespaces come from a stream, on which the server has taken them already.
    names_trusted: bool,
}

#[derive(Debug)]
struct Open {
    name: String,
    namespace: String,
}

impl<'o> Emitter<'o> {
    /// Elements in `namespace` get no `xmlns` at the outermost level.
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

    /// Lets names and namespaces pass that the reader has taken.
    pub(crate) fn trust_names(&mut self) {
        self.names_trusted = true;
    }

    /// Opens an element.
    ///
    /// # Errors
    /// Returns [`EmitError`] if `name` is not an XML name, or `namespace` holds a character that XML
    /// forbids.
    pub fn start(&mut self, namespace: &str, name: &str) -> Result<(), EmitError> {
        self.check_name(name)?;
        self.check_namespace(namespace)?;
        self.end_tag();
        self.attributes.clear();
        let inherited = self.open.last().map_or("", |open| open.namespace.as_str());
        // Namespaces in XML 1.0 §3: this one has its prefix, and must not be declared as the
        // default.
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
            return Err(EmitError::Shape("an attribute outside a tag"));
        }
        // Namespaces in XML 1.0 §6.3: unique by namespace and local name.
        if self
            .attributes
            .iter()
            .any(|(space, other)| space == namespace && other == name)
        {
            return Err(EmitError::Shape("an attribute stands twice"));
        }
        match namespace {
            // This would declare a namespace that nobody keeps track of.
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

    /// Appends elements that need nothing of their surroundings but what they had where they come
    /// from.
    pub(crate) fn raw(&mut self, checked: &[u8]) {
        self.end_tag();
        self.out.extend_from_slice(checked);
    }

    /// Writes one typed value, whole. Its items are anybody's code, and still must make one
    /// element.
    pub fn value<T: AsXml + ?Sized>(&mut self, value: &T) -> Result<(), EmitError> {
        const NOT_ONE: EmitError = EmitError::Shape("the value is not one element");
        let outside = self.open.len();
        let mut begun = false;
        for item in value.as_xml_iter().map_err(EmitError::Value)? {
            let item = item.map_err(EmitError::Value)?;
            let is_start = matches!(item, Item::ElementHeadStart(..));
            let is_first = is_start && !begun;
            if self.open.len() == outside && !is_first && !matches!(item, Item::XmlDeclaration(_)) {
                return Err(NOT_ONE);
            }
            begun |= is_start;
            self.item(&item)?;
        }
        if begun && self.open.len() == outside {
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
            // The tag is ended by what follows it, so that an element without content closes
            // itself.
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

    /// Namespaces in XML 1.0 §3 lets nobody declare that of declarations. ejabberd's parser puts a
    /// line feed between namespace and name, and ends the stream when there is one within.
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
    fn names_that_servers_do_not_take_are_errors() {
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

    /// A value whose serialisation gives just these items.
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
    fn a_value_is_one_element_or_an_error() {
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
