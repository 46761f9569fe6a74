//! Accounting of sent stanzas and replies: matching by id, order per sender, latency.

use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;
use crate::scan::Stanza;
use crate::scenario::{Expect, Source};
use crate::stanza;

/// Windows after which a stanza without a reply is given up. One of several streams may fall
/// behind by more than ten while its thread does not run.
const KEPT: usize = 32;

/// Counts of incorrect replies.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Faults {
    /// Error replies where none was expected, and vice versa.
    pub errors: u64,
    /// Replies with the right id but wrong content or recipient.
    pub wrong: u64,
    /// Replies to a sender out of order.
    pub reordered: u64,
    /// Replies to stanzas that are not outstanding: duplicates, or unknown ids.
    pub stray: u64,
    pub unanswered: u64,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Number of the outstanding stanza plus one; 0 if free.
    seq1: u32,
    sent_at: u64,
}

#[derive(Debug)]
pub struct Ledger {
    slots: Vec<Slot>,
    /// Highest answered number per sender, plus one.
    latest: Vec<u32>,
    senders: u32,
    expect: Expect,
    content_len: usize,
    pub open: u32,
    pub answered: u64,
    pub faults: Faults,
    pub latency: Histogram,
}

impl Ledger {
    pub fn new(source: &Source, window: u32) -> Self {
        let slots = (window as usize * KEPT).next_power_of_two().max(1024);
        Self {
            slots: vec![Slot::default(); slots],
            latest: vec![0; source.senders as usize],
            senders: source.senders,
            expect: source.expect,
            content_len: source.content_len,
            open: 0,
            answered: 0,
            faults: Faults::default(),
            latency: Histogram::default(),
        }
    }

    /// Records a stanza with the time from which its latency is measured.
    pub fn sent(&mut self, seq: u32, sent_at: u64) {
        let at = seq as usize & (self.slots.len() - 1);
        let slot = &mut self.slots[at];
        if slot.seq1 != 0 {
            // Still outstanding after many windows: given up.
            self.faults.unanswered += 1;
            self.open -= 1;
        }
        *slot = Slot {
            seq1: seq + 1,
            sent_at,
        };
        self.open += 1;
    }

    /// Records a stanza from the component. The server's own output is appended to `out`.
    pub fn came(&mut self, stanza: Stanza<'_>, now: u64, out: &mut Vec<u8>) {
        let attributes = stanza.attributes();
        let Some(seq) = stanza::seq_of(attributes.id) else {
            return route(stanza, out);
        };
        let at = seq as usize & (self.slots.len() - 1);
        if self.slots[at].seq1 != seq + 1 {
            self.faults.stray += 1;
            return;
        }
        self.latency.record(now - self.slots[at].sent_at);
        self.slots[at].seq1 = 0;
        self.open -= 1;
        self.answered += 1;
        self.judge(stanza, seq);
    }

    /// Records a reply without matching it, for floods larger than the table.
    pub fn came_uncounted(&mut self, stanza: Stanza<'_>, out: &mut Vec<u8>) {
        match stanza::seq_of(stanza.attributes().id) {
            Some(seq) => {
                self.answered += 1;
                self.judge(stanza, seq);
            }
            None => route(stanza, out),
        }
    }

    pub fn give_up_open(&mut self) {
        self.faults.unanswered += u64::from(self.open);
        self.open = 0;
        self.slots.fill(Slot::default());
    }

    /// Verifies content, recipient and order of a reply.
    fn judge(&mut self, stanza: Stanza<'_>, seq: u32) {
        let attributes = stanza.attributes();
        let sender = seq % self.senders;
        let is_error = attributes.kind == b"error";
        if is_error != (self.expect == Expect::Error) {
            self.faults.errors += 1;
        } else if stanza::sender_of(attributes.to) != Some(sender)
            || !self.content_is_due(stanza, attributes.id)
        {
            self.faults.wrong += 1;
        }
        let latest = &mut self.latest[sender as usize];
        if seq < *latest {
            self.faults.reordered += 1;
        } else {
            *latest = seq + 1;
        }
    }

    fn content_is_due(&self, stanza: Stanza<'_>, id: &[u8]) -> bool {
        let holds = |needle: &[u8]| memchr::memmem::find(stanza.content, needle).is_some();
        match self.expect {
            // The body starts with the id; its length shows that it is complete.
            Expect::Echo => stanza.content.len() >= self.content_len && holds(id),
            Expect::Result => true,
            Expect::ResultWith(text) => holds(text.as_bytes()),
            Expect::ResultWithId => holds(id),
            Expect::Error => true,
        }
    }
}

fn domain(jid: &[u8]) -> &[u8] {
    let bare = jid.split(|&b| b == b'/').next().unwrap_or_default();
    bare.rsplit(|&b| b == b'@').next().unwrap_or_default()
}

/// Routes other stanzas as a server would: back to the component if addressed to its own domain (a
/// self-ping); requests to other domains get an error.
fn route(stanza: Stanza<'_>, out: &mut Vec<u8>) {
    let attributes = stanza.attributes();
    if domain(attributes.to) == domain(attributes.from) {
        out.extend_from_slice(stanza.raw);
    } else if stanza.name() == b"iq" && matches!(attributes.kind, b"get" | b"set") {
        for part in [
            &b"<iq type='error' from='"[..],
            attributes.to,
            b"' to='",
            attributes.from,
            b"' id='",
            attributes.id,
        ] {
            out.extend_from_slice(part);
        }
        out.extend_from_slice(
            b"'><error type='cancel'>\
              <service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Found, first};
    use crate::scenario;

    fn ledger() -> Ledger {
        let chat = scenario::ALL
            .iter()
            .find(|s| s.name == "senders-100")
            .unwrap();
        Ledger::new(&chat.source(), 4)
    }

    fn feed(ledger: &mut Ledger, text: &str) -> String {
        let mut out = Vec::new();
        let Found::Stanza(stanza, _) = first(text.as_bytes()) else {
            panic!("no stanza: {text}")
        };
        ledger.came(stanza, 5_000, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn echo(seq: u32, sender: u32) -> String {
        let body = format!("m{seq:08x}{}", "x".repeat(40));
        format!(
            "<message to='u{sender:05}@localhost/bench' id='m{seq:08x}' type='chat'>\
             <body>{body}</body></message>"
        )
    }

    #[test]
    fn reply_is_matched_and_timed() {
        let mut ledger = ledger();
        ledger.sent(7, 1_000);
        feed(&mut ledger, &echo(7, 7));
        assert_eq!(
            (ledger.open, ledger.answered, ledger.faults),
            (0, 1, Faults::default())
        );
        assert_eq!(ledger.latency.quantile(0.5), 4_000);
    }

    #[test]
    fn every_fault_is_counted() {
        let mut ledger = ledger();
        [1, 101, 2, 3, 4]
            .iter()
            .for_each(|&seq| ledger.sent(seq, 0));
        feed(&mut ledger, &echo(101, 1));
        feed(&mut ledger, &echo(1, 1)); // out of order
        feed(&mut ledger, &echo(1, 1)); // duplicate
        feed(&mut ledger, &echo(2, 9)); // wrong recipient
        feed(
            &mut ledger,
            "<message to='u00003@localhost/bench' id='m00000003' type='error'><error/></message>",
        );
        ledger.give_up_open();
        let all = Faults {
            errors: 1,
            wrong: 1,
            reordered: 1,
            stray: 1,
            unanswered: 1,
        };
        assert_eq!(ledger.faults, all);
    }

    #[test]
    fn unrelated_stanza_is_routed() {
        let mut ledger = ledger();
        let ping = "<iq type='get' from='echo.localhost' to='echo.localhost' id='k1'>\
            <ping xmlns='urn:xmpp:ping'/></iq>";
        assert_eq!(feed(&mut ledger, ping), ping);
        let asked = feed(
            &mut ledger,
            "<iq type='get' from='echo.localhost' to='localhost' id='k2'><x/></iq>",
        );
        assert!(
            asked.starts_with("<iq type='error' from='localhost' to='echo.localhost' id='k2'>"),
            "{asked}"
        );
        assert_eq!(
            feed(
                &mut ledger,
                "<presence to='a@localhost' from='echo.localhost'/>"
            ),
            ""
        );
    }
}
