//! Two machines that answer each other must come to an end.

mod digest;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::time::{Duration, Instant};
use tower_layer::Layer;
use tower_service::Service;

use self::digest::{Digest, of_children, of_reply};
use super::bounded_map::{BoundedMap, Key};
use super::{ResponseFuture, bare};
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::stanza::{Children, Kind, MessageType, Stanza};

/// How many conversations are kept in mind. Of more, the one that was silent for longest is
/// forgotten first.
const CONVERSATIONS: usize = 1024;
/// How many messages in a row may equal the last answer.
const ECHOES: u8 = 10;
/// How long there is no answer then.
const SILENCE: Duration = Duration::from_secs(60);

/// Stands before automatic answers to messages, so that two bots cannot feed each other.
///
/// A message that equals what was last answered to its sender counts. At the tenth in a row answers
/// to that sender cease for a minute, which is logged once. Who says something new each time is
/// never slowed.
///
/// What is compared is the body, or all children where there is none. What is kept in mind has a
/// fixed size.
#[derive(Debug, Clone)]
pub struct LoopGuardLayer {
    conversations: Arc<Mutex<Conversations>>,
}

#[derive(Debug)]
struct Conversations {
    table: BoundedMap<Conversation>,
    /// Counts messages: what is used later has the greater number.
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
    /// No conversation yet.
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
    /// Whether this message may be answered.
    fn hears(&mut self, message: Digest, inbound: &Inbound) -> bool {
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
            "somebody sends back every answer: there is none for a minute"
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
        let heard = of_children(inbound.stanza().children());
        let key = {
            let mut conversations = lock(&self.conversations);
            let key = conversations
                .table
                .key((bare(inbound.sender()), bare(inbound.recipient())));
            if !conversations.get(key).hears(heard, &inbound) {
                return ResponseFuture::ready(Ok(Reply::Empty));
            }
            key
        };
        let conversations = Arc::clone(&self.conversations);
        let watch = Watch {
            conversations,
            key,
            heard,
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
    pub struct LoopGuardFuture<F> {
        #[pin]
        inner: F,
        watch: Option<Watch>,
    }
}

/// Waits for the answer, to know it again.
#[derive(Debug)]
struct Watch {
    conversations: Arc<Mutex<Conversations>>,
    key: Key,
    /// The message: an answer of the very same bytes need not be looked at.
    stanza: Arc<Stanza>,
    heard: Digest,
}

impl<F, E> Future for LoopGuardFuture<F>
where
    F: Future<Output = Result<Reply, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = std::task::ready!(this.inner.poll(cx));
        if let (Some(watch), Ok(reply)) = (this.watch.take(), &answer) {
            watch.answered(reply);
        }
        Poll::Ready(answer)
    }
}

impl Watch {
    fn answered(self, reply: &Reply) {
        let echo = matches!(reply, Reply::Children(children) if self.is_heard(children));
        let said = if echo {
            Some(self.heard)
        } else {
            of_reply(reply)
        };
        if said.is_some() {
            lock(&self.conversations).get(self.key).answered = said;
        }
    }

    fn is_heard(&self, children: &Children) -> bool {
        std::ptr::eq(children.as_bytes(), self.stanza.children().as_bytes())
    }
}

fn lock(conversations: &Mutex<Conversations>) -> MutexGuard<'_, Conversations> {
    // No code that can panic runs under this lock.
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
    async fn who_sends_back_every_answer_gets_none_for_a_minute() {
        let mut service = guarded(&LoopGuardLayer::new());
        let mut bot = |_| say(&mut service, "bot@example.org/1", "ping");
        // The first one is new, nine equal what was answered before.
        assert_eq!((0..20).filter(|at| bot(*at)).count(), 10);
        tokio::time::advance(SILENCE - Duration::from_secs(1)).await;
        assert!(!bot(0));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!((0..20).filter(|at| bot(*at)).count(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_else_is_slowed() {
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
        // Now and then something else: never ten in a row.
        for number in 0..100 {
            let body = if number % 9 == 0 { "other" } else { "same" };
            assert!(say(&mut service, "fond@example.org", body), "{number}");
        }
        // Another resource is the same sender; another recipient is another conversation.
        assert!(!say(&mut service, "bot@example.org/2", "ping"));
        let other =
            "<message from='bot@example.org' to='x@bot.localhost'><body>ping</body></message>";
        assert!(matches!(call(&mut service, other), Ok(Reply::Children(_))));
    }

    #[tokio::test(start_paused = true)]
    async fn two_guarded_echoes_come_to_an_end() {
        let mut left = guarded(&LoopGuardLayer::new());
        let mut right = guarded(&LoopGuardLayer::new());
        let mut spoken = 0;
        while say(&mut left, "right@example.org", "hello")
            && say(&mut right, "left@example.org", "hello")
        {
            spoken += 1;
            assert!(spoken < 100, "they go on for ever");
        }
        assert_eq!(spoken, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_that_are_stanzas_count_and_other_stanzas_do_not() {
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
