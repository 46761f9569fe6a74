//! HTTP/1.1, which has no multiplexing: a window of 256 is 256 keep-alive connections.

use std::net::{Ipv4Addr, TcpStream};

use anyhow::Result;

use crate::flow::TURN;
use crate::poller::Poller;
use crate::scenario::Scenario;

use super::connection::Connection;
use super::{Tally, Wire};

pub struct Connections {
    all: Vec<Connection>,
    /// Those without a request in flight.
    idle: Vec<usize>,
    ready: Vec<usize>,
    poller: Poller,
    seq: u32,
}

impl Connections {
    pub fn new(first: TcpStream, port: u16, scenario: &Scenario, window: u32) -> Result<Self> {
        let mut poller = Poller::new()?;
        let mut all = Vec::with_capacity(window as usize);
        let more = (1..window).map(|_| TcpStream::connect((Ipv4Addr::LOCALHOST, port)));
        for stream in std::iter::once(Ok(first)).chain(more) {
            let stream = stream?;
            poller.add(&stream)?;
            all.push(Connection::new(stream, scenario)?);
        }
        Ok(Self {
            idle: (0..all.len()).collect(),
            all,
            ready: Vec::new(),
            poller,
            seq: 0,
        })
    }
}

impl Wire for Connections {
    fn turn(&mut self, sending: bool, tally: &mut Tally) -> Result<()> {
        let now = tally.now();
        if sending {
            for number in self.idle.drain(..) {
                self.all[number].send(self.seq, now)?;
                self.seq = self.seq.wrapping_add(1);
                tally.open += 1;
            }
        }
        self.poller.wait(TURN, &mut self.ready)?;
        let now = tally.now();
        for number in self.ready.drain(..) {
            let connection = &mut self.all[number];
            if let Some(outcome) = connection.read()? {
                tally.came(outcome, now - connection.sent_at);
                self.idle.push(number);
            }
        }
        Ok(())
    }
}
