//! Scenarios: stanzas to send and expected replies.

use crate::server::JID;
use crate::stanza::Template;

/// A load scenario.
#[derive(Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub title: &'static str,
    pub senders: u32,
    /// Numbers of stanzas in flight, one run for each; the first is part of `--quick`.
    pub windows: &'static [u32],
    pub quick: bool,
    pub flow: Flow,
    /// Maximum rate in stanzas per second.
    pub rate: Option<u32>,
    load: Load,
    expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Keeps a window in flight for a fixed time.
    Window,
    /// The same, to find the highest rate; then measures latency at 90 % of this rate.
    Paced,
    /// Keeps a window in flight for a fixed number of stanzas, then measures memory.
    Count,
    /// Sends as fast as possible while the server does not read, then measures memory.
    Stall,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// The whole content is returned.
    Echo,
    Result,
    ResultWith(&'static str),
    ResultWithId,
    Error,
}

#[derive(Debug, Clone, Copy)]
enum Load {
    /// A chat message to a localpart: the whole stanza padded to 150 bytes, or the body to 4 KiB.
    Chat(&'static str),
    Chat4k,
    /// Like `Chat`, with a receipt request.
    Receipt,
    /// An IQ with a payload: address prefix, type, payload.
    Iq(&'static str, &'static str, &'static str),
    /// Fifteen presence stanzas, then a chat message whose echo confirms all sixteen.
    Presence,
}

/// Source of the stanzas of a run.
#[derive(Debug)]
pub struct Source {
    pub senders: u32,
    pub expect: Expect,
    /// Minimum length of an echo's content.
    pub content_len: usize,
    /// Number of stanzas per reply.
    pub weight: u32,
    filler: Option<Template>,
    answered: Template,
}

const CHAT_LEN: usize = 150;
/// An id and a space.
const BODY_MIN: usize = crate::stanza::ID_LEN + 1;
const PRESENCE_WEIGHT: u32 = 16;
const PROSE: &str =
    "The bell is rung at noon, and everyone who hears it replies in order of hearing. ";
const TYPED: &str = "<order xmlns='urn:campanile:bench' item='{id}' quantity='3' express='true'>\
    <note>ring twice</note></order>";
const JSON: &str = "<json xmlns='urn:xmpp:json:0'>{\"item\":\"{id}\",\"quantity\":3,\
    \"express\":true,\"note\":\"ring twice\"}</json>";
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

/// Handlers that send the reply themselves and wait until it is sent.
const SENT: Scenario = Scenario {
    senders: 1000,
    windows: &[1024],
    quick: false,
    ..CHAT
};

/// Scenario that fills an archive: each sender owns ten of a million entries.
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
        title: "IQ get without a handler",
        load: Load::Iq("", "get", "<unknown xmlns='urn:campanile:bench:unknown'/>"),
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
        name: "yield-senders",
        title: "handler that yields once, 1,000 senders",
        load: Load::Chat("yield"),
        ..SENT
    },
    Scenario {
        name: "task",
        title: "handler that asks a task, 1,000 senders",
        load: Load::Chat("task"),
        ..SENT
    },
    Scenario {
        name: "sleep",
        title: "handler that sleeps 1 ms, 1,000 senders",
        load: Load::Chat("sleep"),
        ..SENT
    },
    Scenario {
        name: "compute",
        title: "handler that yields, then computes for 100 µs, 1,000 senders",
        load: Load::Chat("compute"),
        ..SENT
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
        name: "typed-xso",
        title: "typed payload in and out, with the derives of xso",
        load: Load::Iq("typed-xso@", "set", TYPED),
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
        name: "logger-paced",
        title: "the same, at 90 % of the highest rate",
        senders: 10_000,
        windows: &[4096],
        quick: false,
        flow: Flow::Paced,
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
    /// Appends the stanzas numbered `seq`, of which the last is answered.
    pub fn render(&self, out: &mut Vec<u8>, seq: u32) {
        let sender = seq % self.senders;
        if let Some(filler) = &self.filler {
            (1..self.weight).for_each(|_| filler.render(out, seq, sender));
        }
        self.answered.render(out, seq, sender);
    }
}

/// Returns a chat message of exactly [`CHAT_LEN`] bytes, and the length of its body.
fn chat_of_len(local: &str) -> (Template, usize) {
    let body_len = CHAT_LEN - (chat(local, BODY_MIN).len() - BODY_MIN);
    (chat(local, body_len), body_len)
}

/// Returns a message with a receipt request, of similar length, to the domain itself, which is the
/// archive's address.
fn receipt() -> Template {
    let prose: String = PROSE.chars().take(60).collect();
    Template::new(&format!(
        "<message from='u{{n}}@localhost/bench' to='{JID}' type='chat' id='{{id}}'>\
         <body>{{id}} {prose}</body><request xmlns='urn:xmpp:receipts'/></message>"
    ))
}

/// Returns a chat message whose body starts with the id. All messages differ (a loop guard might
/// otherwise drop them), and mixed-up replies are detected.
fn chat(local: &str, body_len: usize) -> Template {
    let prose: String = PROSE.chars().cycle().take(body_len - BODY_MIN).collect();
    Template::new(&format!(
        "<message from='u{{n}}@localhost/bench' to='{local}@{JID}' type='chat' id='{{id}}'>\
         <body>{{id}} {prose}</body></message>"
    ))
}

fn iq(local: &str, kind: &str, payload: &str) -> Template {
    Template::new(&format!(
        "<iq from='u{{n}}@localhost/bench' to='{local}{JID}' type='{kind}' id='{{id}}'>\
         {payload}</iq>"
    ))
}

fn presence() -> Template {
    Template::new(&format!(
        "<presence from='u{{n}}@localhost/bench' to='bot@{JID}'>\
         <show>away</show><status>{{id}}</status></presence>"
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
