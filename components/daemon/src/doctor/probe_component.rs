//! Mounts a component briefly, with its connection settings but without its modules.

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

/// Number of pings to itself. If half of all stanzas go elsewhere, the chance that none of them is
/// lost is one in a million.
pub(super) const PINGS: u64 = 20;
/// Maximum number of components of the same server that are pinged.
const SIBLINGS: usize = 16;
/// Timeout for a reply through the server.
const REPLY_TIMEOUT: Duration = Duration::from_secs(3);
/// Bytes around a payload besides the two addresses: tags, attributes, an id.
const OVERHEAD: usize = 256;
/// Stanza size that every server must accept (RFC 6120 §13.12).
const SMALLEST: usize = 10_000;
const PADDING: &str = "urn:campanile:check";
const RESOURCE: &str = "check";

/// A component that is mounted briefly.
pub(super) struct Probe {
    client: Client,
    status: watch::Receiver<Status>,
    stats: MetricsHandle,
    back: Arc<AtomicU64>,
    strangers: Arc<AtomicU64>,
    leave: oneshot::Sender<()>,
    running: JoinHandle<()>,
}

/// Result of the pings to itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pings {
    pub(super) back: u64,
    pub(super) slowest: Duration,
}

impl Probe {
    /// Connects once. The error is the text of the library.
    pub(super) async fn begin(settings: &config::Component) -> Result<Self, String> {
        let back = Arc::<AtomicU64>::default();
        let strangers = Arc::<AtomicU64>::default();
        let component = build(settings, &back, &strangers).map_err(|error| error.to_string())?;
        let client = component.client();
        let mut status = component.status();
        let stats = component.metrics();
        let (leave, left) = oneshot::channel::<()>();
        let running = tokio::spawn(async move {
            // The status reports how it ended.
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
            _ => Err("the component ended without a reason".to_owned()),
        }
    }

    /// Disconnects, after replying to the stanzas received.
    pub(super) async fn end(self) {
        drop(self.leave);
        // An error means that the task has ended as well.
        let _ = self.running.await;
    }

    /// Returns the reason the server closed the stream, if it did.
    pub(super) fn lost(&self) -> Option<String> {
        match &*self.status.borrow() {
            Status::Waiting { why, .. } => Some(why.clone()),
            _ => None,
        }
    }

    /// Returns the number of stanzas received from other senders.
    pub(super) fn strangers(&self) -> u64 {
        self.strangers.load(Ordering::Relaxed)
    }

    /// Returns the number of stanzas received for another domain.
    pub(super) fn strays(&self) -> u64 {
        self.stats.counters().stray
    }

    /// Pings itself through the server, at its bare domain.
    pub(super) async fn ping_itself(&self) -> Pings {
        self.ping_at(self.client.domain().clone()).await
    }

    /// Pings itself through the server, at an address with a resource.
    pub(super) async fn ping_resource(&self) -> Pings {
        let domain = self.client.domain().to_bare();
        // The resource is valid.
        let at = domain.with_resource_str(RESOURCE).map(Jid::from);
        self.ping_at(at.unwrap_or(domain.into())).await
    }

    /// Returns `true` if another domain of the server answers a ping.
    pub(super) async fn reaches(&self, domain: &str) -> bool {
        let Ok(domain) = Jid::new(domain) else {
            return false;
        };
        // An error is an answer as well.
        !matches!(
            asked(self.client.clone(), domain, ping()).await,
            Err(IqError::Timeout | IqError::Disconnected)
        )
    }

    async fn ping_at(&self, address: Jid) -> Pings {
        let before = self.back.load(Ordering::Relaxed);
        let mut pings = JoinSet::new();
        for _ in 0..PINGS {
            pings.spawn(asked(self.client.clone(), address.clone(), ping()));
        }
        let mut slowest = Duration::ZERO;
        while let Some(answered) = pings.join_next().await {
            if let Ok(Ok(took)) = answered {
                slowest = slowest.max(took);
            }
        }
        Pings {
            back: self.back.load(Ordering::Relaxed) - before,
            slowest,
        }
    }

    /// Pings other components of the same server. None of these pings may arrive here.
    pub(super) async fn ping_siblings(&self, parent: &str) {
        let Ok(host) = Jid::new(parent) else { return };
        let items = tokio::time::timeout(
            REPLY_TIMEOUT,
            self.client.disco_items(host, None).collect(10 * SIBLINGS),
        )
        .await;
        // Without a reply to disco#items there are no siblings to ping.
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
        // The replies do not matter, only that the pings do not arrive here.
        pings.join_all().await;
    }

    /// Sends a stanza of this many bytes to itself.
    ///
    /// # Errors
    /// Fails if the stanza does not return, with the reason the server closed the stream, if any.
    pub(super) async fn send_itself(&mut self, bytes: usize) -> Result<(), Option<String>> {
        let domain = self.client.domain().clone();
        let text = "x".repeat(bytes.saturating_sub(OVERHEAD + 2 * domain.as_str().len()));
        let padding = Element::builder("padding", PADDING).append(text).build();
        match asked(self.client.clone(), domain, padding).await {
            Ok(_) => Ok(()),
            Err(IqError::Disconnected | IqError::Timeout) => {
                let waiting = |status: &Status| matches!(status, Status::Waiting { .. });
                // The status follows the failed request.
                let _ = tokio::time::timeout(REPLY_TIMEOUT, self.status.wait_for(waiting)).await;
                Err(self.lost())
            }
            Err(_) => Err(None),
        }
    }
}

/// Returns smaller sizes to try: half, a quarter, and so on.
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
        .with_timeout(REPLY_TIMEOUT);
    client.request(request).await.map(|_| began.elapsed())
}

/// Builds a component that acknowledges its own stanzas, and answers all others with
/// `recipient-unavailable`.
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

/// Returns the configured limits with reconnecting disabled.
fn limits(settings: &config::Component) -> Limits {
    let never = Duration::from_secs(3600);
    let mut limits = settings.limits.clone();
    (limits.back_off, limits.slow_retry) = ((never, never), (never, never));
    limits
}

/// Returns the largest stanza size that the configuration allows in both directions.
pub(super) fn largest(limits: &Limits) -> usize {
    limits.max_stanza_out.min(limits.max_stanza_in)
}

/// Returns the parent domain, most likely the server's own.
pub(super) fn parent(jid: &BareJid) -> Option<&str> {
    jid.domain()
        .as_str()
        .split_once('.')
        .map(|(_, parent)| parent)
}
