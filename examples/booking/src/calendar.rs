//! Rooms and their bookings.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// A room that can be booked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    seats: u8,
}

const ROOMS: [Room; 3] = [
    Room {
        name: "attic",
        about: "The attic, for four",
        seats: 4,
    },
    Room {
        name: "library",
        about: "The library, for eight",
        seats: 8,
    },
    Room {
        name: "hall",
        about: "The hall, for forty",
        seats: 40,
    },
];

/// Weekday of a booking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Day {
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One booking.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    day: Day,
    room: &'static str,
    who: String,
    note: Option<String>,
}

/// All bookings. Bounded by the number of rooms and days.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calendar(Arc<Mutex<BTreeMap<(Day, &'static str), Entry>>>);

impl Calendar {
    /// Returns the rooms that are free on a day and have enough seats.
    pub(crate) fn free(&self, day: Day, people: u8) -> Vec<Room> {
        let entries = self.entries();
        ROOMS
            .into_iter()
            .filter(|room| room.seats >= people && !entries.contains_key(&(day, room.name)))
            .collect()
    }

    /// Books a room. Returns `false` if it is already taken.
    pub(crate) fn take(&self, day: Day, room: &Room, who: String, note: Option<String>) -> bool {
        let mut entries = self.entries();
        if entries.contains_key(&(day, room.name)) {
            return false;
        }
        entries.insert(
            (day, room.name),
            Entry {
                day,
                room: room.name,
                who,
                note,
            },
        );
        true
    }

    /// Returns all bookings, ordered by day and room.
    pub(crate) fn bookings(&self) -> Vec<Entry> {
        self.entries().values().cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<(Day, &'static str), Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
