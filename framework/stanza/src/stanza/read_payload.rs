//! The trait of types that are read from an element.

use xso::FromXml;
use xso::fromxml::XmlNameMatcher;

use super::ParseError;
use crate::xml::element_reader::{Cursor, ElementReader};
use crate::xml::events;

/// A type that can be read from a child element of a stanza.
///
/// Implemented by `#[derive(Payload)]` of the crate `campanile`, and for every type that implements
/// `xso::FromXml`, as those of `xmpp-parsers` do.
///
/// ```
/// use campanile_stanza::payload::ReadPayload;
/// use campanile_stanza::stanza::{ParseError, Stanza};
/// use campanile_stanza::xml::ElementReader;
/// use campanile_stanza::xso::fromxml::XmlNameMatcher;
///
/// struct Lamp {
///     on: bool,
/// }
///
/// impl ReadPayload for Lamp {
///     fn matcher() -> XmlNameMatcher<'static> {
///         XmlNameMatcher::Specific("urn:example:home", "lamp")
///     }
///
///     fn read(element: ElementReader<'_, '_>) -> Result<Self, ParseError> {
///         let state = element.attributes().find(|attribute| attribute.name() == "state");
///         match state.as_ref().map(|state| state.value()).as_deref() {
///             Some("on") => Ok(Self { on: true }),
///             Some("off") => Ok(Self { on: false }),
///             _ => Err(ParseError::new("the attribute `state` must be `on` or `off`")),
///         }
///     }
/// }
///
/// let message = Stanza::parse("<message><lamp xmlns='urn:example:home' state='on'/></message>")?;
/// assert!(message.child::<Lamp>()?.on);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from an element",
    label = "not a payload",
    note = "add `#[derive(Payload)]` of `campanile::extract` to `{Self}`, \
            or implement `xso::FromXml` or `ReadPayload`"
)]
pub trait ReadPayload: Sized {
    /// Returns the namespace and the name of the elements that the type is read from.
    fn matcher() -> XmlNameMatcher<'static>;

    /// Reads an element that the [`matcher`](Self::matcher) matches.
    ///
    /// # Errors
    /// If the element is invalid. If it is none for this type after all, the error is
    /// [absent](ParseError::absent).
    fn read(element: ElementReader<'_, '_>) -> Result<Self, ParseError>;

    /// Reads a checked element whose parent is in `jabber:client`. Types of `xso` have a reader of
    /// their own, which needs nothing of what an [`ElementReader`] looks up.
    #[doc(hidden)]
    fn read_checked(element: &str, lang: Option<&str>) -> Result<Self, ParseError> {
        match Cursor::new(element, lang).root() {
            Some(root) => Self::read(root),
            None => Err(ParseError::absent()),
        }
    }
}

// Otherwise the compiler would advise to implement the trait of `xso`.
#[diagnostic::do_not_recommend]
impl<P: FromXml> ReadPayload for P {
    fn matcher() -> XmlNameMatcher<'static> {
        P::xml_name_matcher()
    }

    fn read(element: ElementReader<'_, '_>) -> Result<Self, ParseError> {
        Ok(element.with_raw(|raw| events::parse_within(&raw))?)
    }

    fn read_checked(element: &str, lang: Option<&str>) -> Result<Self, ParseError> {
        Ok(events::parse(element, lang)?)
    }
}
