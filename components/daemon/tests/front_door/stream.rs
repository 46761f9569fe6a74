//! The server's side of a component stream, for load and crash tests.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::{Duration, Instant};

/// The server's side of one stream.
pub(crate) struct Stream {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Stream {
    /// Accepts the connection and the handshake of a component for this domain.
    pub(crate) fn open(listener: &TcpListener, domain: &str) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut this = Self {
            stream,
            read: Vec::new(),
        };
        this.until(&format!("to='{domain}'>"));
        this.write(
            "<stream:stream xmlns='jabber:component:accept' \
            xmlns:stream='http://etherx.jabber.org/streams' id='1'>",
        );
        this.until("</handshake>");
        this.write("<handshake/>");
        this
    }

    /// Closes the connection.
    pub(crate) fn close(&self) {
        // The peer may have closed it already.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    pub(crate) fn write(&mut self, text: &str) {
        // The component may have been killed.
        let _ = self.stream.write_all(text.as_bytes());
    }

    /// Reads up to and including `end`, and returns it.
    pub(crate) fn until(&mut self, end: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self
                .read
                .windows(end.len())
                .position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let taken = self.read.drain(..at + end.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            assert!(
                self.more() && Instant::now() < deadline,
                "no {end} in {}",
                String::from_utf8_lossy(&self.read)
            );
        }
    }

    /// Reads available data. Returns `false` at the end of the stream.
    pub(crate) fn more(&mut self) -> bool {
        let mut chunk = [0; 65_536];
        match self.stream.read(&mut chunk) {
            Ok(count) if count > 0 => self.read.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            _ => return false,
        }
        true
    }

    /// Returns the numbers of the complete receipts, and the count of errors.
    pub(crate) fn answers(&mut self) -> (Vec<u32>, usize) {
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let Some(end) = text.rfind("</message>") else {
            return (Vec::new(), 0);
        };
        let whole = &text[..end + "</message>".len()];
        self.read.drain(..whole.len());
        let receipts = whole.split("<received ").skip(1);
        let number = |text: &str| text.split("id='m").nth(1)?.split('\'').next()?.parse().ok();
        (
            receipts.filter_map(number).collect(),
            whole.matches("type='error'").count(),
        )
    }
}
