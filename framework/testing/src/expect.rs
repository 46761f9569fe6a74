//! What a test wants a virtual user to see.

use std::future::Future;
use std::panic::Location;

use tokio::time::timeout;

use super::compare::Wanted;
use super::{TIMEOUT, show};
use crate::host::{IntoRawStanza, RawStanza, User};
use campanile::error::{Condition, StanzaError};
use campanile::reply::Reply;
use campanile::stanza::Stanza;

/// With the feature `testing`. These panic at the caller's line, and say what was wanted, what was
/// seen, and where the two differ. `{any}` in what is wanted stands for any text.
impl User {
    /// Waits for the next stanza, which must be this one, and gives it back.
    ///
    /// Kind, type and children must be the same; addresses and id only where the wanted stanza has
    /// them.
    ///
    /// # Panics
    /// When another one comes, or none in time.
    #[track_caller]
    pub fn expect(&self, wanted: &str) -> impl Future<Output = Stanza> + use<'_> {
        let wanted = Wanted::parse(wanted);
        let place = Location::caller();
        async move {
            let seen = self.within(place, &wanted.show()).await;
            self.compare(place, &wanted, seen)
        }
    }

    /// Waits for this stanza, whatever else comes before or behind it, which stays where it is.
    ///
    /// # Panics
    /// When it does not come in time.
    #[track_caller]
    pub fn expect_among(&self, wanted: &str) -> impl Future<Output = Stanza> + use<'_> {
        let wanted = Wanted::parse(wanted);
        let place = Location::caller();
        async move {
            match timeout(TIMEOUT, self.recv_where(|seen| wanted.is(seen))).await {
                Ok(Some(found)) => found,
                _ => self.fail(
                    place,
                    "it has not come",
                    &wanted.show(),
                    &show::stanzas(&self.take_waiting()),
                ),
            }
        }
    }

    /// Waits for these stanzas, in any order, and nothing else before the last of them.
    ///
    /// # Panics
    /// When another one comes, or one of them does not in time.
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
                    None => self.fail(place, "this is none of them", &left, &show::stanza(&seen)),
                }
            }
        }
    }

    /// Waits for the next stanza, which must be an error with this condition, and gives the error
    /// back.
    ///
    /// # Panics
    /// When it is anything else, or nothing comes in time.
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

    /// Sends an IQ request, of which the answer must be this one.
    ///
    /// # Panics
    /// When it is another one, or none comes in time.
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

    /// Sends an IQ request, of which the answer must be an error with this condition; gives the
    /// error back.
    ///
    /// # Panics
    /// When the answer is anything else, or none comes in time.
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

    /// Answers an IQ request with a result that holds this payload, or none when the text is empty.
    ///
    /// Errors, and all else that a handler could answer, are sent by [`answer`](User::answer).
    ///
    /// # Panics
    /// When the text is no XML, or the request is none.
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
            show::failure("this is no request", "one", &show::stanza(request))
        );
        let children = children
            .unwrap_or_else(|error| panic!("no payload: {error}\n  {payload}"))
            .into_children();
        async move {
            if let Err(error) = self.answer(request, Reply::Children(children)).await {
                panic!("{place}: {}: {error}", self.jid());
            }
        }
    }

    /// Nothing has come, and nothing that this user has sent to this address will bring anything.
    ///
    /// Found without a guess at how long to wait: a request is answered behind all that was sent
    /// before it.
    ///
    /// # Panics
    /// When something has come.
    #[track_caller]
    pub fn expect_nothing<'u>(&'u self, from: &str) -> impl Future<Output = ()> + use<'u> {
        let place = Location::caller();
        let request = format!("<iq type='get' to='{from}'><ping xmlns='urn:xmpp:ping'/></iq>");
        async move {
            self.answered(place, request, "the answer to a ping").await;
            let seen = self.take_waiting();
            if !seen.is_empty() {
                self.fail(
                    place,
                    "something has come",
                    "nothing",
                    &show::stanzas(&seen),
                );
            }
        }
    }

    /// Sends so many stanzas, one after the other, as fast as they are taken. The function makes
    /// each from its number, which begins at 0.
    ///
    /// # Panics
    /// When one is no stanza.
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
                &format!("nothing has come within {TIMEOUT:?}"),
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
                &format!("there was no answer within {TIMEOUT:?}"),
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
                "this is not that error",
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
