//! Assertions on virtual users.

use std::future::Future;
use std::panic::Location;

use tokio::time::timeout;

use super::compare::Wanted;
use super::{TIMEOUT, show};
use crate::host::{IntoRawStanza, RawStanza, User};
use campanile::error::{Condition, StanzaError};
use campanile::reply::Reply;
use campanile::stanza::Stanza;

/// Assertions, with the feature `testing`.
///
/// They panic with the caller's location, and show the wanted stanza, the seen stanza, and the
/// difference. `{any}` in a wanted stanza matches any text.
impl User {
    /// Waits for the next stanza, asserts that it matches, and returns it.
    ///
    /// Kind, type and children are always compared; addresses and id only if the wanted stanza has
    /// them.
    ///
    /// # Panics
    /// If another stanza arrives, or none within [`TIMEOUT`](super::TIMEOUT).
    #[track_caller]
    pub fn expect(&self, wanted: &str) -> impl Future<Output = Stanza> + use<'_> {
        let wanted = Wanted::parse(wanted);
        let place = Location::caller();
        async move {
            let seen = self.within(place, &wanted.show()).await;
            self.compare(place, &wanted, seen)
        }
    }

    /// Waits for a matching stanza and returns it. Other stanzas stay in the mailbox.
    ///
    /// # Panics
    /// If it does not arrive within [`TIMEOUT`](super::TIMEOUT).
    #[track_caller]
    pub fn expect_among(&self, wanted: &str) -> impl Future<Output = Stanza> + use<'_> {
        let wanted = Wanted::parse(wanted);
        let place = Location::caller();
        async move {
            match timeout(TIMEOUT, self.recv_where(|seen| wanted.is(seen))).await {
                Ok(Some(found)) => found,
                _ => self.fail(
                    place,
                    "the stanza did not arrive",
                    &wanted.show(),
                    &show::stanzas(&self.take_waiting()),
                ),
            }
        }
    }

    /// Waits for these stanzas, in any order.
    ///
    /// # Panics
    /// If any other stanza arrives before the last of them, or if one of them does not arrive in
    /// time.
    #[track_caller]
    pub fn expect_all<'u>(&'u self, wanted: &[&str]) -> impl Future<Output = ()> + use<'u> {
        let mut wanted: Vec<_> = wanted.iter().map(|wanted| Wanted::parse(wanted)).collect();
        let place = Location::caller();
        async move {
            while !wanted.is_empty() {
                let left = show::join(wanted.iter().map(Wanted::show));
                let seen = self.within(place, &left).await;
                match wanted.iter().position(|wanted| wanted.is(&seen)) {
                    Some(at) => drop(wanted.remove(at)),
                    None => self.fail(place, "unexpected stanza", &left, &show::stanza(&seen)),
                }
            }
        }
    }

    /// Waits for the next stanza, asserts that it is an error with this condition, and returns the
    /// error.
    ///
    /// # Panics
    /// If it is anything else, or if nothing arrives in time.
    #[track_caller]
    pub fn expect_error(
        &self,
        condition: Condition,
    ) -> impl Future<Output = StanzaError> + use<'_> {
        let place = Location::caller();
        async move {
            let seen = self.within(place, &error_of(condition)).await;
            self.check_error(place, condition, &seen)
        }
    }

    /// Sends an IQ request, asserts that the response matches, and returns it.
    ///
    /// # Panics
    /// If the response differs, or does not arrive in time.
    #[track_caller]
    pub fn ask<'u>(
        &'u self,
        request: &str,
        wanted: &str,
    ) -> impl Future<Output = Stanza> + use<'u> {
        let wanted = Wanted::parse(wanted);
        let place = Location::caller();
        let request = request.to_owned();
        async move {
            let seen = self.answered(place, request, &wanted.show()).await;
            self.compare(place, &wanted, seen)
        }
    }

    /// Sends an IQ request, asserts that the response is an error with this condition, and returns
    /// the error.
    ///
    /// # Panics
    /// If the response is anything else, or does not arrive in time.
    #[track_caller]
    pub fn ask_error<'u>(
        &'u self,
        request: &str,
        condition: Condition,
    ) -> impl Future<Output = StanzaError> + use<'u> {
        let place = Location::caller();
        let request = request.to_owned();
        async move {
            let seen = self.answered(place, request, &error_of(condition)).await;
            self.check_error(place, condition, &seen)
        }
    }

    /// Replies to an IQ request with a result with this payload, or without one if the text is
    /// empty.
    ///
    /// Errors and other replies are sent by [`answer`](User::answer).
    ///
    /// # Panics
    /// If the text is not XML, or `request` is not an IQ request.
    #[track_caller]
    pub fn result<'u>(
        &'u self,
        request: &'u Stanza,
        payload: &str,
    ) -> impl Future<Output = ()> + use<'u> {
        let place = Location::caller();
        let children = RawStanza::plain(&format!("<message>{payload}</message>"));
        assert!(
            request.kind().is_request(),
            "{}",
            show::failure("not an IQ request", "an IQ request", &show::stanza(request))
        );
        let children = children
            .unwrap_or_else(|error| panic!("invalid payload: {error}\n  {payload}"))
            .into_children();
        async move {
            if let Err(error) = self.answer(request, Reply::Children(children)).await {
                panic!("{place}: {}: {error}", self.jid());
            }
        }
    }

    /// Asserts that no stanza has arrived, and that nothing this user has sent to the address will
    /// be answered.
    ///
    /// No fixed wait is needed: a ping is sent, and its response arrives after the replies to all
    /// earlier stanzas.
    ///
    /// # Panics
    /// If a stanza has arrived.
    #[track_caller]
    pub fn expect_nothing<'u>(&'u self, from: &str) -> impl Future<Output = ()> + use<'u> {
        let place = Location::caller();
        let request = format!("<iq type='get' to='{from}'><ping xmlns='urn:xmpp:ping'/></iq>");
        async move {
            self.answered(place, request, "the response to a ping")
                .await;
            let seen = self.take_waiting();
            if !seen.is_empty() {
                self.fail(place, "unexpected stanza", "nothing", &show::stanzas(&seen));
            }
        }
    }

    /// Sends `count` stanzas in a row, as fast as they are accepted. The function creates each from
    /// its number, starting at 0.
    ///
    /// # Panics
    /// If one is not a stanza.
    #[track_caller]
    pub fn flood<'u, P: IntoRawStanza>(
        &'u self,
        count: usize,
        stanza: impl Fn(usize) -> P + 'u,
    ) -> impl Future<Output = ()> + 'u {
        let place = Location::caller();
        async move {
            for number in 0..count {
                if let Err(error) = self.send(stanza(number)).await {
                    panic!(
                        "{place}: {}: stanza {number} of a flood: {error}",
                        self.jid()
                    );
                }
            }
        }
    }

    async fn within(&self, place: &Location<'_>, wanted: &str) -> Stanza {
        match timeout(TIMEOUT, self.recv()).await {
            Ok(Some(seen)) => seen,
            Ok(None) => self.fail(place, "the host is closed", wanted, "nothing"),
            Err(_) => self.fail(
                place,
                &format!("no stanza within {TIMEOUT:?}"),
                wanted,
                "nothing",
            ),
        }
    }

    async fn answered(
        &self,
        place: &Location<'_>,
        request: impl IntoRawStanza,
        wanted: &str,
    ) -> Stanza {
        match timeout(TIMEOUT, self.request(request)).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(error)) => self.fail(place, &error.to_string(), wanted, "nothing"),
            Err(_) => self.fail(
                place,
                &format!("no response within {TIMEOUT:?}"),
                wanted,
                &show::stanzas(&self.take_waiting()),
            ),
        }
    }

    fn compare(&self, place: &Location<'_>, wanted: &Wanted, seen: Stanza) -> Stanza {
        match wanted.difference(&seen) {
            None => seen,
            Some(why) => self.fail(place, &why, &wanted.show(), &show::stanza(&seen)),
        }
    }

    fn check_error(
        &self,
        place: &Location<'_>,
        condition: Condition,
        seen: &Stanza,
    ) -> StanzaError {
        let error = StanzaError::from_stanza(seen);
        if !seen.kind().is_error() || error.condition() != condition {
            self.fail(
                place,
                "the condition or kind differs",
                &error_of(condition),
                &show::stanza(seen),
            );
        }
        error
    }

    fn fail(&self, place: &Location<'_>, why: &str, wanted: &str, seen: &str) -> ! {
        panic!(
            "{}",
            show::failure(&format!("{place}: {}: {why}", self.jid()), wanted, seen)
        )
    }
}

fn error_of(condition: Condition) -> String {
    format!("an error {}", condition.as_str())
}
