//! Rooms, and who has them when.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// A room.
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

/// When a room can be had.
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

/// One line of the list.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    day: Day,
    room: &'static str,
    who: String,
    note: Option<String>,
}

/// Who has which room when. It cannot grow: there are so many rooms and days.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calendar(Arc<Mutex<BTreeMap<(Day, &'static str), Entry>>>);

impl Calendar {
    /// The rooms with so many seats that nobody has then.
    pub(crate) fn free(&self, day: Day, people: u8) -> Vec<Room> {
        let entries = self.entries();
        ROOMS
            .into_iter()
            .filter(|room| room.seats >= people && !entries.contains_key(&(day, room.name)))
            .collect()
    }

    /// Books a room; false when somebody else has it.
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

    /// All bookings, by day and room.
    pub(crate) fn bookings(&self) -> Vec<Entry> {
        self.entries().values().cloned().collect()
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<(Day, &'static str), Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
