//! The queue of handlers that have woken, shared by their wakers and the connection's task.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

/// The slots whose handlers have woken and have not been polled since, each once.
#[derive(Debug, Default)]
pub(super) struct WakeQueue(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    slots: VecDeque<usize>,
    /// The waker of the connection while it waits. The first handler that wakes takes it.
    connection: Option<Waker>,
}

impl WakeQueue {
    /// Moves all slots to `batch`, which is empty.
    pub(super) fn take(&self, batch: &mut VecDeque<usize>) {
        std::mem::swap(&mut self.lock().slots, batch);
    }

    /// Returns `true` if a handler has woken. Otherwise the next one wakes the connection.
    pub(super) fn is_woken(&self, connection: &Waker) -> bool {
        let mut queue = self.lock();
        if !queue.slots.is_empty() {
            return true;
        }
        match &mut queue.connection {
            Some(waker) => waker.clone_from(connection),
            none => *none = Some(connection.clone()),
        }
        false
    }

    fn push(&self, slot: usize) {
        let mut queue = self.lock();
        queue.slots.push_back(slot);
        let connection = queue.connection.take();
        drop(queue);
        if let Some(waker) = connection {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // No code that can panic runs under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The waker of one slot.
#[derive(Debug)]
pub(super) struct SlotWaker {
    slot: usize,
    is_queued: AtomicBool,
    queue: Arc<WakeQueue>,
}

impl SlotWaker {
    pub(super) fn new(slot: usize, queue: &Arc<WakeQueue>) -> Arc<Self> {
        Arc::new(Self {
            slot,
            is_queued: AtomicBool::new(false),
            queue: Arc::clone(queue),
        })
    }

    /// Records that the slot was taken from the queue, before its handler is polled: a wake during
    /// the poll queues it again.
    pub(super) fn taken(&self) {
        // Acquire, to see what was written before the wake. A swap, because a wake that finds the
        // slot queued writes nothing that a plain store could be ordered after.
        self.is_queued.swap(false, Ordering::AcqRel);
    }
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            self.queue.push(self.slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct WasWoken(AtomicBool);

    impl Wake for WasWoken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn slot_is_queued_once_until_it_is_taken() {
        let queue = Arc::new(WakeQueue::default());
        let slots = [0, 1].map(|slot| SlotWaker::new(slot, &queue));
        let mut batch = VecDeque::new();
        for slot in [1, 0, 1, 1, 0] {
            slots[slot].wake_by_ref();
        }
        queue.take(&mut batch);
        assert_eq!(batch, [1, 0]);
        batch.clear();
        slots[1].taken();
        slots[0].wake_by_ref();
        slots[1].wake_by_ref();
        queue.take(&mut batch);
        assert_eq!(batch, [1]);
    }

    #[test]
    fn first_wake_after_the_queue_was_empty_wakes_the_connection() {
        let queue = Arc::new(WakeQueue::default());
        let slot = SlotWaker::new(0, &queue);
        let connection = Arc::new(WasWoken::default());
        let waker = Waker::from(Arc::clone(&connection));
        let was_woken = || connection.0.swap(false, Ordering::Relaxed);
        assert!(!queue.is_woken(&waker));
        assert!(!was_woken());
        slot.wake_by_ref();
        assert!(was_woken());
        assert!(queue.is_woken(&waker));
        queue.take(&mut VecDeque::new());
        slot.taken();
        slot.wake_by_ref();
        assert!(!was_woken(), "the connection did not wait");
    }
}
