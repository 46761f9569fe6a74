//! Delivery receipts (XEP-0184), sent once a message has been accepted.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tower_layer::Layer;
use tower_service::Service;
use xmpp_parsers::receipts::Received;

use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::slow_handlers::CalledRoute;
use crate::stanza::{Children, Kind, MessageType, Stanza};

/// Namespace of delivery receipts.
pub(crate) const NS: &str = "urn:xmpp:receipts";

/// Replies to requests for a delivery receipt (XEP-0184). The receipt is sent before the reply of
/// the handler.
///
/// No receipt is sent if the handler rejects the message, if the message has no id, or if its type
/// is neither `chat` nor `normal`. Nor is one sent for a message with a body that only the handler
/// of an annotation such as a chat state has seen (see
/// [`message_with`](crate::router::Router::message_with)). If the handler defers its reply with
/// [`Deferred`](crate::reply::Deferred), the receipt is sent together with that reply.
///
/// ```
/// use campanile::extract::Body;
/// use campanile::router::Router;
///
/// async fn note(Body(text): Body) { println!("{text}"); }
///
/// let router: Router = Router::new().message(note).receipts();
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct ReceiptsLayer;

impl<S> Layer<S> for ReceiptsLayer {
    type Service = Receipts<S>;

    fn layer(&self, inner: S) -> Receipts<S> {
        Receipts { inner }
    }
}

/// The service of [`ReceiptsLayer`].
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct Receipts<S> {
    inner: S,
}

impl<S> Service<Inbound> for Receipts<S>
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
{
    type Response = Reply;
    type Error = BoxError;
    type Future = ReceiptsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        let wanted = wanted(&inbound);
        ReceiptsFuture {
            inner: self.inner.call(inbound),
            wanted,
        }
    }
}

pin_project_lite::pin_project! {
    /// The future of [`Receipts`].
    #[derive(Debug)]
    #[doc(hidden)]
    pub struct ReceiptsFuture<F> {
        #[pin]
        inner: F,
        wanted: Option<Receipt>,
    }
}

impl<F, E> Future for ReceiptsFuture<F>
where
    F: Future<Output = Result<Reply, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Reply, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let reply = ready!(this.inner.poll(cx)).map_err(Into::into)?;
        Poll::Ready(Ok(match this.wanted.take() {
            Some(receipt) => receipt.before(reply),
            None => reply,
        }))
    }
}

/// A requested receipt.
#[derive(Debug, Clone)]
struct Receipt {
    kind: Kind,
    id: String,
    called: CalledRoute,
}

/// XEP-0184 §5.3: a receipt requires a message with an id, and is never sent for a receipt.
fn wanted(inbound: &Inbound) -> Option<Receipt> {
    let stanza = inbound.stanza();
    if !matches!(
        stanza.kind(),
        Kind::Message(MessageType::Chat | MessageType::Normal)
    ) {
        return None;
    }
    let children = stanza.children();
    let asked = children.find(NS, "request").is_some() && children.find(NS, "received").is_none();
    let id = stanza.id().filter(|_| asked)?;
    Some(Receipt {
        kind: stanza.kind(),
        id: id.to_owned(),
        called: inbound.called_route().clone(),
    })
}

impl Receipt {
    fn before(self, reply: Reply) -> Reply {
        match reply {
            refused if is_refusal(&refused) => refused,
            // Only known now: this layer may stand outside of the router.
            unread if self.called.is_body_ignored() => unread,
            Reply::Deferred(later) => Reply::Deferred(later.map(move |reply| self.before(reply))),
            reply => match Children::of(&Received { id: self.id }) {
                Ok(received) => {
                    let receipt = Stanza::new(self.kind).with_children(received);
                    Reply::Multiple(vec![Reply::Stanza(Box::new(receipt)), reply])
                }
                // The id was received as XML, so it can be written as XML.
                Err(_) => reply,
            },
        }
    }
}

fn is_refusal(reply: &Reply) -> bool {
    match reply {
        Reply::Error(_) => true,
        Reply::Multiple(replies) => replies.iter().any(is_refusal),
        Reply::InLanguage(_, reply) => is_refusal(reply),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Condition;
    use crate::router::Router;
    use crate::test_util::answer;

    const REQUEST: &str = "<request xmlns='urn:xmpp:receipts'/>";

    fn receipt(kind: &str) -> String {
        format!(
            "<message from='bot.localhost' to='alice@example.org/desk' type='{kind}'>\
             <received xmlns='urn:xmpp:receipts' id='m1'/></message>"
        )
    }

    #[test]
    fn receipt_precedes_the_reply() {
        let mut silent = Router::new().message(async || ()).receipts();
        for kind in ["chat", "normal"] {
            let xml = format!("<message id='m1' type='{kind}'><body>hi</body>{REQUEST}</message>");
            assert_eq!(answer(&mut silent, &xml), receipt(kind));
        }
        let mut talking = Router::new().message(async || "hello").receipts();
        let reply = answer(
            &mut talking,
            &format!("<message id='m1' type='chat'>{REQUEST}<body>hi</body></message>"),
        );
        let hello = "<message from='bot.localhost' to='alice@example.org/desk' id='m1' \
            type='chat'><body>hello</body></message>";
        assert_eq!(reply, receipt("chat") + hello);
    }

    #[test]
    fn receipt_requires_a_request_an_id_and_a_chat_or_normal_message() {
        let mut router = Router::new()
            .on(crate::router::Filter::message(), async || ())
            .receipts();
        let received = "<received xmlns='urn:xmpp:receipts' id='x'/>";
        for xml in [
            "<message id='m1' type='chat'><body>hi</body></message>".to_owned(),
            format!("<message type='chat'><body>hi</body>{REQUEST}</message>"),
            format!("<message id='m1' type='chat'>{received}{REQUEST}</message>"),
            format!("<message id='m1' type='headline'>{REQUEST}</message>"),
            format!("<message id='m1' type='groupchat' from='room@x/me'>{REQUEST}</message>"),
            format!("<message id='m1' type='error'>{REQUEST}</message>"),
        ] {
            assert_eq!(answer(&mut router, &xml), "", "{xml}");
        }
    }

    #[test]
    fn rejected_message_gets_no_receipt() {
        let xml = format!("<message id='m1' type='chat'><body>hi</body>{REQUEST}</message>");
        let mut refusing = Router::new()
            .message(async || Condition::NotAcceptable)
            .receipts();
        let mut failing = Router::new()
            .message(async || Err::<(), _>("broken"))
            .receipts();
        for router in [&mut refusing, &mut failing] {
            let reply = answer(router, &xml);
            assert!(
                reply.contains("type='error'") && !reply.contains("<received"),
                "{reply}"
            );
        }
    }
}
