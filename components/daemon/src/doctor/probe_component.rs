//! A short stay as the component: mounted with everything that its settings say of the link, and
//! with nothing behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use campanile::client::{Client, IqError, IqRequest};
use campanile::component::{Component, MetricsHandle, Status};
use campanile::error::{BoxError, Condition, StanzaError};
use campanile::extract::Sender;
use campanile::jid::{BareJid, Jid};
use campanile::limits::Limits;
use campanile::minidom::Element;
use campanile::router::Router;
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::config;

/// Pings to itself. With half of all stanzas going elsewhere, not one of them missing would be a
/// chance of one in a million.
pub(super) const PINGS: u64 = 20;
/// Components of the same server that are pinged, at most.
const SIBLINGS: usize = 16;
/// How long an answer may take that comes through the server.
const ANSWER: Duration = Duration::from_secs(3);
/// What stands around a payload, beside the two addresses: tags, attributes, an id.
const AROUND: usize = 256;
/// What every server must take (RFC 6120 §13.12).
const SMALLEST: usize = 10_000;
const PADDING: &str = "urn:campanile:check";

/// A component that is mounted for a moment.
pub(super) struct Probe {
    client: Client,
    status: watch::Receiver<Status>,
    stats: MetricsHandle,
    back: Arc<AtomicU64>,
    strangers: Arc<AtomicU64>,
    leave: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

/// What became of the pings to itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pings {
    pub(super) back: u64,
    pub(super) slowest: Duration,
}

impl Probe {
    /// Connects once. The error is in the words of the library.
    pub(super) async fn begin(settings: &config::Component) -> Result<Self, String> {
        let back = Arc::<AtomicU64>::default();
        let strangers = Arc::<AtomicU64>::default();
        let component = build(settings, &back, &strangers).map_err(|error| error.to_string())?;
        let (client, mut status, stats) =
            (component.client(), component.status(), component.metrics());
        let (leave, left) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            // How it ends is seen in its status.
            let _ = component
                .run_until(async move {
                    let _ = left.await;
                })
                .await;
        });
        let answer = status
            .wait_for(|status| *status != Status::Connecting)
            .await
            .map(|status| status.clone());
        let probe = Self {
            client,
            status,
            stats,
            back,
            strangers,
            leave,
            running,
        };
        match answer {
            Ok(Status::Mounted { .. }) => Ok(probe),
            Ok(Status::Waiting { why, .. }) => {
                probe.end().await;
                Err(why)
            }
            _ => Err("it ended without a word".to_owned()),
        }
    }

    /// Leaves. What has arrived is answered before.
    pub(super) async fn end(self) {
        drop(self.leave);
        // It has ended either way.
        let _ = self.running.await;
    }

    /// Why the server ended the stream, if it did.
    pub(super) fn lost(&self) -> Option<String> {
        match &*self.status.borrow() {
            Status::Waiting { why, .. } => Some(why.clone()),
            _ => None,
        }
    }

    /// Stanzas that others sent here meanwhile.
    pub(super) fn strangers(&self) -> u64 {
        self.strangers.load(Ordering::Relaxed)
    }

    /// Stanzas that came, and are for another domain.
    pub(super) fn strays(&self) -> u64 {
        self.stats.counters().stray
    }

    /// Pings itself through the server.
    pub(super) async fn ping_itself(&self) -> Pings {
        let mut pings = JoinSet::new();
        for _ in 0..PINGS {
            pings.spawn(asked(
                self.client.clone(),
                self.client.domain().clone(),
                ping(),
            ));
        }
        let mut slowest = Duration::ZERO;
        while let Some(answered) = pings.join_next().await {
            if let Ok(Ok(took)) = answered {
                slowest = slowest.max(took);
            }
        }
        Pings {
            back: self.back.load(Ordering::Relaxed),
            slowest,
        }
    }

    /// Pings other components of the same server. None of their stanzas may come here.
    pub(super) async fn ping_siblings(&self, parent: &str) {
        let Ok(host) = Jid::new(parent) else { return };
        let items =
            tokio::time::timeout(ANSWER, self.client.disco_items(host).collect(10 * SIBLINGS))
                .await;
        // A server that does not tell has no siblings to ask.
        let items = items.ok().and_then(Result::ok).unwrap_or_default();
        let below = format!(".{parent}");
        let sibling = |jid: &Jid| {
            let whole_domain = jid.node().is_none() && jid.resource().is_none();
            whole_domain
                && jid.domain().as_str().ends_with(&below)
                && jid.domain() != self.client.domain().domain()
        };
        let mut pings = JoinSet::new();
        for jid in items
            .into_iter()
            .filter_map(|item| item.jid)
            .filter(sibling)
            .take(SIBLINGS)
        {
            pings.spawn(asked(self.client.clone(), jid, ping()));
        }
        // Whether and what they answer is theirs; that the pings do not come here is what matters.
        pings.join_all().await;
    }

    /// Whether a stanza of this many bytes comes back. The error is why the server ended the
    /// stream.
    pub(super) async fn send_itself(&mut self, bytes: usize) -> Result<(), Option<String>> {
        let domain = self.client.domain().clone();
        let text = "x".repeat(bytes.saturating_sub(AROUND + 2 * domain.as_str().len()));
        let padding = Element::builder("padding", PADDING).append(text).build();
        match asked(self.client.clone(), domain, padding).await {
            Ok(_) => Ok(()),
            Err(IqError::Disconnected | IqError::Timeout) => {
                let waiting = |status: &Status| matches!(status, Status::Waiting { .. });
                // The status follows the failed request.
                let _ = tokio::time::timeout(ANSWER, self.status.wait_for(waiting)).await;
                Err(self.lost())
            }
            Err(_) => Err(None),
        }
    }
}

/// Sizes to try when the largest is not taken: half, and half of that.
pub(super) fn smaller(bytes: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(bytes / 2), |bytes| Some(bytes / 2))
        .take_while(|bytes| *bytes > SMALLEST)
}

fn ping() -> Element {
    Element::builder("ping", "urn:xmpp:ping").build()
}

async fn asked(client: Client, of: Jid, payload: Element) -> Result<Duration, IqError> {
    let began = Instant::now();
    let request = IqRequest::get(of, &payload)
        .map_err(IqError::Write)?
        .with_timeout(ANSWER);
    client.request(request).await.map(|_| began.elapsed())
}

/// Answers itself, and tells everybody else to try again.
fn build(
    settings: &config::Component,
    back: &Arc<AtomicU64>,
    strangers: &Arc<AtomicU64>,
) -> Result<Component, BoxError> {
    let domain = settings.jid.clone();
    let back = Arc::clone(back);
    let strangers = Arc::clone(strangers);
    let answer = move |Sender(from): Sender| {
        let own = from.domain() == domain.domain();
        let counter = if own { &back } else { &strangers };
        counter.fetch_add(1, Ordering::Relaxed);
        async move {
            if own {
                Ok(())
            } else {
                Err(StanzaError::new(Condition::RecipientUnavailable))
            }
        }
    };
    let mut builder = Component::builder(settings.jid.as_str())
        .server(settings.address.to_string())
        .secret(settings.secret.clone())
        .limits(limits(settings))
        .router(Router::new().fallback(answer))
        .without_defaults()
        .keep_trying();
    if let Some(tls) = &settings.tls {
        builder = builder.tls(tls.clone());
    }
    Ok(builder.build()?)
}

/// The configured bounds; once lost, it shall not come back.
fn limits(settings: &config::Component) -> Limits {
    let never = Duration::from_secs(3600);
    let mut limits = settings.limits.clone();
    (limits.back_off, limits.slow_retry) = ((never, never), (never, never));
    limits
}

/// A stanza that the configuration allows and that would come back.
pub(super) fn largest(limits: &Limits) -> usize {
    limits.max_stanza_out.min(limits.max_stanza_in)
}

/// The domain of the host that a component most likely belongs to.
pub(super) fn parent(jid: &BareJid) -> Option<&str> {
    jid.domain()
        .as_str()
        .split_once('.')
        .map(|(_, parent)| parent)
}
