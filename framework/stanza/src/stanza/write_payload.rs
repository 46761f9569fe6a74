//! The trait of types that are written as an element.

use xso::AsXml;

use crate::xml::{EmitError, Emitter};

/// A type that can be written as a child element of a stanza.
///
/// Implemented by `#[derive(Payload)]` of the crate `campanile`, and for every type that implements
/// `xso::AsXml`, as those of `xmpp-parsers` do.
///
/// ```
/// use campanile_stanza::payload::WritePayload;
/// use campanile_stanza::stanza::Children;
/// use campanile_stanza::xml::{EmitError, Emitter};
///
/// struct Lamp {
///     on: bool,
/// }
///
/// impl WritePayload for Lamp {
///     fn write(&self, emitter: &mut Emitter<'_>) -> Result<(), EmitError> {
///         emitter.start("urn:example:home", "lamp")?;
///         emitter.attribute("", "state", if self.on { "on" } else { "off" })?;
///         emitter.end();
///         Ok(())
///     }
/// }
///
/// let children = Children::of(&Lamp { on: true })?;
/// assert_eq!(children.as_bytes(), b"<lamp xmlns='urn:example:home' state='on'/>");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as an element",
    label = "not a payload",
    note = "add `#[derive(Payload)]` of `campanile::extract` to `{Self}`, \
            or implement `xso::AsXml` or `WritePayload`"
)]
pub trait WritePayload {
    /// Writes exactly one element.
    ///
    /// # Errors
    /// If the value cannot be written as XML. It is also an error if `write` leaves elements open,
    /// or writes none or several: the caller checks it.
    fn write(&self, emitter: &mut Emitter<'_>) -> Result<(), EmitError>;
}

// Otherwise the compiler would advise to implement the trait of `xso`.
#[diagnostic::do_not_recommend]
impl<P: AsXml> WritePayload for P {
    fn write(&self, emitter: &mut Emitter<'_>) -> Result<(), EmitError> {
        emitter.value(self)
    }
}
