//! The open connections of a port: their number, and which of them are idle.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// Connections of all ports of this process.
static OPEN: AtomicUsize = AtomicUsize::new(0);
/// Interval of the log line for connections that were closed for others.
const LOG_INTERVAL: Duration = Duration::from_secs(60);
/// Descriptors of a process if the system does not tell: the usual limit.
const USUAL_DESCRIPTORS: usize = 1024;

/// The kind of admission of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    Regular,
    /// Serves only vital requests.
    Reserve,
}

/// The open connections of one port.
#[derive(Clone)]
pub(super) struct Connections(Arc<Shared>);

struct Shared {
    name: &'static str,
    limit: usize,
    reserve: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    regular: HashMap<u64, Entry>,
    reserved: usize,
    /// Connections closed for others or at once since the last log line.
    closed: u64,
    logged: Option<Instant>,
}

struct Entry {
    /// Requests in progress, at most one with HTTP/1.1 unless the client pipelines.
    busy: usize,
    idle_since: Instant,
    handle: Option<AbortHandle>,
}

impl Connections {
    pub(super) fn new(name: &'static str, limit: usize, reserve: usize) -> Self {
        Self(Arc::new(Shared {
            name,
            limit,
            reserve,
            table: Mutex::default(),
        }))
    }

    /// Admits a connection, and closes the oldest idle one if there are too many. Returns `None` if
    /// all are busy and the reserve is used up.
    pub(super) fn admit(&self) -> Option<Slot> {
        let shared = &self.0;
        let mut table = shared.table.lock();
        let is_full =
            table.regular.len() >= shared.limit || OPEN.load(Ordering::Relaxed) >= budget();
        let has_replaced = is_full && table.close_oldest_idle();
        if is_full && !has_replaced {
            if table.reserved >= shared.reserve {
                table.note_closed(shared.name, 1);
                return None;
            }
            table.reserved += 1;
            return Some(self.slot(Admission::Reserve, 0, false));
        }
        if has_replaced {
            table.note_closed(shared.name, 1);
        }
        let id = table.next;
        table.next += 1;
        let entry = Entry {
            busy: 0,
            idle_since: Instant::now(),
            handle: None,
        };
        table.regular.insert(id, entry);
        Some(self.slot(Admission::Regular, id, has_replaced))
    }

    fn slot(&self, admission: Admission, id: u64, has_replaced: bool) -> Slot {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Slot {
            shared: Arc::clone(&self.0),
            admission,
            id,
            has_replaced,
        }
    }

    /// Sets the task of a connection, unless it has ended already.
    pub(super) fn set_handle(&self, id: u64, handle: AbortHandle) {
        if let Some(entry) = self.0.table.lock().regular.get_mut(&id) {
            entry.handle = Some(handle);
        }
    }
}

impl Table {
    fn close_oldest_idle(&mut self) -> bool {
        let idle = self.regular.iter().filter(|(_, entry)| entry.busy == 0);
        let closable = idle.filter(|(_, entry)| entry.handle.is_some());
        let oldest = closable.min_by_key(|(_, entry)| entry.idle_since);
        let Some(id) = oldest.map(|(id, _)| *id) else {
            return false;
        };
        if let Some(handle) = self.regular.remove(&id).and_then(|entry| entry.handle) {
            handle.abort();
        }
        true
    }

    /// Counts closed connections, and logs them once per [`LOG_INTERVAL`].
    fn note_closed(&mut self, name: &str, count: u64) {
        self.closed += count;
        let is_due = self.logged.is_none_or(|at| at.elapsed() >= LOG_INTERVAL);
        if is_due && self.closed > 0 {
            self.logged = Some(Instant::now());
            let closed = std::mem::take(&mut self.closed);
            tracing::warn!(
                closed,
                "{name} has too many connections; idle ones are closed for new ones"
            );
        }
    }
}

/// The place of one connection, given back when it is dropped.
pub(super) struct Slot {
    shared: Arc<Shared>,
    admission: Admission,
    id: u64,
    has_replaced: bool,
}

impl Slot {
    /// Returns `true` if another connection was closed for this one.
    pub(super) fn has_replaced(&self) -> bool {
        self.has_replaced
    }

    pub(super) fn admission(&self) -> Admission {
        self.admission
    }

    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// Marks the connection as busy until the returned value is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        if let Some(entry) = self.shared.table.lock().regular.get_mut(&self.id) {
            entry.busy += 1;
        }
        Busy(Arc::clone(self))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        OPEN.fetch_sub(1, Ordering::Relaxed);
        let mut table = self.shared.table.lock();
        match self.admission {
            Admission::Regular => drop(table.regular.remove(&self.id)),
            Admission::Reserve => table.reserved = table.reserved.saturating_sub(1),
        }
    }
}

/// A request in progress.
pub(super) struct Busy(Arc<Slot>);

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(entry) = self.0.shared.table.lock().regular.get_mut(&self.0.id) {
            entry.busy = entry.busy.saturating_sub(1);
            entry.idle_since = Instant::now();
        }
    }
}

/// Returns the number of HTTP connections that this process may have: three quarters of its file
/// descriptors. The others are for links, stores and webhooks.
fn budget() -> usize {
    static BUDGET: OnceLock<usize> = OnceLock::new();
    *BUDGET.get_or_init(|| {
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        descriptors(&limits).unwrap_or(USUAL_DESCRIPTORS) / 4 * 3
    })
}

/// Returns the soft limit on open files in the format of `/proc/self/limits`.
fn descriptors(limits: &str) -> Option<usize> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_task(connections: &Connections) -> Arc<Slot> {
        let slot = Arc::new(connections.admit().unwrap());
        let task = tokio::spawn(std::future::pending::<()>());
        connections.set_handle(slot.id(), task.abort_handle());
        slot
    }

    #[tokio::test(start_paused = true)]
    async fn oldest_idle_connection_makes_room() {
        let connections = Connections::new("test", 2, 1);
        let first = with_task(&connections);
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = with_task(&connections);
        tokio::time::advance(Duration::from_secs(1)).await;
        // A request makes the first connection the younger one.
        drop(first.begin());
        let third = with_task(&connections);
        let known: Vec<u64> = {
            let table = connections.0.table.lock();
            let mut ids: Vec<u64> = table.regular.keys().copied().collect();
            ids.sort_unstable();
            ids
        };
        assert_eq!(known, [first.id(), third.id()]);
        assert_ne!(second.id(), third.id());

        // Only the reserve is left while all are busy.
        let busy = (first.begin(), third.begin());
        let reserve = connections.admit().unwrap();
        assert_eq!(reserve.admission(), Admission::Reserve);
        assert!(connections.admit().is_none());
        drop(reserve);
        assert_eq!(connections.admit().unwrap().admission(), Admission::Reserve);
        drop(busy);
        assert_eq!(connections.admit().unwrap().admission(), Admission::Regular);
    }

    #[test]
    fn limit_on_descriptors_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
            Max processes             1024                 1024                 processes\n\
            Max open files            4096                 524288               files\n";
        assert_eq!(descriptors(limits), Some(4096));
        assert_eq!(
            descriptors("Max open files  unlimited unlimited files"),
            None
        );
    }
}
