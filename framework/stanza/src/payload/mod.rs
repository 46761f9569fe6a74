//! Payload types for common XEPs: types that `xmpp-parsers` lacks, and re-exports of those it has.
//!
//! | XEP | types |
//! |---|---|
//! | 0045 Multi-User Chat | [`Muc`], [`MucHistory`], [`MucUser`], [`MucItem`], [`Role`], [`Affiliation`] |
//! | 0050 Commands | [`CommandPayload`], [`CommandActions`], [`Note`], [`CommandErrorCondition`] |
//! | 0085 Chat State Notifications | [`ChatState`] |
//! | 0184 Message Delivery Receipts | [`ReceiptRequest`], [`Received`] |
//! | 0203 Delayed Delivery | [`Delay`] |
//! | 0249 Direct MUC Invitations | [`RoomInvitation`] |
//! | 0333 Displayed Markers | [`Markable`], [`Displayed`] |
//! | 0334 Message Processing Hints | [`Hint`] |
//! | 0359 Stanza IDs | [`StanzaId`], [`OriginId`] |
//! | 0421 Occupant Identifiers | [`OccupantId`] |
//! | 0428 Fallback Indication | [`Fallback`] |
//! | 0461 Message Replies | [`InReplyTo`] |
//!
//! All of them implement `FromXml` and `AsXml` of [`xso`], and thus [`ReadPayload`] and
//! [`WritePayload`]. Use them with the `Payload` extractor of
//! the crate `campanile`, [`Stanza::child`](crate::stanza::Stanza::child) and
//! [`Stanza::with_child`](crate::stanza::Stanza::with_child):
//!
//! ```
//! use campanile_stanza::payload::{Hint, InReplyTo};
//! use campanile_stanza::stanza::Stanza;
//! use jid::Jid;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let alice = Jid::new("alice@example.org")?;
//! let reply = Stanza::chat(alice.clone(), "yes")?
//!     .with_child(&InReplyTo { to: Some(alice), id: "m1".into() })?
//!     .with_child(&Hint::Store)?;
//! assert_eq!(reply.children().len(), 3);
//! # Ok(())
//! # }
//! ```

mod command;
#[doc(hidden)]
pub mod derive;
mod fallback;
mod from_result;
mod hint;
mod muc;
mod reply_to;
#[cfg(test)]
mod tests;
mod text_enum;

pub use xmpp_parsers::chatstates::ChatState;
pub use xmpp_parsers::delay::Delay;
pub use xmpp_parsers::displayed_markers::{Displayed, Markable};
pub use xmpp_parsers::receipts::{Received, Request as ReceiptRequest};
pub use xmpp_parsers::stanza_id::{OriginId, StanzaId};

pub use self::command::{
    COMMANDS, CommandAction, CommandActions, CommandErrorCondition, CommandPayload, CommandStatus,
    Note, NoteType,
};
pub use self::fallback::{Fallback, FallbackBody, FallbackSubject};
pub use self::from_result::{Empty, FromResult};
pub use self::hint::Hint;
pub use self::muc::{
    Affiliation, MUC, MUC_USER, MediatedDecline, MediatedInvitation, Muc, MucActor, MucAdmin,
    MucAdminItem, MucDestroy, MucHistory, MucItem, MucOwner, MucOwnerDestroy, MucUser, OccupantId,
    Role, RoomInvitation, status,
};
pub use self::reply_to::InReplyTo;
pub use self::text_enum::UnknownValue;
pub use crate::stanza::read_payload::ReadPayload;
pub use crate::stanza::write_payload::WritePayload;
