//! What a test wants a virtual user to see.

use std::future::Future;
use std::panic::Location;

use tokio::time::timeout;

use super::PATIENCE;
use super::compare::Wanted;
use crate::host::{IntoParcel, User};
use crate::stanza::Stanza;

/// With the feature `testing`. These panic at the caller's line.
impl User {
    /// Waits for the next stanza, which must be this one, and gives it back.
    ///
    /// Kind, type and children must be the same; addresses and id only where the wanted stanza has them.
    ///
    /// # Panics
    /// When another one comes, or none in time.
    #[track_caller]
    pub fn expect(&self, wanted: &str) -> impl Future<Output = Stanza> + use<'_> {
        let (wanted, place) = (Wanted::parse(wanted), Location::caller());
        async move {
            let seen = self.within(place, &wanted.to_string()).await;
            assert!(wanted.is(&seen), "{}", self.complaint(place, &wanted.to_string(), &seen.to_xml()));
            seen
        }
    }

    /// Waits for this stanza, whatever else comes before or behind it, which stays where it is.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn expect_among(&self, wanted: &str) -> impl Future<Output = Stanza> + use<'_> {
        let (wanted, place) = (Wanted::parse(wanted), Location::caller());
        async move {
            let found = timeout(PATIENCE, self.recv_where(|seen| wanted.is(seen))).await;
            let others = || format!("{} other stanzas", self.waiting());
            found.ok().flatten().unwrap_or_else(|| panic!("{}", self.complaint(place, &wanted.to_string(), &others())))
        }
    }

    /// Sends an IQ request, of which the answer must be this one.
    ///
    /// # Panics
    /// When it is another one, or none comes in time.
    #[track_caller]
    pub fn ask<'u>(&'u self, request: &str, wanted: &str) -> impl Future<Output = Stanza> + use<'u> {
        let (wanted, place) = (Wanted::parse(wanted), Location::caller());
        let request = request.to_owned();
        async move {
            let seen = self.answered(place, request, &wanted.to_string()).await;
            assert!(wanted.is(&seen), "{}", self.complaint(place, &wanted.to_string(), &seen.to_xml()));
            seen
        }
    }

    /// Nothing has come, and nothing that this user has sent to this address will bring anything.
    ///
    /// Found without a guess at how long to wait: a request is answered behind all that was sent before it.
    ///
    /// # Panics
    /// When something has come.
    #[track_caller]
    pub fn expect_nothing<'u>(&'u self, from: &str) -> impl Future<Output = ()> + use<'u> {
        let place = Location::caller();
        let request = format!("<iq type='get' to='{from}'><ping xmlns='urn:xmpp:ping'/></iq>");
        async move {
            self.answered(place, request, "the answer to a ping").await;
            if self.waiting() > 0
                && let Some(seen) = self.recv().await
            {
                panic!("{}", self.complaint(place, "nothing", &seen.to_xml()));
            }
        }
    }

    async fn within(&self, place: &Location<'_>, wanted: &str) -> Stanza {
        match timeout(PATIENCE, self.recv()).await {
            Ok(Some(seen)) => seen,
            Ok(None) => panic!("{}", self.complaint(place, wanted, "the host is closed")),
            Err(_) => panic!("{}", self.complaint(place, wanted, &format!("nothing within {PATIENCE:?}"))),
        }
    }

    async fn answered(&self, place: &Location<'_>, request: impl IntoParcel, wanted: &str) -> Stanza {
        match timeout(PATIENCE, self.request(request)).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => panic!("{}", self.complaint(place, wanted, &error.to_string())),
            Err(_) => panic!("{}", self.complaint(place, wanted, &format!("no answer within {PATIENCE:?}"))),
        }
    }

    fn complaint(&self, place: &Location<'_>, wanted: &str, seen: &str) -> String {
        format!("{place}: {}\n  wanted: {}\n    seen: {}\n", self.jid(), shown(wanted), shown(seen))
    }
}

/// What a person can still read.
pub(super) fn shown(text: &str) -> String {
    const SHOWN: usize = 2000;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{} … ({} bytes)", &text[..end], text.len()),
        None => text.to_owned(),
    }
}
