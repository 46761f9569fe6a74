//! The main loop of a component: connect, handle stanzas, classify the failure, wait, and
//! reconnect, until stopped.

use std::future::Future;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use jid::BareJid;
use tokio::sync::watch;
use tokio::time::{Duration, Instant, timeout};

use super::App;
use super::attempt_log::{AttemptLog, Failure};
use super::backoff::BackOff;
use super::cause::{FailureClass, explain};
use super::lifecycle::Lifecycle;
use super::status::{RunError, Status, Watch};
use super::target::Target;
use crate::client::Client;
use crate::connection::handshake;
use crate::connection::link::{Ended, Link, Parts, Route};
use crate::connection::{Keepalive, Outbox};
use crate::dispatch::Dispatch;
use crate::error::LinkError;
use crate::limits::Limits;
use crate::metrics::{Cause, Registry};
use crate::supervise::guarded;
use campanile_stanza::reader::ReaderLimits;

/// The state that lives as long as the component.
pub(super) struct Runner {
    pub(super) domain: BareJid,
    pub(super) target: Arc<Mutex<Target>>,
    pub(super) limits: Arc<Limits>,
    pub(super) client: Client,
    pub(super) counters: Arc<Registry>,
    pub(super) dispatch: Dispatch<App>,
    pub(super) outbox: Outbox,
    pub(super) keepalive: Keepalive,
    pub(super) status: Watch,
    /// Keep reconnecting even if the server refuses the component on its first connection.
    pub(super) persistent: bool,
    pub(super) log: AttemptLog,
    pub(super) modules: Arc<Lifecycle>,
}

/// The outcome of one connection attempt.
enum Attempt {
    Stopped,
    Failed {
        error: LinkError,
        /// The lifetime of the stream, or `None` if it did not open.
        held: Option<Duration>,
    },
}

/// The request to stop. Once complete it stays complete, and can be awaited again.
pub(super) struct Stop {
    future: Pin<Box<dyn Future<Output = ()> + Send>>,
    complete: bool,
}

impl Stop {
    pub(super) fn new(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self {
            future: Box::pin(future),
            complete: false,
        }
    }
}

impl Future for Stop {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.complete {
            ready!(self.future.as_mut().poll(cx));
            self.complete = true;
        }
        Poll::Ready(())
    }
}

impl Runner {
    pub(super) async fn run(mut self, mut stop: Stop) -> Result<(), RunError> {
        if self.start(&mut stop).await?.is_break() {
            return Ok(());
        }
        let mut back_off = BackOff::default();
        let mut mounted = false;
        let result = loop {
            let (error, held) = match self.attempt(&mut stop, &mut mounted).await {
                Ok(Attempt::Stopped) => break Ok(()),
                Ok(Attempt::Failed { error, .. }) if stop.complete => {
                    tracing::warn!(jid = %self.domain, %error, "connection lost while stopping");
                    break Ok(());
                }
                Ok(Attempt::Failed { error, held }) => (error, held),
                Err(error) => break Err(error),
            };
            let stable = held.is_some_and(|held| held >= self.limits.stable_after);
            if stable {
                back_off.reset();
            }
            let class = FailureClass::of(&error);
            self.counters.causes.inc(Cause::of(&error));
            let target = self.target();
            let why = explain(&error, &self.domain, &target.server, held.is_some());
            let refused = class == FailureClass::Refused;
            let retry = back_off.after(class, &error.to_string(), &self.limits, target.local);
            self.log.failed(&Failure {
                domain: &self.domain,
                why: &why,
                retry,
                refused: refused && !mounted,
                stable,
            });
            self.status.send_replace(Status::Waiting {
                why: why.clone(),
                retry,
                refused,
            });
            if refused && !mounted && !self.persistent {
                break Err(RunError::refused(why, error));
            }
            tokio::select! {
                () = &mut stop => break Ok(()),
                () = tokio::time::sleep(retry) => {}
            }
        };
        let (running, waiting) = self.dispatch.load();
        let unsent = self.outbox.len();
        // Nothing will be sent any more. Modules that wait for it must not delay the end.
        self.client.shared().close();
        self.outbox = Outbox::new(None);
        self.modules.stop(self.limits.shutdown_grace).await;
        if running + waiting + unsent > 0 {
            tracing::warn!(
                jid = %self.domain,
                running,
                waiting,
                unsent,
                "component stopped without a connection; pending stanzas are lost"
            );
        }
        result
    }

    /// Starts the modules. A request to stop fails whatever they send, because there is no stream
    /// yet, and gives them the grace period to return.
    async fn start(&mut self, stop: &mut Stop) -> Result<ControlFlow<()>, RunError> {
        let mut starting = pin!(self.modules.start(&self.client));
        let started = tokio::select! {
            started = &mut starting => started,
            () = stop => {
                self.client.shared().close();
                return match timeout(self.limits.shutdown_grace, starting).await {
                    Ok(Ok(())) => Ok(ControlFlow::Continue(())),
                    Ok(Err(_)) | Err(_) => {
                        tracing::warn!(jid = %self.domain, "component stopped while its modules \
                            were starting");
                        Ok(ControlFlow::Break(()))
                    }
                };
            }
        };
        started.map(ControlFlow::Continue).map_err(RunError::start)
    }

    /// Returns the server to connect to. A reload may have changed it.
    fn target(&self) -> Target {
        self.target
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    async fn attempt(&mut self, stop: &mut Stop, mounted: &mut bool) -> Result<Attempt, RunError> {
        let target = self.target();
        self.log.attempt();
        let opened = tokio::select! {
            () = &mut *stop => return Ok(Attempt::Stopped),
            opened = open(&target, &self.domain, &self.limits) => opened,
        };
        let (io, reader) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                return Ok(Attempt::Failed { error, held: None });
            }
        };
        *mounted = true;
        let since = Instant::now();
        // At the start of the new connection rather than the end of the last one, because queued
        // replies have aged in between.
        self.outbox.restart(
            &self.client.shared().pending,
            self.limits.reply_max_age,
            &self.counters,
        );
        self.counters.connected.inc();
        self.log.mounted(&self.domain, &target.server);
        // Before the status is published, because watchers may send requests immediately.
        self.client.shared().pending.connect();
        if let Some(observer) = self.client.shared().observer.get() {
            observer.connected();
        }
        self.status.send_replace(Status::Mounted {
            live: self.keepalive.shortest().is_none(),
        });
        self.modules.online(&self.client).await;
        let ended = match guarded(self.serve(io, reader, stop)).await {
            Ok(ended) => ended,
            // The stream is closed, and what was queued is sent on the next one.
            Err(why) => {
                self.counters.task_failures.inc();
                tracing::error!(jid = %self.domain, task = "connection", why, "background task \
                    failed; please report this");
                Ended::Lost(LinkError::Panicked(why))
            }
        };
        // Already done, unless it has panicked.
        self.dispatch.detach();
        self.counters.gauges.set_keepalive(None);
        self.counters
            .gauges
            .set(self.dispatch.load(), self.outbox.len());
        if let Ended::Lost(error) = &ended {
            self.outbox.connection_lost(error, &self.counters);
        }
        let shared = self.client.shared();
        let failed = shared.pending.disconnect();
        shared.queue.forget_requests();
        self.modules.offline(self.limits.shutdown_grace).await;
        if failed > 0 {
            tracing::info!(jid = %self.domain, requests = failed, "pending requests failed; \
                connection closed");
        }
        match ended {
            Ended::Stopped => Ok(Attempt::Stopped),
            Ended::Lost(error) => Ok(Attempt::Failed {
                error,
                held: Some(since.elapsed()),
            }),
            Ended::Service(error) => Err(RunError::service("service failed permanently", error)),
        }
    }

    async fn serve(
        &mut self,
        io: crate::connection::Io,
        reader: campanile_stanza::reader::Reader,
        stop: &mut Stop,
    ) -> Ended {
        let status = &self.status;
        let domain = &self.domain;
        let route = move |route| {
            status.send_if_modified(|status| {
                let now = Status::Mounted {
                    live: route == Route::Live,
                };
                let changed = *status != now;
                if changed {
                    log_readiness(domain, now.is_ready());
                }
                *status = now;
                changed
            });
        };
        let parts = Parts {
            dispatch: &mut self.dispatch,
            outbox: &mut self.outbox,
            keepalive: &mut self.keepalive,
            client: &self.client,
            limits: &self.limits,
            counters: &self.counters,
            route: &route,
        };
        let modules = &self.modules;
        let client = &self.client;
        let within = self.limits.shutdown_grace / 2;
        // The connection is still served while modules run `leave`, and is drained only afterward.
        let leaving = async move {
            stop.await;
            modules.leave(client, within).await;
            say_farewell(client, within).await;
        };
        Link::new(io, reader, parts).run(pin!(leaving)).await
    }
}

/// Sends the last stanzas of what observes the stream.
async fn say_farewell(client: &Client, within: Duration) {
    let Some(observer) = client.shared().observer.get() else {
        return;
    };
    let all = async {
        for stanza in observer.farewell() {
            if let Err(error) = client.send(stanza).await {
                tracing::warn!(jid = %client.domain(), %error, "last presence not sent");
                return;
            }
        }
    };
    if timeout(within, all).await.is_err() {
        tracing::warn!(jid = %client.domain(), "last presence not sent in time");
    }
}

/// Releases everything that waits for the component, also if it is dropped.
impl Drop for Runner {
    fn drop(&mut self) {
        self.client.shared().close();
        self.status.send_replace(Status::Ended);
    }
}

fn log_readiness(jid: &BareJid, ready: bool) {
    if ready {
        tracing::info!(%jid, "ready; the route through the server is confirmed");
    } else {
        tracing::warn!(%jid, "not ready; the route through the server is not confirmed in time");
    }
}

async fn open(
    target: &Target,
    domain: &BareJid,
    limits: &Limits,
) -> Result<(crate::connection::Io, campanile_stanza::reader::Reader), LinkError> {
    let mut io = timeout(limits.connect_timeout, (target.connect)())
        .await
        .map_err(|_| LinkError::TimedOut("connecting timed out"))??;
    let bounds = ReaderLimits {
        max_stanza: limits.max_stanza_in.max(10_000),
        max_depth: limits.max_depth,
    };
    let reader = handshake::open(
        &mut io,
        domain,
        &target.secret,
        bounds,
        limits.connect_timeout,
    )
    .await?;
    Ok((io, reader))
}

pub(super) fn watch() -> (Watch, watch::Receiver<Status>) {
    watch::channel(Status::Connecting)
}
