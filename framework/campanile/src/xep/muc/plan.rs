//! The next action for a room without a stanza from it.

use std::hash::{BuildHasher, RandomState};

use tokio::time::{Duration, Instant};

/// The time without a stanza of a room after which the component pings itself in it.
pub(super) const SILENCE: Duration = Duration::from_secs(5 * 60);

/// The next action without a stanza of the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nothing: the visit has not begun, or is over.
    Nothing,
    /// Enter the room, not before this time.
    Join(Instant),
    /// Tell the room that the component is not inside, although its answer is not known.
    Leave,
    /// Find out whether the component is still inside, unless the room has been heard by then.
    Ping(Instant),
}

impl Plan {
    /// Returns the plan of a visit in which the room was heard at this time.
    pub(super) fn ping_after(heard: Instant) -> Self {
        Self::Ping(heard + jittered(SILENCE))
    }
}

/// Returns a time that differs by up to a quarter, so that not all rooms are asked at once.
pub(super) fn jittered(time: Duration) -> Duration {
    // A new hasher is randomly seeded, and 32 bits are represented exactly in an `f64`.
    let random = RandomState::new().hash_one(0u8) >> 32;
    let share = f64::from(u32::try_from(random).unwrap_or(u32::MAX)) / f64::from(u32::MAX);
    time.mul_f64(0.75 + 0.5 * share)
}
