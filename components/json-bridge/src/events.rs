//! The feed of events sent to bots. Each reader resumes from its own cursor.

use std::collections::VecDeque;
use std::sync::Arc;

use campanile::error::BoxError;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::clock;
use crate::outbox::{Event, Kept, Outbox, PAGE_BYTES};

/// Maximum number of events per page.
const PAGE: usize = 100;
/// Maximum size of an in-memory feed, in bytes.
const MAX_BYTES: usize = 32 * 1024 * 1024;

/// A feed of events, stored in the outbox or, without an outbox, in memory.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    storage: Storage,
}

#[derive(Debug, Clone)]
enum Storage {
    Disk(Outbox),
    Memory(Arc<MemoryFeed>),
}

#[derive(Debug)]
struct MemoryFeed {
    events: Mutex<Buffer>,
    keep: usize,
    latest: watch::Sender<i64>,
}

#[derive(Debug, Default)]
struct Buffer {
    events: VecDeque<Event>,
    bytes: usize,
}

/// A page of events.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) events: Vec<Event>,
    /// The oldest event that is still kept, or else the next one, if events after the cursor were
    /// dropped before they were read, or if the cursor is not of this feed.
    pub(crate) gap: Option<i64>,
}

impl Feed {
    pub(crate) fn new(outbox: Option<Outbox>, keep: usize) -> Self {
        let memory = || {
            Storage::Memory(Arc::new(MemoryFeed {
                events: Mutex::default(),
                keep,
                latest: watch::Sender::new(clock::first_event()),
            }))
        };
        Self {
            storage: outbox.map_or_else(memory, Storage::Disk),
        }
    }

    /// Returns `true` if events are kept at all.
    pub(crate) fn is_read(&self) -> bool {
        match &self.storage {
            Storage::Disk(_) => true,
            Storage::Memory(ring) => ring.keep > 0,
        }
    }

    /// Adds an event to an in-memory feed. The outbox adds events on disk itself.
    pub(crate) fn publish(&self, event: Event) {
        let Storage::Memory(ring) = &self.storage else {
            return;
        };
        if ring.keep == 0 {
            return;
        }
        let mut kept = ring.events.lock();
        let seq = *ring.latest.borrow() + 1;
        kept.bytes += event.json.len();
        kept.events.push_back(Event { seq, ..event });
        // Readers that have not read the dropped events get a `gap` event.
        while kept.events.len() > ring.keep || kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.events.pop_front() else {
                break;
            };
            kept.bytes -= oldest.json.len();
        }
        ring.latest.send_replace(seq);
    }

    /// Returns the events after a cursor, of one bot or of all bots (`*`).
    pub(crate) async fn page(&self, bot: &str, after: i64) -> Result<Page, BoxError> {
        let (events, kept) = match &self.storage {
            Storage::Disk(outbox) => outbox.events(bot, after, PAGE).await?,
            Storage::Memory(ring) => {
                let events = &ring.events.lock().events;
                let wanted = |event: &&Event| event.seq > after && (bot == "*" || event.bot == bot);
                let mut bytes = 0;
                let fits = |event: &&Event| {
                    let has_room = bytes <= PAGE_BYTES;
                    bytes += event.json.len();
                    has_room
                };
                let page = events
                    .iter()
                    .filter(wanted)
                    .take(PAGE)
                    .take_while(fits)
                    .cloned()
                    .collect();
                let oldest = events.front().map(|event| event.seq);
                let latest = *ring.latest.borrow();
                (page, Kept { oldest, latest })
            }
        };
        Ok(Page {
            events,
            gap: kept.gap(after),
        })
    }

    /// Returns the cursor after which only new events follow.
    pub(crate) fn latest(&self) -> Result<i64, BoxError> {
        match &self.storage {
            Storage::Disk(outbox) => outbox.latest_event(),
            Storage::Memory(ring) => Ok(*ring.latest.borrow()),
        }
    }

    /// Returns a receiver that changes whenever events are added.
    pub(crate) fn watch(&self) -> watch::Receiver<i64> {
        match &self.storage {
            Storage::Disk(outbox) => outbox.watch_events(),
            Storage::Memory(ring) => ring.latest.subscribe(),
        }
    }
}

impl Kept {
    /// Returns where a reader with this cursor has to continue, if it has missed events. A reader
    /// with the cursor 0 asks for all that are kept.
    fn gap(self, after: i64) -> Option<i64> {
        let oldest = self.oldest.unwrap_or(self.latest.saturating_add(1));
        let is_missing = oldest > after.saturating_add(1) || after > self.latest;
        (after > 0 && is_missing).then_some(oldest)
    }
}
