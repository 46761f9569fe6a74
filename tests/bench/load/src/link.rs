//! The stream to the component: one thread, one non-blocking socket, batched writes.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::scan::{self, Found, Stanza};

/// High-water mark of the output buffer, in bytes. No stanzas are rendered above it.
const OUT_MARK: usize = 256 * 1024;
/// Read size in bytes: small enough that new stanzas are sent before all replies are processed.
const CHUNK: usize = 64 * 1024;

/// Waits for input of any of the links, or until those with output can write.
pub fn wait_for_any(links: &[Link], patience: Duration) -> Result<()> {
    let mut all: Vec<_> = links
        .iter()
        .map(|link| PollFd::new(&link.stream, link.interest(true)))
        .collect();
    wait_for(&mut all, patience)
}

fn wait_for(all: &mut [PollFd<'_>], patience: Duration) -> Result<()> {
    let timeout = Timespec::try_from(patience)?;
    match poll(all, Some(&timeout)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

#[derive(Debug)]
pub struct Link {
    stream: TcpStream,
    pub out: Vec<u8>,
    written: usize,
    input: Vec<u8>,
    filled: usize,
    pub bytes_in: u64,
}

impl Link {
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            out: Vec::with_capacity(2 * OUT_MARK),
            written: 0,
            input: vec![0; 4 * CHUNK],
            filled: 0,
            bytes_in: 0,
        }
    }

    pub fn socket(&self) -> &TcpStream {
        &self.stream
    }

    pub fn has_room(&self) -> bool {
        self.out.len() - self.written < OUT_MARK
    }

    pub fn is_flushed(&self) -> bool {
        self.written == self.out.len()
    }

    /// Writes as much as the socket accepts.
    pub fn flush(&mut self) -> Result<()> {
        while !self.is_flushed() {
            match self.stream.write(&self.out[self.written..]) {
                Ok(0) => bail!("the component's socket accepts no data"),
                Ok(n) => self.written += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) => return Err(e.into()),
            }
        }
        if self.is_flushed() {
            self.out.clear();
            self.written = 0;
        } else if self.written > OUT_MARK {
            self.out.drain(..self.written);
            self.written = 0;
        }
        Ok(())
    }

    /// Waits for input (if `reading`) or for write capacity.
    pub fn wait(&self, reading: bool, patience: Duration) -> Result<()> {
        let own = PollFd::new(&self.stream, self.interest(reading));
        wait_for(&mut [own], patience)
    }

    fn interest(&self, reading: bool) -> PollFlags {
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::IN, reading);
        interest.set(PollFlags::OUT, !self.is_flushed());
        interest
    }

    /// Reads once and passes every complete stanza to `take`, with the output buffer.
    pub fn read(&mut self, mut take: impl FnMut(Stanza<'_>, &mut Vec<u8>)) -> Result<usize> {
        self.read_bytes(|bytes, out| {
            let mut at = 0;
            loop {
                match scan::first(&bytes[at..]) {
                    Found::Stanza(stanza, end) => {
                        take(stanza, out);
                        at += end;
                    }
                    Found::Partial => return Ok(at),
                    Found::End => bail!("the component closed its stream"),
                    Found::Nonsense => {
                        let wrote = String::from_utf8_lossy(&bytes[at..]);
                        bail!("the component wrote: {wrote}")
                    }
                }
            }
        })
    }

    /// Reads once and passes all unused input to `take`, with the output buffer. It returns the
    /// number of bytes that it has used.
    pub fn read_bytes(
        &mut self,
        take: impl FnOnce(&[u8], &mut Vec<u8>) -> Result<usize>,
    ) -> Result<usize> {
        if self.input.len() - self.filled < CHUNK {
            self.input.resize(self.filled + 4 * CHUNK, 0);
        }
        let got = match self
            .stream
            .read(&mut self.input[self.filled..self.filled + CHUNK])
        {
            Ok(0) => bail!("the component closed its socket"),
            Ok(n) => n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(0),
            Err(e) => return Err(e.into()),
        };
        self.filled += got;
        self.bytes_in += got as u64;
        let used = take(&self.input[..self.filled], &mut self.out)?;
        self.input.copy_within(used..self.filled, 0);
        self.filled -= used;
        Ok(got)
    }
}
