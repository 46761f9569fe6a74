//! The streams of a measured process.

use std::net::TcpStream;
use std::time::Duration;

use anyhow::Result;

use crate::link::Link;
use crate::poller::Poller;
use crate::scan::Stanza;

#[derive(Debug)]
pub struct Links {
    all: Vec<Link>,
    poller: Poller,
    ready: Vec<usize>,
}

impl Links {
    pub fn new(streams: Vec<TcpStream>) -> Result<Self> {
        let mut poller = Poller::new()?;
        for stream in &streams {
            poller.add(stream)?;
        }
        Ok(Self {
            all: streams.into_iter().map(Link::new).collect(),
            poller,
            ready: Vec::new(),
        })
    }

    pub fn stream(&mut self, number: usize) -> &mut Link {
        &mut self.all[number]
    }

    /// Writes, waits, and reads from each stream that has input. Returns the number of bytes read.
    pub fn turn(
        &mut self,
        patience: Duration,
        mut take: impl FnMut(Stanza<'_>, &mut Vec<u8>),
    ) -> Result<usize> {
        for (number, link) in self.all.iter_mut().enumerate() {
            link.flush()?;
            let writing = !link.is_flushed();
            self.poller.set_writing(number, link.socket(), writing)?;
        }
        self.poller.wait(patience, &mut self.ready)?;
        let mut read = 0;
        for number in self.ready.drain(..) {
            read += self.all[number].read(&mut take)?;
        }
        Ok(read)
    }
}
