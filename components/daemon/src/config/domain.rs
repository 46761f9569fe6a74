//! The domain of a component.

use campanile::jid::{BareJid, Jid};
use campanile::settings::{invalid, text};
use serde::{Deserialize, Deserializer};

/// A domain without localpart and resource.
#[derive(Debug, schemars::JsonSchema)]
#[schemars(inline)]
pub(super) struct Domain(#[schemars(with = "String")] pub(super) BareJid);

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a string in quotation marks", |text| {
            let cause = match Jid::new(text).map(Jid::try_into_full) {
                Ok(Err(bare)) if bare.node().is_none() => return Ok(Self(bare)),
                Ok(_) => format!("{text:?} is an address within a domain"),
                // The reasons of the parser are those of IDNA, which few operators know.
                Err(_) => format!("{text:?} is not a domain"),
            };
            if let Some((scheme, _)) = text.split_once("://") {
                return Err(invalid(
                    cause,
                    format_args!("leave out {scheme}://, and write the domain alone"),
                ));
            }
            Err(invalid(
                cause,
                "write a whole domain without a scheme or port, such as \"echo.example.org\"",
            ))
        })
    }
}
