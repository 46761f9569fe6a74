//! Calls a handler, router or layer directly, without a component or a connection.

use std::future::poll_fn;

use jid::{BareJid, Jid};
use tower_service::Service;

use super::compare::Wanted;
use super::show;
use crate::host::RawStanza;
use campanile::client::Client;
use campanile::error::{BoxError, Condition, StanzaError};
use campanile::inbound::Inbound;
use campanile::limits::Limits;
use campanile::reply::Reply;
use campanile::stanza::Stanza;

/// Default sender and recipient.
const SENDER: &str = "alice@localhost/home";
const RECIPIENT: &str = "bot.localhost";

/// Calls a service with one stanza, as a component does, and returns its replies.
///
/// The service is a [`Router`](campanile::router::Router), with or without layers. A stanza without
/// a sender is sent by `alice@localhost/home`, one without a recipient is sent to `bot.localhost`,
/// and an IQ without an id gets one. An error is turned into the stanza error that the peer would
/// receive ([`into_stanza_error`](campanile::error::into_stanza_error)). A reply that was promised
/// for [later](campanile::reply::Deferred) is awaited.
///
/// The handler's [`Client`] is not connected. To test a component that sends stanzas or requests
/// itself, use [`mount`](super::mount).
///
/// ```
/// use campanile::{extract::Sender, router::Router};
/// use campanile_testing as testing;
///
/// async fn greet(Sender(who): Sender) -> String {
///     format!("Hello {who}")
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let message = "<message type='chat'><body>hi</body></message>";
/// let replies = testing::call(Router::new().message(greet), message).await;
/// replies.assert_reply(
///     "<message to='alice@localhost/home' type='chat'>\
///      <body>Hello alice@localhost/home</body></message>",
/// );
/// # }
/// ```
///
/// # Panics
/// If the text is not a stanza that could reach a handler, or if the service does not become ready.
pub async fn call<S>(mut service: S, xml: &str) -> Replies
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
{
    let stanza = addressed(xml);
    let asked = show::stanza(&stanza);
    let inbound = Inbound::new(stanza.clone(), Client::detached(&domain(&stanza)));
    let inbound = inbound.unwrap_or_else(|| panic!("the stanza has no addresses: {asked}"));
    let answered = match poll_fn(|cx| service.poll_ready(cx)).await {
        Ok(()) => service.call(inbound).await,
        Err(error) => Err(error),
    };
    let answered = match answered.map_err(Into::into) {
        Ok(Reply::Deferred(later)) => later.wait(Limits::default().handler_timeout).await,
        answered => answered,
    };
    let (reply, error) = match answered {
        Ok(reply) => (reply, None),
        Err(error) => (
            Reply::Error(campanile::error::into_stanza_error(&error)),
            Some(campanile::error::chain(&error)),
        ),
    };
    let mut stanzas = Vec::new();
    reply.address(&stanza, |answer| stanzas.push(answer));
    Replies {
        asked,
        stanzas,
        error,
    }
}

/// Replies of a service to one stanza, returned by [`call`].
///
/// Assertions panic with the caller's location. `{any}` in a wanted stanza matches any text.
#[derive(Debug)]
#[must_use = "replies are only checked by an assertion"]
pub struct Replies {
    asked: String,
    stanzas: Vec<Stanza>,
    error: Option<String>,
}

impl Replies {
    /// Asserts that there is exactly one reply, which matches, and returns it.
    ///
    /// Kind, type and children are always compared; addresses and id only if the wanted stanza has
    /// them.
    ///
    /// # Panics
    /// If the reply differs, is missing, or is not the only one.
    #[track_caller]
    pub fn assert_reply(&self, wanted: &str) -> &Stanza {
        self.assert_replies(&[wanted]);
        &self.stanzas[0]
    }

    /// Asserts that the replies match these stanzas, in this order.
    ///
    /// # Panics
    /// If they differ.
    #[track_caller]
    pub fn assert_replies(&self, wanted: &[&str]) {
        let wanted: Vec<_> = wanted.iter().map(|wanted| Wanted::parse(wanted)).collect();
        let mut pairs = wanted.iter().zip(&self.stanzas);
        let difference = pairs
            .find_map(|(wanted, seen)| wanted.difference(seen))
            .or_else(|| {
                let few = wanted.len();
                let many = self.stanzas.len();
                (few != many).then(|| format!("there are {many} replies, not {few}"))
            });
        if let Some(why) = difference {
            self.fail(&why, &show::join(wanted.iter().map(Wanted::show)));
        }
    }

    /// Asserts that there is no reply.
    ///
    /// # Panics
    /// If there is one.
    #[track_caller]
    pub fn assert_no_reply(&self) {
        if !self.stanzas.is_empty() {
            self.fail("there is a reply", "nothing");
        }
    }

    /// Asserts that there is exactly one reply, a stanza error with this condition, and returns the
    /// error.
    ///
    /// # Panics
    /// If the reply is anything else.
    #[track_caller]
    pub fn assert_error(&self, condition: Condition) -> StanzaError {
        match self.stanzas.as_slice() {
            [error]
                if error.kind().is_error()
                    && StanzaError::from_stanza(error).condition() == condition =>
            {
                StanzaError::from_stanza(error)
            }
            _ => self.fail(
                "the condition or kind differs",
                &format!("an error {}", condition.as_str()),
            ),
        }
    }

    /// Returns the replies, in order.
    #[must_use]
    pub fn stanzas(&self) -> &[Stanza] {
        &self.stanzas
    }

    #[track_caller]
    fn fail(&self, why: &str, wanted: &str) -> ! {
        let error = self
            .error
            .as_ref()
            .map(|error| format!("\n   error: {error}"))
            .unwrap_or_default();
        let seen = show::stanzas(&self.stanzas);
        panic!(
            "{}",
            show::failure(
                &format!("{why}\n   asked: {}{error}", self.asked),
                wanted,
                &seen
            )
        );
    }
}

fn addressed(xml: &str) -> Stanza {
    let mut stanza = RawStanza::plain(xml)
        .unwrap_or_else(|error| panic!("not a stanza that reaches a handler: {error}\n  {xml}"));
    if stanza.from().is_none() {
        stanza.set_from(Some(known(SENDER)));
    }
    if stanza.to().is_none() {
        stanza.set_to(Some(known(RECIPIENT)));
    }
    if stanza.kind().is_request() && stanza.id().is_none() {
        stanza.set_id(Some("1"));
    }
    stanza
}

/// Returns the component's domain, derived from the stanza.
fn domain(stanza: &Stanza) -> BareJid {
    let to = stanza.to().cloned().unwrap_or_else(|| known(RECIPIENT));
    BareJid::from_parts(None, to.domain())
}

fn known(jid: &str) -> Jid {
    Jid::new(jid).unwrap_or_else(|error| panic!("{jid}: {error}"))
}
