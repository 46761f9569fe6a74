//! The configuration of a soak, its stanzas, and the accounting of replies.

use std::fmt::{self, Write as _};

use anyhow::{Result, ensure};

use crate::scan::Stanza;
use crate::server::SECRET;
use crate::stanza::Template;

/// Components that echo and have presence; the first is recorded in the archive.
const ECHOES: usize = 29;
const LOGGER: usize = ECHOES;
const BRIDGE: usize = ECHOES + 1;
/// Number of components.
pub const LINKS: usize = ECHOES + 2;
const SENDERS: u32 = 5_000;
/// Kinds of stanzas, repeated; all messages get one reply.
const MIX: [Kind; 20] = {
    use Kind::{Archived, Bridged, Echoed, Online, Probe, Subscribe};
    [
        Echoed, Archived, Echoed, Echoed, Bridged, Echoed, Archived, Echoed, Online, Echoed,
        Archived, Echoed, Echoed, Archived, Bridged, Echoed, Subscribe, Archived, Echoed, Probe,
    ]
};
const WORDS: [&str; 32] = [
    "bell",
    "tower",
    "noon",
    "rope",
    "market",
    "answer",
    "please",
    "tomorrow",
    "meeting",
    "invoice",
    "station",
    "träger",
    "größe",
    "colazione",
    "château",
    "mañana",
    "колокол",
    "время",
    "встреча",
    "δρόμος",
    "合同",
    "明天开会",
    "駅の近く",
    "계약서",
    "kitab",
    "łódź",
    "yarın",
    "hợp đồng",
    "שלום",
    "مدرسة",
    "🔔",
    "किताब",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Echoed,
    Archived,
    Bridged,
    Online,
    Probe,
    Subscribe,
}

/// Returns the configuration of the daemon.
pub fn configuration(port: u16, webhook: u16) -> String {
    let mut text = format!("[server]\naddress = \"127.0.0.1:{port}\"\n");
    let mut component = |link: usize, tables: &str| {
        let jid = jid_of(link);
        // Writing to a string cannot fail.
        let _ = write!(
            text,
            "\n[[component]]\njid = \"{jid}\"\nsecret = \"{SECRET}\"\n{tables}"
        );
    };
    for link in 0..ECHOES {
        let tap = if link == 0 {
            "[component.tap]\narchive = \"tap@logger.localhost\"\n"
        } else {
            ""
        };
        component(
            link,
            &format!(
                "[component.echo]\n[component.presence]\nstore = \"sqlite:presence.db\"\n{tap}"
            ),
        );
    }
    component(LOGGER, "[component.logger]\nstore = \"sqlite:logger.db\"\n");
    let hook = format!("http://127.0.0.1:{webhook}/hook");
    component(
        BRIDGE,
        &format!(
            "[component.json_bridge]\nwebhook = {{ url = \"{hook}\", secret = \
             \"whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\" }}\n"
        ),
    );
    text
}

fn jid_of(link: usize) -> String {
    match link {
        LOGGER => "logger.localhost".to_owned(),
        BRIDGE => "bridge.localhost".to_owned(),
        echo => format!("echo{echo}.localhost"),
    }
}

/// Returns the number of a component.
pub fn link_of(jid: &str) -> Option<usize> {
    (0..LINKS).find(|link| jid_of(*link) == jid)
}

/// The next stanza, and the replies so far.
#[derive(Debug, Default)]
pub struct Load {
    pub counts: Counts,
    seq: u32,
}

#[derive(Debug, Default, Clone, Copy)]
pub struct Counts {
    messages: u64,
    presence: u64,
    replies: u64,
    presence_replies: u64,
    errors: u64,
}

impl Load {
    fn kind(&self) -> Kind {
        MIX[self.seq as usize % MIX.len()]
    }

    /// Returns the component that the next stanza is for.
    pub fn next_link(&self) -> usize {
        match self.kind() {
            Kind::Archived => LOGGER,
            Kind::Bridged => BRIDGE,
            _ => self.seq as usize / 7 % ECHOES,
        }
    }

    /// Appends the next stanza.
    pub fn render(&mut self, out: &mut Vec<u8>) {
        let kind = self.kind();
        let seq = self.seq;
        Template::new(&template(kind, seq, &jid_of(self.next_link()))).render(
            out,
            seq,
            seq.wrapping_mul(7) % SENDERS,
        );
        self.seq += 1;
        match kind {
            Kind::Echoed | Kind::Archived | Kind::Bridged => self.counts.messages += 1,
            Kind::Online | Kind::Probe | Kind::Subscribe => self.counts.presence += 1,
        }
    }

    /// Counts a stanza of a component; pings to itself are returned.
    pub fn came(&mut self, link: usize, stanza: Stanza<'_>, out: &mut Vec<u8>) {
        let attributes = stanza.attributes();
        let counts = &mut self.counts;
        match (stanza.name(), attributes.kind) {
            (_, b"error") => counts.errors += 1,
            (b"message", _) => counts.replies += 1,
            (b"presence", _) => counts.presence_replies += 1,
            (b"iq", _) if is_own(attributes.to, link) => out.extend_from_slice(stanza.raw),
            _ => {}
        }
    }
}

/// Returns `true` for an address of this component's domain.
fn is_own(to: &[u8], link: usize) -> bool {
    let domain = to.split(|&byte| byte == b'/').next().unwrap_or_default();
    domain == jid_of(link).as_bytes()
}

fn template(kind: Kind, seq: u32, to: &str) -> String {
    let from = "u{n}@localhost/soak";
    let receipt = if kind == Kind::Archived {
        "<request xmlns='urn:xmpp:receipts'/>"
    } else {
        ""
    };
    match kind {
        Kind::Online => format!(
            "<presence from='{from}' to='{to}'><show>away</show><status>{{id}}</status></presence>"
        ),
        Kind::Probe => format!("<presence type='probe' from='{from}' to='{to}'/>"),
        Kind::Subscribe => {
            format!("<presence type='subscribe' from='u{{n}}@localhost' to='{to}' id='{{id}}'/>")
        }
        _ => format!(
            "<message from='{from}' to='bot@{to}' type='chat' id='{{id}}'><body>{{id}}{}</body>\
             {receipt}</message>",
            prose(seq)
        ),
    }
}

/// Returns three to ten words of several languages.
fn prose(seq: u32) -> String {
    let mut state = seq;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) as usize
    };
    let count = 3 + next() % 8;
    (0..count).fold(String::new(), |mut text, _| {
        text.push(' ');
        text.push_str(WORDS[next() % WORDS.len()]);
        text
    })
}

impl Counts {
    pub fn sent(&self) -> u64 {
        self.messages + self.presence
    }

    /// Returns `true` if each message has a reply.
    pub fn is_complete(&self) -> bool {
        self.replies + self.errors >= self.messages
    }

    /// # Errors
    /// If not every message got exactly one reply, or there were errors.
    pub fn check(&self) -> Result<()> {
        ensure!(
            self.replies == self.messages && self.errors == 0,
            "not every message was answered: {self}"
        );
        Ok(())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} messages, {} replies; {} presence stanzas, {} in return; {} errors",
            self.messages, self.replies, self.presence, self.presence_replies, self.errors
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::{Found, first};

    #[test]
    fn every_component_gets_stanzas() {
        let mut load = Load::default();
        let mut reached = [0; LINKS];
        for _ in 0..10_000 {
            let link = load.next_link();
            reached[link] += 1;
            let mut out = Vec::new();
            load.render(&mut out);
            let Found::Stanza(stanza, end) = first(&out) else {
                panic!("no stanza: {}", String::from_utf8_lossy(&out))
            };
            assert_eq!(end, out.len());
            let to = String::from_utf8_lossy(stanza.attributes().to).into_owned();
            assert_eq!(to.trim_start_matches("bot@"), jid_of(link));
        }
        assert!(reached.iter().all(|count| *count > 100), "{reached:?}");
        assert_eq!(load.counts.sent(), 10_000);
    }

    #[test]
    fn ping_returns_to_its_component() {
        let ping =
            "<iq type='get' from='logger.localhost/ping' to='logger.localhost/pong' id='p'/>";
        for (link, is_returned) in [(LOGGER, true), (BRIDGE, false)] {
            let Found::Stanza(stanza, _) = first(ping.as_bytes()) else {
                panic!("no stanza")
            };
            let mut out = Vec::new();
            Load::default().came(link, stanza, &mut out);
            assert_eq!(out == ping.as_bytes(), is_returned);
        }
    }

    #[test]
    fn missing_reply_and_error_are_reported() {
        let mut load = Load::default();
        load.render(&mut Vec::new());
        assert!(load.counts.check().is_err() && !load.counts.is_complete());
        for (text, is_fine) in [
            ("<message id='a'/>", true),
            ("<message type='error' id='a'/>", false),
        ] {
            let Found::Stanza(stanza, _) = first(text.as_bytes()) else {
                panic!("no stanza")
            };
            load.came(0, stanza, &mut Vec::new());
            assert_eq!(load.counts.check().is_ok(), is_fine, "{text}");
        }
    }
}
