//! Addresses that a server has let through, but that cannot be held as a [`Jid`].
//!
//! `jid` prepares addresses with stringprep, which knows Unicode 3.2 only. RFC 7622 allows newer
//! characters, such as emoji in resources and nicknames of rooms.

use std::borrow::Cow;

use compact_str::CompactString;
use jid::{DomainPart, Jid};

use super::Stanza;

/// The longest address (RFC 7622 §3.1): three parts of 1,023 bytes, and two separators.
const MAX_LENGTH: usize = 3 * 1023 + 2;

/// The addresses of a stanza as received, where they cannot be held as a [`Jid`].
#[derive(Debug, Clone, Default)]
pub(crate) struct RawAddresses {
    pub(crate) from: Option<CompactString>,
    pub(crate) to: Option<CompactString>,
}

impl RawAddresses {
    /// Returns the addresses of a reply.
    #[cold]
    pub(crate) fn swapped(&self) -> Box<Self> {
        Box::new(Self {
            from: self.to.clone(),
            to: self.from.clone(),
        })
    }

    /// Returns `None` if both addresses are valid JIDs.
    pub(crate) fn new(from: Option<CompactString>, to: Option<CompactString>) -> Option<Box<Self>> {
        (from.is_some() || to.is_some()).then(|| Box::new(Self { from, to }))
    }
}

/// An address, as much of it as can be held as a [`Jid`], and its text if that is not all of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Address {
    pub(crate) jid: Option<Jid>,
    pub(crate) raw: Option<CompactString>,
}

impl Address {
    /// Reads an address; an invalid one counts as missing (see [`try_read`](Self::try_read)).
    pub(crate) fn read(text: &str) -> Self {
        Self::try_read(text).unwrap_or_default()
    }

    /// Reads an address.
    ///
    /// # Errors
    /// Returns an error if no reply can be sent to it: without a valid domain, beyond the maximum
    /// length, or if it is invalid although all of its characters are known.
    pub(crate) fn try_read(text: &str) -> Result<Self, jid::Error> {
        match Jid::new(text) {
            Ok(jid) => Ok(Self {
                jid: Some(jid),
                raw: None,
            }),
            Err(error) => Self::unreadable(text).ok_or(error),
        }
    }

    #[cold]
    fn unreadable(text: &str) -> Option<Self> {
        let known = text.is_ascii() || text.len() > MAX_LENGTH;
        if known || DomainPart::new(domain(text)).is_err() {
            return None;
        }
        let bare = text.split_once('/').map(|(bare, _)| bare);
        Some(Self {
            jid: bare.and_then(|bare| Jid::new(bare).ok()),
            raw: Some(text.into()),
        })
    }
}

/// Returns the domain of an address (RFC 7622 §3.2).
fn domain(address: &str) -> &str {
    let bare = address.split_once('/').map_or(address, |(bare, _)| bare);
    bare.split_once('@').map_or(bare, |(_, domain)| domain)
}

impl Stanza {
    /// Returns the sender as received, if it is not a valid [`Jid`]: `jid` does not know all
    /// characters that RFC 7622 allows in localparts and resources.
    ///
    /// [`from`](Self::from) is then its bare JID, or `None` if that is not valid either. A
    /// [`reply`](Self::reply) goes to the address as received.
    #[must_use]
    pub fn raw_from(&self) -> Option<&str> {
        self.raw.as_ref()?.from.as_deref()
    }

    /// Returns the recipient as received, if it is not a valid [`Jid`]; see
    /// [`raw_from`](Self::raw_from).
    #[must_use]
    pub fn raw_to(&self) -> Option<&str> {
        self.raw.as_ref()?.to.as_deref()
    }

    /// Returns the sender as text, exactly as it is on the stream.
    #[must_use]
    pub fn from_text(&self) -> Option<&str> {
        self.raw_from().or(self.from.as_ref().map(Jid::as_str))
    }

    /// Returns the recipient as text, exactly as it is on the stream.
    #[must_use]
    pub fn to_text(&self) -> Option<&str> {
        self.raw_to().or(self.to.as_ref().map(Jid::as_str))
    }

    /// Returns the domain of the sender, also if the rest of the address is not a valid JID.
    #[doc(hidden)]
    #[must_use]
    pub fn from_domain(&self) -> Option<Cow<'_, str>> {
        domain_of(self.from.as_ref(), self.raw_from())
    }

    /// Returns the domain of the recipient, also if the rest of the address is not a valid JID.
    #[doc(hidden)]
    #[must_use]
    pub fn to_domain(&self) -> Option<Cow<'_, str>> {
        domain_of(self.to.as_ref(), self.raw_to())
    }

    /// Sets the sender to the recipient of a request.
    #[doc(hidden)]
    pub fn set_from_recipient_of(&mut self, request: &Self) {
        self.set_from(request.to.clone());
        if let Some(raw) = request.raw_to() {
            self.raw.get_or_insert_default().from = Some(raw.into());
        }
    }

    /// Sets the recipient to the sender of a request.
    #[doc(hidden)]
    pub fn set_to_sender_of(&mut self, request: &Self) {
        self.set_to(request.from.clone());
        if let Some(raw) = request.raw_from() {
            self.raw.get_or_insert_default().to = Some(raw.into());
        }
    }
}

fn domain_of<'a>(jid: Option<&'a Jid>, raw: Option<&'a str>) -> Option<Cow<'a, str>> {
    if let Some(jid) = jid {
        return Some(Cow::Borrowed(jid.domain().as_str()));
    }
    let prepared = DomainPart::new(domain(raw?)).ok()?;
    Some(Cow::Owned(prepared.as_str().to_owned()))
}
