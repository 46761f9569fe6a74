//! What was sent to bots, as a feed that is read by many, each from where it left off.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use campanile::error::BoxError;
use tokio::sync::watch;

use crate::outbox::{Event, Outbox, PAGE_BYTES};

/// Events read at a time.
const PAGE: usize = 100;
/// Most bytes that a feed in memory holds.
const MOST_BYTES: usize = 32 * 1024 * 1024;

/// The feed: in the outbox where there is one, else in memory.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    place: Place,
}

#[derive(Debug, Clone)]
enum Place {
    Disk(Outbox),
    Memory(Arc<Ring>),
}

#[derive(Debug)]
struct Ring {
    events: Mutex<Kept>,
    keep: usize,
    latest: watch::Sender<i64>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<Event>,
    bytes: usize,
}

/// One page of the feed.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: Vec<Event>,
    /// Events behind the cursor were dropped before they were read: the oldest that is there.
    pub(crate) gap: Option<i64>,
}

impl Feed {
    pub(crate) fn new(outbox: Option<Outbox>, keep: usize) -> Self {
        let memory = || {
            Place::Memory(Arc::new(Ring {
                events: Mutex::default(),
                keep,
                latest: watch::Sender::new(0),
            }))
        };
        Self {
            place: outbox.map_or_else(memory, Place::Disk),
        }
    }

    /// Whether anybody can read it.
    pub(crate) fn is_read(&self) -> bool {
        match &self.place {
            Place::Disk(_) => true,
            Place::Memory(ring) => ring.keep > 0,
        }
    }

    /// Adds an event to a feed in memory; on disk the outbox does that itself.
    pub(crate) fn publish(&self, event: Event) {
        let Place::Memory(ring) = &self.place else {
            return;
        };
        if ring.keep == 0 {
            return;
        }
        let mut kept = ring.events.lock().unwrap_or_else(PoisonError::into_inner);
        let seq = *ring.latest.borrow() + 1;
        kept.bytes += event.json.len();
        kept.events.push_back(Event { seq, ..event });
        // Who has not read them is told of the gap.
        while kept.events.len() > ring.keep || kept.bytes > MOST_BYTES {
            let Some(oldest) = kept.events.pop_front() else {
                break;
            };
            kept.bytes -= oldest.json.len();
        }
        ring.latest.send_replace(seq);
    }

    /// The events behind a cursor, of one bot or of all (`*`).
    pub(crate) async fn page(&self, bot: &str, after: i64) -> Result<Page, BoxError> {
        let (events, oldest) = match &self.place {
            Place::Disk(outbox) => {
                let outbox = outbox.clone();
                let bot = bot.to_owned();
                tokio::task::spawn_blocking(move || outbox.events(&bot, after, PAGE)).await??
            }
            Place::Memory(ring) => {
                let events = &ring
                    .events
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .events;
                let wanted = |event: &&Event| event.seq > after && (bot == "*" || event.bot == bot);
                let mut bytes = 0;
                let fits = |event: &&Event| {
                    let begun = bytes <= PAGE_BYTES;
                    bytes += event.json.len();
                    begun
                };
                let page = events
                    .iter()
                    .filter(wanted)
                    .take(PAGE)
                    .take_while(fits)
                    .cloned()
                    .collect();
                (page, events.front().map_or(0, |event| event.seq))
            }
        };
        Ok(Page {
            events,
            gap: (oldest > after + 1).then_some(oldest),
        })
    }

    /// The cursor of who wants only what comes from now on.
    pub(crate) fn latest(&self) -> Result<i64, BoxError> {
        match &self.place {
            Place::Disk(outbox) => outbox.latest_event(),
            Place::Memory(ring) => Ok(*ring.latest.borrow()),
        }
    }

    /// Changes whenever there are more.
    pub(crate) fn watch(&self) -> watch::Receiver<i64> {
        match &self.place {
            Place::Disk(outbox) => outbox.watch_events(),
            Place::Memory(ring) => ring.latest.subscribe(),
        }
    }
}
