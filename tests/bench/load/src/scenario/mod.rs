//! Scenarios: stanzas to send and expected replies.

mod list;
mod source;

use crate::server::JID;

pub use self::list::{ALL, FILL};
pub use self::source::Source;

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
    pub streams: Streams,
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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

/// Streams of the measured process. A sender's stanzas always use the same one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// One component.
    One,
    /// Several components, each with its own JID.
    Components(u32),
    /// Several connections for one JID.
    Connections(u32),
}

impl Scenario {
    pub fn source(&self) -> Source {
        let jids = self.streams.jids();
        let streams = jids.iter().map(|jid| self.templates(jid)).collect();
        Source {
            senders: self.senders,
            expect: self.expect,
            content_len: "<body></body>".len() + self.body_len_for(&jids[0]),
            weight: self.weight(),
            streams,
        }
    }

    /// Returns `true` if the handler asks an HTTP server.
    pub fn asks_upstream(&self) -> bool {
        self.load == Load::Chat("http")
    }

    /// Returns the number of stanzas per reply.
    pub fn weight(&self) -> u32 {
        match self.load {
            Load::Presence => source::PRESENCE_WEIGHT,
            _ => 1,
        }
    }

    /// Returns the length of the body of a message to a single component.
    pub fn body_len(&self) -> usize {
        self.body_len_for(JID)
    }

    /// Returns this body, with a placeholder for the id, for requests over HTTP.
    pub fn body(&self) -> String {
        source::body(self.body_len())
    }

    fn templates(&self, jid: &str) -> source::Templates {
        let answered = match self.load {
            Load::Chat(local) => source::chat(jid, local, self.body_len_for(jid)),
            Load::Chat4k | Load::Presence => source::chat(jid, "bot", self.body_len_for(jid)),
            Load::Receipt => source::receipt(jid),
            Load::Iq(local, kind, payload) => source::iq(jid, local, kind, payload),
        };
        let filler = (self.load == Load::Presence).then(|| source::presence(jid));
        source::Templates { filler, answered }
    }

    /// Returns the length of the body of a chat message, which makes the whole stanza
    /// [`source::CHAT_LEN`] bytes long.
    fn body_len_for(&self, jid: &str) -> usize {
        let of_len = |local| {
            source::CHAT_LEN - (source::chat(jid, local, source::BODY_MIN).len() - source::BODY_MIN)
        };
        match self.load {
            Load::Chat(local) => of_len(local),
            Load::Presence => of_len("bot"),
            Load::Chat4k => 4096,
            Load::Receipt | Load::Iq(..) => 0,
        }
    }
}

impl Streams {
    /// Returns the JID of each stream.
    pub fn jids(self) -> Vec<String> {
        match self {
            Self::One => vec![JID.to_owned()],
            Self::Components(count) => (0..count)
                .map(|n| format!("echo{n:03}.localhost"))
                .collect(),
            Self::Connections(count) => vec![JID.to_owned(); count as usize],
        }
    }
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
                source::CHAT_LEN,
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
