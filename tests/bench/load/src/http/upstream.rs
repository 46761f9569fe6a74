//! The HTTP server that measured handlers ask, in a thread of the load generator.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Result;

use crate::poller::Poller;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nbell";
const TURN: Duration = Duration::from_millis(20);
/// Longest request, in bytes.
const REQUEST: usize = 1024;

/// Answers every request until it is dropped.
#[derive(Debug)]
pub struct Upstream {
    pub port: u16,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

struct Client {
    stream: TcpStream,
    request: [u8; REQUEST],
    filled: usize,
}

impl Upstream {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = stopped.clone();
        let thread = thread::spawn(move || {
            if let Err(e) = serve(&listener, &seen) {
                eprintln!("bench: the HTTP server for handlers failed: {e:#}");
            }
        });
        Ok(Self {
            port,
            stopped,
            thread: Some(thread),
        })
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Fails only after a panic, which has been printed.
            let _ = thread.join();
        }
    }
}

fn serve(listener: &TcpListener, stopped: &AtomicBool) -> Result<()> {
    let mut poller = Poller::new()?;
    let listening = poller.add(listener)?;
    let mut clients: Vec<Option<Client>> = vec![None];
    let mut ready = Vec::new();
    while !stopped.load(Ordering::Relaxed) {
        poller.wait(TURN, &mut ready)?;
        for number in ready.drain(..) {
            if number == listening {
                accept_all(listener, &mut poller, &mut clients)?;
            } else if let Some(client) = &mut clients[number]
                && client.answer().is_err()
            {
                clients[number] = None;
            }
        }
    }
    Ok(())
}

fn accept_all(
    listener: &TcpListener,
    poller: &mut Poller,
    clients: &mut Vec<Option<Client>>,
) -> Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e.into()),
        };
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        poller.add(&stream)?;
        clients.push(Some(Client {
            stream,
            request: [0; REQUEST],
            filled: 0,
        }));
    }
}

impl Client {
    /// Reads once, and answers if the request, a GET, is complete. Fails at the end of the
    /// connection.
    fn answer(&mut self) -> std::io::Result<()> {
        match self.stream.read(&mut self.request[self.filled..]) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => self.filled += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e),
        }
        if self.request[..self.filled].ends_with(b"\r\n\r\n") {
            self.filled = 0;
            self.stream.write_all(RESPONSE)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_is_answered() {
        let upstream = Upstream::start().unwrap();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream.port)).unwrap();
        for part in [
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nhost: x\r\n\r\n",
        ] {
            stream.write_all(part.as_bytes()).unwrap();
            let mut response = [0; RESPONSE.len()];
            stream.read_exact(&mut response).unwrap();
            assert_eq!(response, RESPONSE);
        }
    }
}
