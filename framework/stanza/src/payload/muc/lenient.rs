//! Addresses in payloads of rooms, which repeat what clients have chosen.

use std::borrow::Cow;

use jid::Jid;
use xso::TextCodec;
use xso::error::Error;

/// Reads an address that cannot be represented as `None`.
///
/// A service passes on the address of an occupant as its server let it through, which need not be
/// one that [`Jid`] can hold. The role and the statuses beside it are valid all the same.
pub(super) struct Lenient;

impl TextCodec<Option<Jid>> for Lenient {
    fn decode(&self, text: String) -> Result<Option<Jid>, Error> {
        Ok(Jid::new(&text).ok())
    }

    fn encode<'x>(&self, value: &'x Option<Jid>) -> Result<Option<Cow<'x, str>>, Error> {
        Ok(value.as_ref().map(|jid| Cow::Borrowed(jid.as_str())))
    }
}
