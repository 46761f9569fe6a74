//! One keep-alive connection with at most one request in flight.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;

use anyhow::{Context, Result, bail, ensure};

use crate::scenario::Scenario;
use crate::stanza::Template;

use super::Outcome;

const INPUT: usize = 1024;

#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    template: Template,
    body_len: usize,
    request: Vec<u8>,
    input: [u8; INPUT],
    filled: usize,
    in_flight: bool,
    pub sent_at: u64,
}

impl Connection {
    pub fn new(stream: TcpStream, scenario: &Scenario) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let body = scenario.body();
        let template = Template::new(&format!(
            "POST /{} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {}\r\n\r\n{body}",
            scenario.name,
            scenario.body_len(),
        ));
        Ok(Self {
            stream,
            template,
            body_len: scenario.body_len(),
            request: Vec::new(),
            input: [0; INPUT],
            filled: 0,
            in_flight: false,
            sent_at: 0,
        })
    }

    /// Writes the request numbered `seq`. A socket without a request in flight takes it whole.
    pub fn send(&mut self, seq: u32, now: u64) -> Result<()> {
        self.request.clear();
        self.template.render(&mut self.request, seq, 0);
        self.filled = 0;
        self.in_flight = true;
        self.sent_at = now;
        Ok(self.stream.write_all(&self.request)?)
    }

    /// Reads once. Returns the outcome if the response is complete.
    pub fn read(&mut self) -> Result<Option<Outcome>> {
        match self.stream.read(&mut self.input[self.filled..]) {
            Ok(0) => bail!("the server closed a connection, or its response is too long"),
            Ok(n) => self.filled += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Err(e.into()),
        }
        ensure!(self.in_flight, "a response without a request");
        let body = &self.request[self.request.len() - self.body_len..];
        let outcome = judge(&self.input[..self.filled], body)?;
        self.in_flight = outcome.is_none();
        Ok(outcome)
    }
}

/// Compares a response with the expected body. Returns `None` if it is incomplete.
fn judge(response: &[u8], expected: &[u8]) -> Result<Option<Outcome>> {
    let Some(end) = memchr::memmem::find(response, b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&response[..end])?;
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .context("a response without content-length")?;
    let body = &response[end + 4..];
    if body.len() < length.parse()? {
        return Ok(None);
    }
    Ok(Some(if !head.starts_with("HTTP/1.1 200 ") {
        Outcome::Status
    } else if body == expected {
        Outcome::Echo
    } else {
        Outcome::Wrong
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_are_judged() {
        let whole = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\ndate: x\r\n\r\nbell";
        for cut in 0..whole.len() {
            let part = judge(&whole.as_bytes()[..cut], b"bell").unwrap();
            assert_eq!(part, None, "cut at {cut}");
        }
        assert_eq!(
            judge(whole.as_bytes(), b"bell").unwrap(),
            Some(Outcome::Echo)
        );
        assert_eq!(
            judge(whole.as_bytes(), b"toll").unwrap(),
            Some(Outcome::Wrong)
        );
        let failed = whole.replace("200 OK", "500 Internal Server Error");
        assert_eq!(
            judge(failed.as_bytes(), b"bell").unwrap(),
            Some(Outcome::Status)
        );
    }
}
