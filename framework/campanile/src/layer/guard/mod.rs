//! Detection of reply loops between bots.

mod digest;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::time::{Duration, Instant};
use tower_layer::Layer;
use tower_service::Service;

use self::digest::{Digest, of_children, of_reply};
use super::ResponseFuture;
use super::bounded_map::{BoundedMap, Key};
use crate::address::{bare, canonical};
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::stanza::{Children, Kind, MessageType, Stanza};

/// Maximum number of tracked conversations. Beyond it, the conversation that has been silent for
/// longest is dropped.
const CONVERSATIONS: usize = 1024;
/// Number of consecutive messages equal to the last reply after which a loop is assumed.
const ECHOES: u8 = 10;
/// Duration for which replies are suppressed.
const SILENCE: Duration = Duration::from_secs(60);

/// Stops reply loops, in which two bots answer each other without end.
///
/// A message that equals the last reply to its sender counts as an echo. At the tenth echo in a
/// row, replies to that sender are suppressed for 60 seconds, and one warning is logged. A sender
/// whose messages differ is never affected.
///
/// Messages are compared by body, or by all children if there is no body. Memory use is fixed: 1024
/// conversations are tracked.
#[derive(Debug, Clone)]
pub struct LoopGuardLayer {
    conversations: Arc<Mutex<Conversations>>,
}

#[derive(Debug)]
struct Conversations {
    table: BoundedMap<Conversation>,
    /// Message counter, used as a timestamp for eviction.
    clock: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Conversation {
    used: u64,
    answered: Option<Digest>,
    echoes: u8,
    silent_until: Option<Instant>,
}

impl LoopGuardLayer {
    /// Creates a layer that tracks no conversation yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Default for LoopGuardLayer {
    fn default() -> Self {
        let conversations = Conversations {
            table: BoundedMap::new(CONVERSATIONS),
            clock: 0,
        };
        Self {
            conversations: Arc::new(Mutex::new(conversations)),
        }
    }
}

impl Conversations {
    fn get(&mut self, key: Key) -> &mut Conversation {
        self.clock += 1;
        let conversation = self.table.get(key, |conversation| conversation.used);
        conversation.used = self.clock;
        conversation
    }
}

impl Conversation {
    /// Records a message. Returns `false` if it must not be answered.
    fn accepts(&mut self, message: Digest, inbound: &Inbound) -> bool {
        if let Some(until) = self.silent_until {
            if Instant::now() < until {
                return false;
            }
            *self = Self {
                used: self.used,
                ..Self::default()
            };
        }
        self.echoes = if self.answered == Some(message) {
            self.echoes + 1
        } else {
            0
        };
        if self.echoes < ECHOES {
            return true;
        }
        self.silent_until = Some(Instant::now() + SILENCE);
        tracing::warn!(
            sender = %inbound.sender(), recipient = %inbound.recipient(),
            "reply loop detected; suppressing replies to this sender for 60 s"
        );
        false
    }
}

impl<S> Layer<S> for LoopGuardLayer {
    type Service = LoopGuard<S>;

    fn layer(&self, inner: S) -> LoopGuard<S> {
        LoopGuard {
            inner,
            conversations: Arc::clone(&self.conversations),
        }
    }
}

/// The service of [`LoopGuardLayer`].
#[derive(Debug, Clone)]
#[doc(hidden)]
pub struct LoopGuard<S> {
    inner: S,
    conversations: Arc<Mutex<Conversations>>,
}

impl<S> Service<Inbound> for LoopGuard<S>
where
    S: Service<Inbound, Response = Reply>,
    S::Error: Into<BoxError>,
{
    type Response = Reply;
    type Error = BoxError;
    type Future = ResponseFuture<LoopGuardFuture<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, inbound: Inbound) -> Self::Future {
        if !matches!(
            inbound.kind(),
            Kind::Message(MessageType::Chat | MessageType::Normal)
        ) {
            return ResponseFuture::inner(LoopGuardFuture {
                inner: self.inner.call(inbound),
                watch: None,
            });
        }
        let received = of_children(inbound.stanza().children());
        let key = {
            let mut conversations = lock(&self.conversations);
            let key = conversations
                .table
                .key((canonical(bare(inbound.sender())), bare(inbound.recipient())));
            if !conversations.get(key).accepts(received, &inbound) {
                return ResponseFuture::ready(Ok(Reply::Empty));
            }
            key
        };
        let conversations = Arc::clone(&self.conversations);
        let watch = Watch {
            conversations,
            key,
            received,
            stanza: inbound.shared_stanza(),
        };
        ResponseFuture::inner(LoopGuardFuture {
            inner: self.inner.call(inbound),
            watch: Some(watch),
        })
    }
}

pin_project_lite::pin_project! {
    /// The future of [`LoopGuard`].
    #[derive(Debug)]
    #[doc(hidden)]
    pub struct LoopGuardFuture<F> {
        #[pin]
        inner: F,
        watch: Option<Watch>,
    }
}

/// Records the digest of the reply.
#[derive(Debug)]
struct Watch {
    conversations: Arc<Mutex<Conversations>>,
    key: Key,
    /// The message. A reply that shares its bytes need not be hashed again.
    stanza: Arc<Stanza>,
    received: Digest,
}

impl<F, E> Future for LoopGuardFuture<F>
where
    F: Future<Output = Result<Reply, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = std::task::ready!(this.inner.poll(cx));
        if let (Some(watch), Ok(reply)) = (this.watch.take(), &response) {
            watch.answered(reply);
        }
        Poll::Ready(response)
    }
}

impl Watch {
    fn answered(self, reply: &Reply) {
        let echo = matches!(reply, Reply::Children(children) if self.is_received(children));
        let digest = if echo {
            Some(self.received)
        } else {
            of_reply(reply)
        };
        if digest.is_some() {
            lock(&self.conversations).get(self.key).answered = digest;
        }
    }

    fn is_received(&self, children: &Children) -> bool {
        std::ptr::eq(children.as_bytes(), self.stanza.children().as_bytes())
    }
}

fn lock(conversations: &Mutex<Conversations>) -> MutexGuard<'_, Conversations> {
    // No code that can panic runs under this lock, so the state of a poisoned lock is valid.
    conversations.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::Router;
    use crate::test_util::call;

    fn guarded(layer: &LoopGuardLayer) -> LoopGuard<Router> {
        layer.layer(
            Router::new()
                .message(|children: Children| async { children })
                .presence(|| async { "seen" }),
        )
    }

    fn say(service: &mut LoopGuard<Router>, from: &str, body: &str) -> bool {
        let xml = format!("<message from='{from}' type='chat'><body>{body}</body></message>");
        matches!(call(service, &xml), Ok(Reply::Children(_)))
    }

    #[tokio::test(start_paused = true)]
    async fn echoes_suppress_replies_for_a_minute() {
        let mut service = guarded(&LoopGuardLayer::new());
        let mut bot = |_| say(&mut service, "bot@example.org/1", "ping");
        // The first message is new, and nine equal the last reply.
        assert_eq!((0..20).filter(|at| bot(*at)).count(), 10);
        tokio::time::advance(SILENCE - Duration::from_secs(1)).await;
        assert!(!bot(0));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((0..20).filter(|at| bot(*at)).count(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn other_senders_are_not_affected() {
        let mut service = guarded(&LoopGuardLayer::new());
        assert_eq!(
            (0..20)
                .filter(|_| say(&mut service, "bot@example.org", "ping"))
                .count(),
            10
        );
        for number in 0..1000 {
            assert!(say(&mut service, "busy@example.org", &number.to_string()));
        }
        // Every ninth message differs, so there are never ten echoes in a row.
        for number in 0..100 {
            let body = if number % 9 == 0 { "other" } else { "same" };
            assert!(say(&mut service, "fond@example.org", body), "{number}");
        }
        // Another resource belongs to the same sender; another recipient is another conversation.
        assert!(!say(&mut service, "bot@example.org/2", "ping"));
        let other =
            "<message from='bot@example.org' to='x@bot.localhost'><body>ping</body></message>";
        assert!(matches!(call(&mut service, other), Ok(Reply::Children(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn loop_between_two_guarded_bots_ends() {
        let mut left = guarded(&LoopGuardLayer::new());
        let mut right = guarded(&LoopGuardLayer::new());
        let mut spoken = 0;
        while say(&mut left, "right@example.org", "hello")
            && say(&mut right, "left@example.org", "hello")
        {
            spoken += 1;
            assert!(spoken < 100, "the loop does not end");
        }
        assert_eq!(spoken, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn replies_as_stanzas_count_and_presence_does_not() {
        let fixed = || async {
            crate::stanza::Stanza::chat("alice@example.org".parse::<jid::Jid>()?, "hi")
                .map_err(BoxError::from)
        };
        let mut service = LoopGuardLayer::new().layer(
            Router::new()
                .message(fixed)
                .presence(|| async { vec!["seen"] }),
        );
        let answered = |answer| matches!(answer, Ok(Reply::Stanza(_)));
        let mut hi = |_| {
            answered(call(
                &mut service,
                "<message type='chat'><body>hi</body></message>",
            ))
        };
        assert_eq!((0..20).filter(|at| hi(*at)).count(), 10);
        assert!(matches!(
            call(&mut service, "<presence/>"),
            Ok(Reply::Multiple(_))
        ));
    }
}
