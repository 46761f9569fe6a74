//! What is sent, to whom, and what must come back.

use crate::server::JID;
use crate::stanza::Template;

/// One kind of load.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub title: &'static str,
    pub senders: u32,
    /// Stanzas in flight, one run for each; the first belongs to `--quick` too.
    pub windows: &'static [u32],
    pub quick: bool,
    pub flow: Flow,
    /// Stanzas a second at the most, evenly.
    pub rate: Option<u32>,
    load: Load,
    expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// So many in flight, for a time.
    Window,
    /// So many in flight, until a great number is through; then a look at memory.
    Count,
    /// As fast as the socket takes them, while the server reads nothing; then a look at memory.
    Stall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The whole content comes back.
    Echo,
    Result,
    ResultWith(&'static str),
    ResultWithId,
    Error,
}

#[derive(Debug, Clone, Copy)]
enum Load {
    /// A chat message to a localpart, padded: the whole stanza to 150 bytes, or the body to 4 KiB.
    Chat(&'static str),
    Chat4k,
    /// The same as `Chat`, with a request for a receipt.
    Receipt,
    /// An IQ to an address with a payload.
    Iq(&'static str, &'static str, &'static str),
    /// Fifteen presences, then a chat message whose echo says that all sixteen were taken.
    Presence,
}

/// Where a run takes its stanzas from.
#[derive(Debug)]
pub struct Source {
    pub senders: u32,
    pub expect: Expect,
    /// How long the content of an echo must be at least.
    pub content_len: usize,
    /// How many stanzas one answer stands for.
    pub weight: u32,
    filler: Option<Template>,
    answered: Template,
}

const CHAT_LEN: usize = 150;
/// An id and a blank.
const BODY_MIN: usize = crate::stanza::ID_LEN + 1;
const PRESENCE_WEIGHT: u32 = 16;
const PROSE: &str =
    "The bell is rung at noon, and whoever hears it answers in the order of hearing. ";
const TYPED: &str = "<order xmlns='urn:campanile:bench' item='{id}' quantity='3' express='true'><note>ring twice</note></order>";
const JSON: &str = "<json xmlns='urn:xmpp:json:0'>{\"item\":\"{id}\",\"quantity\":3,\"express\":true,\"note\":\"ring twice\"}</json>";
const DISCO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";

const CHAT: Scenario = Scenario {
    name: "chat",
    title: "chat message, 150 B",
    senders: 1,
    windows: &[256, 1, 4096],
    quick: true,
    flow: Flow::Window,
    rate: None,
    load: Load::Chat("bot"),
    expect: Expect::Echo,
};
const IQ: Scenario = Scenario {
    windows: &[256],
    quick: false,
    expect: Expect::Result,
    ..CHAT
};

/// Each handler sends its answer by itself, and ends when that is done.
const SENT: Scenario = Scenario {
    senders: 1000,
    windows: &[1024],
    quick: false,
    ..CHAT
};

/// What fills an archive: of a million, each of its senders owns ten.
pub const FILL: Scenario = Scenario {
    name: "archive",
    title: "message archived, receipt after the commit, 100,000 senders",
    senders: 100_000,
    windows: &[4096],
    quick: false,
    load: Load::Receipt,
    expect: Expect::ResultWithId,
    ..CHAT
};

pub const ALL: &[Scenario] = &[
    CHAT,
    Scenario {
        name: "chat-4k",
        title: "chat message, body 4 KiB",
        windows: &[256, 1],
        load: Load::Chat4k,
        ..CHAT
    },
    Scenario {
        name: "ping",
        title: "ping (XEP-0199)",
        windows: &[256, 1],
        quick: true,
        load: Load::Iq("", "get", "<ping xmlns='urn:xmpp:ping'/>"),
        ..IQ
    },
    Scenario {
        name: "disco",
        title: "disco#info (XEP-0030)",
        load: Load::Iq("", "get", DISCO),
        expect: Expect::ResultWith("<identity"),
        ..IQ
    },
    Scenario {
        name: "unhandled",
        title: "IQ get nobody handles",
        load: Load::Iq("", "get", "<nobody xmlns='urn:campanile:bench:nobody'/>"),
        expect: Expect::Error,
        ..IQ
    },
    Scenario {
        name: "senders-100",
        title: "chat, 100 senders",
        senders: 100,
        windows: &[256],
        quick: false,
        ..CHAT
    },
    Scenario {
        name: "senders-10000",
        title: "chat, 10,000 senders",
        senders: 10_000,
        windows: &[256],
        quick: false,
        ..CHAT
    },
    Scenario {
        name: "presence",
        title: "presence flood, 100 senders",
        senders: 100,
        windows: &[4096],
        quick: false,
        load: Load::Presence,
        ..CHAT
    },
    Scenario {
        name: "text",
        title: "body in, text out",
        windows: &[256],
        load: Load::Chat("text"),
        ..CHAT
    },
    Scenario {
        name: "message",
        title: "whole message in and out",
        windows: &[256],
        load: Load::Chat("message"),
        ..CHAT
    },
    Scenario {
        name: "sent",
        title: "answered by `send`, 1,000 senders",
        load: Load::Chat("sent"),
        ..SENT
    },
    Scenario {
        name: "confirmed",
        title: "answered by `send_confirmed`, 1,000 senders",
        load: Load::Chat("confirmed"),
        ..SENT
    },
    Scenario {
        name: "yield",
        title: "handler that yields once",
        windows: &[256],
        load: Load::Chat("yield"),
        ..CHAT
    },
    Scenario {
        name: "typed",
        title: "typed payload in and out",
        quick: true,
        load: Load::Iq("typed@", "set", TYPED),
        expect: Expect::ResultWithId,
        ..IQ
    },
    Scenario {
        name: "json",
        title: "JSON payload (XEP-0335) in and out",
        quick: true,
        load: Load::Iq("json@", "set", JSON),
        expect: Expect::ResultWithId,
        ..IQ
    },
    Scenario {
        name: "logger",
        title: "message archived, receipt after the commit, 10,000 senders",
        senders: 10_000,
        windows: &[4096],
        quick: false,
        load: Load::Receipt,
        expect: Expect::ResultWithId,
        ..CHAT
    },
    Scenario {
        name: "logger-tenth",
        title: "the same, 5,000 a second",
        senders: 10_000,
        windows: &[4096],
        quick: false,
        rate: Some(5_000),
        load: Load::Receipt,
        expect: Expect::ResultWithId,
        ..CHAT
    },
    Scenario {
        name: "logger-postgres-tenth",
        title: "the same, 2,000 a second",
        senders: 10_000,
        windows: &[4096],
        quick: false,
        rate: Some(2_000),
        load: Load::Receipt,
        expect: Expect::ResultWithId,
        ..CHAT
    },
    Scenario {
        name: "million",
        title: "chat messages by number, 10,000 senders",
        senders: 10_000,
        windows: &[256],
        quick: false,
        flow: Flow::Count,
        ..CHAT
    },
    Scenario {
        name: "stall",
        title: "flood of 100 senders, server not reading",
        senders: 100,
        windows: &[256],
        quick: false,
        flow: Flow::Stall,
        ..CHAT
    },
];

impl Scenario {
    pub fn source(&self) -> Source {
        let (answered, body_len) = match self.load {
            Load::Chat(local) => chat_of_len(local),
            Load::Chat4k => (chat("bot", 4096), 4096),
            Load::Receipt => (receipt(), 0),
            Load::Presence => chat_of_len("bot"),
            Load::Iq(local, kind, payload) => (iq(local, kind, payload), 0),
        };
        let filler = matches!(self.load, Load::Presence).then(presence);
        Source {
            senders: self.senders,
            expect: self.expect,
            content_len: "<body></body>".len() + body_len,
            weight: if filler.is_some() { PRESENCE_WEIGHT } else { 1 },
            filler,
            answered,
        }
    }
}

impl Source {
    /// Appends the stanzas numbered `seq`, the last of which will be answered.
    pub fn render(&self, out: &mut Vec<u8>, seq: u32) {
        let sender = seq % self.senders;
        if let Some(filler) = &self.filler {
            (1..self.weight).for_each(|_| filler.render(out, seq, sender));
        }
        self.answered.render(out, seq, sender);
    }
}

/// A chat message of exactly [`CHAT_LEN`] bytes, and the length of its body.
fn chat_of_len(local: &str) -> (Template, usize) {
    let body_len = CHAT_LEN - (chat(local, BODY_MIN).len() - BODY_MIN);
    (chat(local, body_len), body_len)
}

/// As long as a chat message, and to the domain itself: that is where an archive is.
fn receipt() -> Template {
    let prose: String = PROSE.chars().take(60).collect();
    Template::new(&format!(
        "<message from='u{{n}}@localhost/bench' to='{JID}' type='chat' id='{{id}}'><body>{{id}} {prose}</body><request xmlns='urn:xmpp:receipts'/></message>"
    ))
}

/// The body begins with the id: no two messages are equal (or a guard against loops might take them for one), and
/// an answer with another's body is seen.
fn chat(local: &str, body_len: usize) -> Template {
    let prose: String = PROSE.chars().cycle().take(body_len - BODY_MIN).collect();
    Template::new(&format!(
        "<message from='u{{n}}@localhost/bench' to='{local}@{JID}' type='chat' id='{{id}}'><body>{{id}} {prose}</body></message>"
    ))
}

fn iq(local: &str, kind: &str, payload: &str) -> Template {
    Template::new(&format!(
        "<iq from='u{{n}}@localhost/bench' to='{local}{JID}' type='{kind}' id='{{id}}'>{payload}</iq>"
    ))
}

fn presence() -> Template {
    Template::new(&format!(
        "<presence from='u{{n}}@localhost/bench' to='bot@{JID}'><show>away</show><status>{{id}}</status></presence>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chat_stanzas_have_declared_size() {
        for scenario in ALL.iter().filter(|s| matches!(s.load, Load::Chat(_))) {
            let mut out = Vec::new();
            scenario.source().render(&mut out, 3);
            assert_eq!(
                out.len(),
                CHAT_LEN,
                "{}: {}",
                scenario.name,
                String::from_utf8_lossy(&out)
            );
        }
        let mut out = Vec::new();
        ALL.iter()
            .find(|s| s.name == "presence")
            .unwrap()
            .source()
            .render(&mut out, 117);
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("<presence from='u00017@").count(), 15);
        assert_eq!(text.matches("<message from='u00017@").count(), 1);
    }

    #[test]
    fn scenario_names_are_unique() {
        let names: std::collections::BTreeSet<_> = ALL.iter().map(|s| s.name).collect();
        assert_eq!(names.len(), ALL.len());
    }
}
