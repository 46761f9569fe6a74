//! The task that keeps a component in its rooms: it pings itself in each (XEP-0410), and enters
//! again where it is not inside any more.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Duration, Instant, sleep_until};
use xmpp_parsers::ping::Ping;

use super::JoinError;
use super::change::{Removal, RoomState};
use super::entry::enter;
use super::plan::{Plan, SILENCE, jittered};
use super::registry::Rooms;
use super::self_ping::{self, Presence};
use super::session::Session;
use crate::client::{Client, IqError, IqRequest, Shared};
use crate::error::BoxError;
use crate::supervise::{Supervised, supervise};

/// The number of requests to one service that wait for their answers.
const PER_SERVICE: usize = 8;
/// The delay after the first failure of a service or a room. It doubles up to the longest.
const FIRST_DELAY: Duration = Duration::from_secs(2);
const LONGEST_DELAY: Duration = Duration::from_secs(5 * 60);
/// The time until the next look if nothing is planned.
const IDLE: Duration = Duration::from_secs(24 * 60 * 60);

/// Starts the task. It ends with the component.
pub(super) fn start(rooms: Weak<Rooms>, client: &Client) -> Supervised {
    let shared = Arc::downgrade(client.shared());
    supervise("rooms", move || {
        let keeper = Keeper {
            rooms: Weak::clone(&rooms),
            client: Weak::clone(&shared),
            services: HashMap::new(),
            streams: 0,
            running: JoinSet::new(),
        };
        keeper.run()
    })
}

struct Keeper {
    rooms: Weak<Rooms>,
    client: Weak<Shared>,
    services: HashMap<String, Service>,
    /// The number of streams when the services were looked at last.
    streams: u64,
    running: JoinSet<Finished>,
}

/// The state of one service of rooms.
#[derive(Debug, Default)]
struct Service {
    running: usize,
    failures: u32,
    /// Nothing is sent to it before this time.
    waits_until: Option<Instant>,
}

/// The end of a request.
struct Finished {
    service: String,
    is_reachable: bool,
}

impl Keeper {
    async fn run(mut self) -> Result<(), BoxError> {
        let changed = match self.rooms.upgrade() {
            Some(rooms) => {
                // The task may have failed before, with requests under way.
                for session in rooms.all() {
                    session.is_busy.store(false, Ordering::Relaxed);
                }
                Arc::clone(&rooms.changed)
            }
            None => return Ok(()),
        };
        while let Some(next) = self.start_due() {
            self.wait(&changed, next).await?;
        }
        Ok(())
    }

    async fn wait(&mut self, changed: &Notify, next: Instant) -> Result<(), BoxError> {
        tokio::select! {
            () = changed.notified() => {}
            () = sleep_until(next) => {}
            Some(finished) = self.running.join_next() => self.finish(&finished?),
        }
        while let Some(finished) = self.running.try_join_next() {
            self.finish(&finished?);
        }
        Ok(())
    }

    /// Starts the requests that are due. Returns the time of the next one, or `None` at the end of
    /// the component.
    fn start_due(&mut self) -> Option<Instant> {
        let rooms = self.rooms.upgrade()?;
        let client = Client::of(self.client.upgrade()?);
        if rooms.is_closed() {
            return None;
        }
        self.look_at_stream(rooms.streams.load(Ordering::Relaxed));
        let now = Instant::now();
        let mut next = now + IDLE;
        for session in rooms.all() {
            let Some(due) = due(&session, now) else {
                continue;
            };
            if due > now {
                next = next.min(due);
            } else {
                self.start_request(&client, &session, now, &mut next);
            }
        }
        Some(next)
    }

    /// Forgets the failures of services on another stream.
    fn look_at_stream(&mut self, streams: u64) {
        if streams != std::mem::replace(&mut self.streams, streams) {
            self.services.retain(|_, service| service.running > 0);
            for service in self.services.values_mut() {
                service.failures = 0;
                service.waits_until = None;
            }
        }
    }

    fn start_request(
        &mut self,
        client: &Client,
        session: &Arc<Session>,
        now: Instant,
        next: &mut Instant,
    ) {
        let name = session.room.domain().as_str();
        let service = self.services.entry(name.to_owned()).or_default();
        if let Some(until) = service.waits_until.filter(|until| *until > now) {
            *next = (*next).min(until);
            return;
        }
        // The end of another request wakes the task.
        if service.running >= PER_SERVICE {
            return;
        }
        service.running += 1;
        session.is_busy.store(true, Ordering::Relaxed);
        let client = client.clone();
        let session = Arc::clone(session);
        let service = name.to_owned();
        let rooms = Weak::clone(&self.rooms);
        self.running.spawn(async move {
            let is_reachable = act(&session, &client).await;
            session.is_busy.store(false, Ordering::Relaxed);
            if let Some(rooms) = rooms.upgrade()
                && matches!(session.state(), RoomState::Removed(_))
            {
                rooms.remove(&session);
            }
            Finished {
                service,
                is_reachable,
            }
        });
    }

    fn finish(&mut self, finished: &Finished) {
        let Some(service) = self.services.get_mut(&finished.service) else {
            return;
        };
        service.running -= 1;
        if finished.is_reachable {
            service.failures = 0;
            service.waits_until = None;
        } else if service
            .waits_until
            .is_none_or(|until| until <= Instant::now())
        {
            service.waits_until = Some(Instant::now() + back_off(service.failures));
            service.failures += 1;
        }
        if service.running == 0 && service.failures == 0 {
            self.services.remove(&finished.service);
        }
    }
}

/// Returns the time at which something has to be done for a visit.
fn due(session: &Session, now: Instant) -> Option<Instant> {
    if session.is_busy.load(Ordering::Relaxed) {
        return None;
    }
    match session.plan() {
        Plan::Nothing => None,
        Plan::Leave => Some(now),
        Plan::Join(at) => Some(at),
        Plan::Ping(at) => {
            let quiet_since = session.heard();
            if at <= now && now.duration_since(quiet_since) < SILENCE / 2 {
                session.set_plan(Plan::ping_after(quiet_since));
            }
            match session.plan() {
                Plan::Ping(at) | Plan::Join(at) => Some(at),
                Plan::Nothing | Plan::Leave => Some(now),
            }
        }
    }
}

/// Does what is planned for a visit. Returns `false` if the service cannot be reached.
async fn act(session: &Session, client: &Client) -> bool {
    match session.plan() {
        Plan::Nothing => true,
        Plan::Leave => leave(session, client).await,
        Plan::Join(_) => enter_again(session, client).await,
        Plan::Ping(_) => ping(session, client).await,
    }
}

async fn leave(session: &Session, client: &Client) -> bool {
    session.set_plan(Plan::Nothing);
    if let Ok(leaving) = session.leaving()
        && let Err(error) = client.send(leaving).await
    {
        tracing::debug!(room = %session.room, %error, "presence that leaves a room not sent");
    }
    true
}

async fn ping(session: &Session, client: &Client) -> bool {
    let answer = match session.occupant_jid(&session.nick()) {
        Ok(occupant) => match IqRequest::get(occupant, &Ping) {
            Ok(request) => client
                .request(request.with_from(session.own.clone()))
                .await
                .map(drop),
            Err(error) => Err(error.into()),
        },
        Err(error) => Err(IqError::from(error)),
    };
    match self_ping::read(&answer) {
        Presence::Inside => session.set_plan(Plan::ping_after(Instant::now())),
        Presence::Outside => {
            tracing::info!(room = %session.room, own = %session.own, "no longer in the room; \
                entering it again");
            session.lost();
        }
        Presence::Unknown => {
            session.set_plan(Plan::Ping(Instant::now()));
            return false;
        }
    }
    true
}

async fn enter_again(session: &Session, client: &Client) -> bool {
    let Err(error) = enter(session, client).await else {
        session.failures.store(0, Ordering::Relaxed);
        tracing::info!(room = %session.room, own = %session.own, "in the room again");
        return true;
    };
    if matches!(session.state(), RoomState::Removed(_)) {
        return true;
    }
    tracing::warn!(room = %session.room, own = %session.own, %error, "not in the room");
    if !error.is_temporary() {
        session.end(Removal::Refused(Arc::new(error)));
        return true;
    }
    if matches!(error, JoinError::Unreachable(_) | JoinError::Timeout) {
        session.set_plan(Plan::Join(Instant::now()));
        return false;
    }
    let failures = session.failures.fetch_add(1, Ordering::Relaxed);
    session.set_plan(Plan::Join(Instant::now() + back_off(failures)));
    true
}

fn back_off(failures: u32) -> Duration {
    let delay = FIRST_DELAY.saturating_mul(1 << failures.min(16));
    jittered(delay.min(LONGEST_DELAY))
}
