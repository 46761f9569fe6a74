//! Everything that depends only on time: limits, gauges, and the next ping.

use std::task::Context;

use tokio::time::{Duration, Instant, Interval, MissedTickBehavior};
use tower_service::Service;

use super::shutdown::NOT_CLOSED;
use super::{Link, Phase, Route};
use crate::connection::keepalive::Due;
use crate::error::{BoxError, LinkError};
use crate::handler::ReplyFuture;
use crate::inbound::Inbound;
use crate::limits::Limits;
use crate::reply::Reply;

impl<S> Link<'_, S>
where
    S: Service<Inbound, Response = Reply, Error = BoxError, Future = ReplyFuture>,
{
    /// Handles everything that depends only on time.
    pub(super) fn tick(&mut self, cx: &mut Context<'_>) -> Result<(), LinkError> {
        self.now = Instant::now();
        self.parts.outbox.tick(self.now);
        self.parts
            .counters
            .gauges
            .set(self.parts.dispatch.load(), self.parts.outbox.len());
        match self.phase {
            Phase::Draining(deadline) if self.now >= deadline => {
                let (running, waiting) = self.parts.dispatch.load();
                tracing::warn!(
                    running,
                    waiting,
                    "shutdown grace period expired; remaining stanzas are rejected"
                );
                self.parts.dispatch.abort(self.parts.outbox);
                self.close();
            }
            Phase::Closing(deadline) if self.now >= deadline => return Err(NOT_CLOSED),
            _ => {}
        }
        if self
            .stalled
            .is_some_and(|since| self.now.duration_since(since) >= self.parts.limits.write_stall)
        {
            return Err(LinkError::Stalled);
        }
        if self.phase != Phase::Running {
            return Ok(());
        }
        if self.paused {
            // Nothing is being read, so silence says nothing about the route.
            self.parts.keepalive.heard(self.now);
        }
        self.parts
            .counters
            .gauges
            .set_keepalive(Some(self.parts.keepalive.last_heard()));
        if self.parts.keepalive.is_doubtful(self.now) {
            (self.parts.route)(Route::Doubtful);
        }
        let outbox = &self.parts.outbox;
        match self
            .parts
            .keepalive
            .tick(self.now, outbox.position(), outbox.awaits_round_trip())
        {
            Due::Nothing => {}
            Due::Ping => {
                self.ping();
                cx.waker().wake_by_ref();
            }
            Due::Doubt => (self.parts.route)(Route::Doubtful),
            Due::GiveUp => return Err(LinkError::NoRoute),
        }
        Ok(())
    }
}

/// Creates the timer of a connection: fine enough for its shortest limit, and at most one wake per
/// second when idle.
pub(super) fn timer(limits: &Limits, fresh: Option<Duration>) -> Interval {
    let bounds = [
        limits.keepalive,
        limits.keepalive_deadline,
        limits.shutdown_grace,
        limits.write_stall,
    ];
    let period = bounds.into_iter().chain(fresh).min().unwrap_or_default() / 10;
    let mut timer =
        tokio::time::interval(period.clamp(Duration::from_millis(5), Duration::from_secs(1)));
    timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
    timer
}
