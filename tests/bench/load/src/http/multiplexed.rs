//! HTTP/2: all requests on one connection.

use std::net::TcpStream;

use anyhow::{Result, bail};

use crate::flow::TURN;
use crate::link::Link;
use crate::scenario::Scenario;
use crate::stanza::{ID_LEN, Template, seq_of};

use super::frame::{self, Frame};
use super::{Outcome, Tally, Wire};

/// Window of the connection for data from the server: more than a run receives.
const RECEIVE_WINDOW: u32 = 0x7fff_ffff - INITIAL_WINDOW;
const INITIAL_WINDOW: u32 = 65_535;

pub struct Multiplexed {
    link: Link,
    requests: Requests,
    headers: Vec<u8>,
    body: Template,
    rendered: Vec<u8>,
    window: u32,
    seq: u32,
}

/// Requests in flight, and flow control.
struct Requests {
    slots: Vec<Slot>,
    body_len: usize,
    /// Bytes that may be sent on the connection.
    credit: i64,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    seq: u32,
    sent_at: u64,
    outcome: Outcome,
}

impl Multiplexed {
    pub fn new(stream: TcpStream, scenario: &Scenario, window: u32) -> Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut link = Link::new(stream);
        link.out.extend_from_slice(frame::PREFACE);
        reply(&mut link.out, frame::SETTINGS, 0, &[]);
        let update = RECEIVE_WINDOW.to_be_bytes();
        reply(&mut link.out, frame::WINDOW_UPDATE, 0, &update);
        let unused = Slot {
            seq: u32::MAX,
            sent_at: 0,
            outcome: Outcome::Wrong,
        };
        Ok(Self {
            link,
            requests: Requests {
                slots: vec![unused; (window as usize * 8).next_power_of_two()],
                body_len: scenario.body_len(),
                credit: i64::from(INITIAL_WINDOW),
            },
            headers: frame::request_headers(&format!("/{}", scenario.name), scenario.body_len()),
            body: Template::new(&scenario.body()),
            rendered: Vec::new(),
            window,
            seq: 0,
        })
    }

    fn send(&mut self, now: u64) {
        // Streams of clients are odd.
        let stream = self.seq * 2 + 1;
        self.rendered.clear();
        self.body.render(&mut self.rendered, self.seq, 0);
        let headers = Frame {
            kind: frame::HEADERS,
            flags: frame::END_HEADERS,
            stream,
            payload: &self.headers,
        };
        headers.write(&mut self.link.out);
        let data = Frame {
            kind: frame::DATA,
            flags: frame::END_STREAM,
            stream,
            payload: &self.rendered,
        };
        data.write(&mut self.link.out);
        self.requests.credit -= self.rendered.len() as i64;
        *self.requests.slot(self.seq) = Slot {
            seq: self.seq,
            sent_at: now,
            outcome: Outcome::Wrong,
        };
        self.seq += 1;
    }
}

impl Wire for Multiplexed {
    fn turn(&mut self, sending: bool, tally: &mut Tally) -> Result<()> {
        let now = tally.now();
        while sending
            && tally.open < self.window
            && self.requests.credit >= self.requests.body_len as i64
            && self.link.has_room()
        {
            self.send(now);
            tally.open += 1;
        }
        self.link.flush()?;
        self.link.wait(true, TURN)?;
        let now = tally.now();
        let requests = &mut self.requests;
        self.link.read_bytes(|bytes, out| {
            let mut at = 0;
            while let Some((frame, end)) = Frame::first(&bytes[at..]) {
                requests.came(&frame, now, out, tally)?;
                at += end;
            }
            Ok(at)
        })?;
        Ok(())
    }
}

impl Requests {
    fn slot(&mut self, seq: u32) -> &mut Slot {
        let mask = self.slots.len() - 1;
        &mut self.slots[seq as usize & mask]
    }

    fn came(
        &mut self,
        frame: &Frame<'_>,
        now: u64,
        out: &mut Vec<u8>,
        tally: &mut Tally,
    ) -> Result<()> {
        match frame.kind {
            frame::HEADERS if frame.payload.first() != Some(&frame::STATUS_200) => {
                self.slot(frame.stream / 2).outcome = Outcome::Status;
            }
            frame::DATA if !frame.payload.is_empty() => self.judge(frame),
            frame::RST_STREAM => self.slot(frame.stream / 2).outcome = Outcome::Status,
            frame::SETTINGS | frame::PING if !frame.has(frame::ACK) => {
                let payload: &[u8] = if frame.kind == frame::PING {
                    frame.payload
                } else {
                    &[]
                };
                reply(out, frame.kind, frame::ACK, payload);
            }
            frame::WINDOW_UPDATE if frame.stream == 0 => {
                self.credit += i64::from(frame::number(frame.payload));
            }
            frame::GOAWAY => bail!("the server closed the connection"),
            _ => {}
        }
        let carries_end = matches!(frame.kind, frame::HEADERS | frame::DATA);
        if frame.kind == frame::RST_STREAM || carries_end && frame.has(frame::END_STREAM) {
            let slot = self.slot(frame.stream / 2);
            if slot.seq == frame.stream / 2 {
                slot.seq = u32::MAX;
                tally.came(slot.outcome, now - slot.sent_at);
            } else {
                tally.faults.stray += 1;
            }
        }
        Ok(())
    }

    /// Compares the length of a body, and the id at its start. It arrives in one frame.
    fn judge(&mut self, frame: &Frame<'_>) {
        let echoed = frame.payload.get(..ID_LEN).and_then(seq_of) == Some(frame.stream / 2)
            && frame.payload.len() == self.body_len;
        let slot = self.slot(frame.stream / 2);
        if echoed && slot.outcome == Outcome::Wrong {
            slot.outcome = Outcome::Echo;
        }
    }
}

fn reply(out: &mut Vec<u8>, kind: u8, flags: u8, payload: &[u8]) {
    let frame = Frame {
        kind,
        flags,
        stream: 0,
        payload,
    };
    frame.write(out);
}
