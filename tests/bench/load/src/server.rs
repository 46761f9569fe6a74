//! Server side of the XEP-0114 handshake.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Child;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sha1::{Digest, Sha1};

pub const JID: &str = "echo.localhost";
pub const SECRET: &str = "s3cr3t";
const BACKLOG: i32 = 1024;
const STREAM_ID: &str = "bench-7f3a";

#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    pub port: u16,
}

impl Server {
    pub fn bind(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        listener.set_nonblocking(true)?;
        // Replaces the backlog of 128: 200 components connect at once.
        rustix::net::listen(&listener, BACKLOG)?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Waits for the component to connect, performs the handshake, and returns the non-blocking
    /// socket.
    pub fn accept(&self, component: &mut Child, patience: Duration) -> Result<TcpStream> {
        Ok(self.accept_any(component, patience)?.1)
    }

    /// Accepts a connection for each JID. Returns the sockets in the order of the JIDs, of which
    /// several may be the same.
    pub fn accept_all(
        &self,
        jids: &[String],
        component: &mut Child,
        patience: Duration,
    ) -> Result<Vec<TcpStream>> {
        let mut streams: Vec<Option<TcpStream>> = jids.iter().map(|_| None).collect();
        for _ in jids {
            let (jid, stream) = self.accept_any(component, patience)?;
            let free = (0..jids.len()).find(|&i| jids[i] == jid && streams[i].is_none());
            let free = free.with_context(|| format!("unexpected component {jid}"))?;
            streams[free] = Some(stream);
        }
        let streams: Option<Vec<TcpStream>> = streams.into_iter().collect();
        streams.context("a component did not connect")
    }

    /// Like [`Server::accept`], for any component; returns its JID as well.
    pub fn accept_any(
        &self,
        component: &mut Child,
        patience: Duration,
    ) -> Result<(String, TcpStream)> {
        let deadline = Instant::now() + patience;
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => return handshake(stream).context("handshake"),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Err(e.into()),
            }
            if let Some(status) = component.try_wait()? {
                bail!("the component ended before it connected ({status})");
            }
            ensure!(
                Instant::now() < deadline,
                "the component did not connect within {patience:?}"
            );
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

fn handshake(mut stream: TcpStream) -> Result<(String, TcpStream)> {
    stream.set_nonblocking(false)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let header = read_until(&mut stream, "<stream:stream", ">")?;
    ensure!(
        header.contains("jabber:component:accept"),
        "not an XEP-0114 header: {header}"
    );
    let jid = addressee(&header).with_context(|| format!("no `to` in {header}"))?;
    write!(
        stream,
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' from='{jid}' id='{STREAM_ID}'>"
    )?;
    let handshake = read_until(&mut stream, "<handshake", "</handshake>")?;
    // XEP-0114 §3: SHA-1 of stream id and secret, in lower-case hexadecimal.
    ensure!(handshake.contains(&digest()), "wrong digest: {handshake}");
    stream.write_all(b"<handshake/>")?;
    stream.set_nonblocking(true)?;
    Ok((jid, stream))
}

/// Returns the value of the attribute `to`.
fn addressee(header: &str) -> Option<String> {
    let value = header.split_once(" to=")?.1;
    let quote = value.chars().next()?;
    Some(value[1..].split_once(quote)?.0.to_owned())
}

/// Reads byte by byte, so that no later input is consumed.
fn read_until(stream: &mut TcpStream, open: &str, close: &str) -> Result<String> {
    let mut text = String::new();
    let mut byte = [0];
    while !text
        .find(open)
        .is_some_and(|at| text[at..].ends_with(close))
    {
        ensure!(stream.read(&mut byte)? == 1, "closed after: {text}");
        ensure!(text.len() < 4096, "too long: {text}");
        text.push(char::from(byte[0]));
    }
    Ok(text)
}

fn digest() -> String {
    let hash = Sha1::digest(format!("{STREAM_ID}{SECRET}"));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
