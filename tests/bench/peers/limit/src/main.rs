//! `bench-limit PORT`: replies by copying bytes between known markers, without parsing or checking.
//! Its throughput is the limit set by sockets and wake-ups.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use anyhow::{Context, Result, ensure};
use memchr::memchr_iter;
use memchr::memmem::Finder;
use sha1::{Digest, Sha1};

const JID: &str = "echo.localhost";
const SECRET: &str = "s3cr3t";

fn main() -> Result<()> {
    let port: u16 = std::env::args().nth(1).context("PORT")?.parse()?;
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    handshake(&mut stream)?;
    let mut input = vec![0; 256 * 1024];
    let marks = Marks::new();
    let mut filled = 0;
    let mut out = Vec::new();
    loop {
        let got = stream.read(&mut input[filled..])?;
        if got == 0 {
            return Ok(());
        }
        filled += got;
        let mut at = 0;
        while let Some(end) = marks.answer(&input[at..filled], &mut out) {
            at += end;
        }
        input.copy_within(at..filled, 0);
        filled -= at;
        stream.write_all(&out)?;
        out.clear();
    }
}

fn handshake(stream: &mut TcpStream) -> Result<()> {
    write!(
        stream,
        "<stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' to='{JID}'>"
    )?;
    let header = read_to(stream, b"id='")?;
    let id = read_to(stream, b"'")?;
    ensure!(!header.is_empty() && id.len() > 1, "no stream id");
    let mut hash = Sha1::new();
    hash.update(&id[..id.len() - 1]);
    hash.update(SECRET);
    let digest: String = hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    write!(stream, "<handshake>{digest}</handshake>")?;
    read_to(stream, b"<handshake/>")?;
    Ok(())
}

fn read_to(stream: &mut TcpStream, end: &[u8]) -> Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(end) {
        ensure!(stream.read(&mut byte)? == 1, "closed");
        text.push(byte[0]);
    }
    Ok(text)
}

/// End markers of messages and IQs.
struct Marks {
    message: Finder<'static>,
    iq: Finder<'static>,
}

impl Marks {
    fn new() -> Self {
        Self {
            message: Finder::new(b"</message>"),
            iq: Finder::new(b"</iq>"),
        }
    }

    /// Appends the reply to the first stanza and returns the offset after it, if it is complete.
    fn answer(&self, input: &[u8], out: &mut Vec<u8>) -> Option<usize> {
        let is_iq = input.starts_with(b"<iq");
        let mark = if is_iq { &self.iq } else { &self.message };
        let end = mark.find(input)? + mark.needle().len();
        // Attributes from, to, type and id, in this order, each in quotes.
        let mut quotes = memchr_iter(b'\'', &input[..end]);
        let mut value = || Some(quotes.next()? + 1..quotes.next()?);
        let from = value()?;
        let to = value()?;
        value()?;
        let id = value()?;
        let id_ends = id.end;
        let opened: &[u8] = if is_iq {
            b"<iq type='result' from='"
        } else {
            b"<message type='chat' from='"
        };
        for part in [
            opened,
            &input[to],
            b"' to='",
            &input[from],
            b"' id='",
            &input[id],
        ] {
            out.extend_from_slice(part);
        }
        if is_iq {
            out.extend_from_slice(b"'/>");
        } else {
            out.extend_from_slice(&input[id_ends..end]);
        }
        Some(end)
    }
}
