//! Extractors for the parts of presence (RFC 6121 §4.7.2).

pub use xmpp_parsers::presence::{Priority, Show};
use xso::FromXmlText;

use super::{FromInbound, Rejection, language, missing};
use crate::error::{Condition, StanzaError};
use crate::inbound::Inbound;
use crate::stanza::Kind;
use campanile_stanza::xml::CLIENT;

/// The status text in presence, in the language of the stanza if there are several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusText(pub String);

impl<S> FromInbound<S> for StatusText {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        presence(inbound)?;
        match language::own(inbound.stanza(), "status") {
            Some(text) => Ok(Self(text.text().into_owned())),
            None => Err(missing("no status")),
        }
    }
}

/// Presence without a `<show/>` means available, so extract `Option<Show>`.
impl<S> FromInbound<S> for Show {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        let text = text(inbound, "show")?.ok_or_else(|| missing("no show"))?;
        Self::from_xml_text(text).map_err(|_| bad("show must be one of away, chat, dnd, xa"))
    }
}

/// The default priority is 0 (RFC 6121 §4.7.2.3).
impl<S> FromInbound<S> for Priority {
    type Rejection = Rejection;

    fn from_inbound(inbound: &Inbound, _state: &S) -> Result<Self, Rejection> {
        let Some(text) = text(inbound, "priority")? else {
            return Ok(Self(0));
        };
        text.parse()
            .map(Self)
            .map_err(|_| bad("priority must be an integer from -128 to 127"))
    }
}

fn text(inbound: &Inbound, name: &str) -> Result<Option<String>, Rejection> {
    presence(inbound)?;
    Ok(inbound
        .stanza()
        .children()
        .find(CLIENT, name)
        .map(|child| child.text().trim().to_owned()))
}

fn presence(inbound: &Inbound) -> Result<(), Rejection> {
    match inbound.kind() {
        Kind::Presence(_) => Ok(()),
        _ => Err(missing("the stanza is not presence")),
    }
}

fn bad(text: &str) -> Rejection {
    Rejection::invalid(
        StanzaError::new(Condition::BadRequest)
            .with_text(text)
            .with_lang("en"),
    )
}
