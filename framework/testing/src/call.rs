//! A handler, a router or a layer alone: one stanza in, and what comes of it. Nothing is mounted,
//! nothing connects.

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

/// What a stanza without sender is from, and one without recipient to.
const SENDER: &str = "alice@localhost/home";
const RECIPIENT: &str = "bot.localhost";

/// Calls a service with one stanza, as a component does, and gives what would go out.
///
/// That is a [`Router`](campanile::router::Router), or whatever stands in layers. A stanza without
/// sender is from `alice@localhost/home`, one without recipient to `bot.localhost`, an IQ without
/// id has one. An error becomes what the peer would be told of it ([`into_stanza_error`](campanile::error::into_stanza_error)); an answer that was
/// promised for [later](campanile::reply::Deferred) is waited for.
///
/// The handler's [`Client`] leads nowhere: for a component that asks or sends by itself there is
/// [`mount`](super::mount).
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
/// let answer = testing::call(Router::new().message(greet), "<message type='chat'><body>hi</body></message>").await;
/// answer.assert_reply("<message to='alice@localhost/home' type='chat'><body>Hello alice@localhost/home</body></message>");
/// # }
/// ```
///
/// # Panics
/// When the text is no stanza that could reach a handler, or the service does not become ready.
pub async fn call<S>(mut service: S, xml: &str) -> Replies
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
{
    let stanza = addressed(xml);
    let asked = show::stanza(&stanza);
    let inbound = Inbound::new(stanza.clone(), Client::detached(&domain(&stanza)));
    let inbound = inbound.unwrap_or_else(|| panic!("a stanza without addresses: {asked}"));
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

/// What a service has answered.
///
/// The checks panic at the caller's line. `{any}` in what is wanted stands for any text.
#[derive(Debug)]
#[must_use = "what was answered is known when it is looked at"]
pub struct Replies {
    asked: String,
    stanzas: Vec<Stanza>,
    error: Option<String>,
}

impl Replies {
    /// There is one stanza, and it is this one, which is given back.
    ///
    /// Kind, type and children must be the same; addresses and id only where the wanted stanza has
    /// them.
    ///
    /// # Panics
    /// When it is another one, none, or several.
    #[track_caller]
    pub fn assert_reply(&self, wanted: &str) -> &Stanza {
        self.assert_replies(&[wanted]);
        &self.stanzas[0]
    }

    /// There are these stanzas, in this order.
    ///
    /// # Panics
    /// When they are others.
    #[track_caller]
    pub fn assert_replies(&self, wanted: &[&str]) {
        let wanted: Vec<_> = wanted.iter().map(|wanted| Wanted::parse(wanted)).collect();
        let mut pairs = wanted.iter().zip(&self.stanzas);
        let difference = pairs
            .find_map(|(wanted, seen)| wanted.difference(seen))
            .or_else(|| {
                let few = wanted.len();
                let many = self.stanzas.len();
                (few != many).then(|| format!("there are {many} stanzas, not {few}"))
            });
        if let Some(why) = difference {
            self.fail(&why, &show::join(wanted.iter().map(Wanted::show)));
        }
    }

    /// There is no answer.
    ///
    /// # Panics
    /// When there is one.
    #[track_caller]
    pub fn assert_no_reply(&self) {
        if !self.stanzas.is_empty() {
            self.fail("there is an answer", "nothing");
        }
    }

    /// There is one stanza, an error with this condition, which is given back.
    ///
    /// # Panics
    /// When it is anything else.
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
                "this is not that error",
                &format!("an error {}", condition.as_str()),
            ),
        }
    }

    /// The stanzas, in order.
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
        .unwrap_or_else(|error| panic!("no handler would see this: {error}\n  {xml}"));
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

/// The component's, as far as the stanza shows it.
fn domain(stanza: &Stanza) -> BareJid {
    let to = stanza.to().cloned().unwrap_or_else(|| known(RECIPIENT));
    BareJid::from_parts(None, to.domain())
}

fn known(jid: &str) -> Jid {
    Jid::new(jid).unwrap_or_else(|error| panic!("{jid}: {error}"))
}
