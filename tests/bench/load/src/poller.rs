//! Waits for many sockets at once (epoll).

use std::fmt;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use anyhow::Result;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

/// Events per call: more than the busiest peers have at once.
const EVENTS: usize = 1024;

pub struct Poller {
    epoll: OwnedFd,
    events: Vec<Event>,
    /// Sockets that also wait for write capacity, by number.
    writing: Vec<bool>,
}

impl Poller {
    pub fn new() -> Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(EVENTS),
            writing: Vec::new(),
        })
    }

    /// Adds a socket, and returns its number. Numbers count from zero.
    pub fn add(&mut self, socket: impl AsFd) -> Result<usize> {
        let number = self.writing.len();
        epoll::add(&self.epoll, socket, data(number), EventFlags::IN)?;
        self.writing.push(false);
        Ok(number)
    }

    /// Sets if the socket also waits for write capacity.
    pub fn set_writing(&mut self, number: usize, socket: impl AsFd, writing: bool) -> Result<()> {
        if self.writing[number] == writing {
            return Ok(());
        }
        self.writing[number] = writing;
        let mut interest = EventFlags::IN;
        interest.set(EventFlags::OUT, writing);
        Ok(epoll::modify(&self.epoll, socket, data(number), interest)?)
    }

    /// Waits, and appends the numbers of the sockets with input or an error to `ready`.
    pub fn wait(&mut self, patience: Duration, ready: &mut Vec<usize>) -> Result<()> {
        let timeout = Timespec::try_from(patience)?;
        match epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            Some(&timeout),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
        for event in self.events.drain(..) {
            // A packed struct: its fields are copied.
            let Event { flags, data } = event;
            if flags != EventFlags::OUT {
                ready.push(data.u64() as usize);
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Poller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Poller")
            .field("sockets", &self.writing.len())
            .finish_non_exhaustive()
    }
}

fn data(number: usize) -> EventData {
    EventData::new_u64(number as u64)
}
