//! The stanzas of a run.

use super::Expect;
use crate::stanza::Template;

pub(super) const CHAT_LEN: usize = 150;
/// An id and a space.
pub(super) const BODY_MIN: usize = crate::stanza::ID_LEN + 1;
pub(super) const PRESENCE_WEIGHT: u32 = 16;
const PROSE: &str =
    "The bell is rung at noon, and everyone who hears it replies in order of hearing. ";

/// Source of the stanzas of a run.
#[derive(Debug)]
pub struct Source {
    pub senders: u32,
    pub expect: Expect,
    /// Minimum length of an echo's content.
    pub content_len: usize,
    /// Number of stanzas per reply.
    pub weight: u32,
    /// The templates of each stream.
    pub(super) streams: Vec<Templates>,
}

#[derive(Debug)]
pub(super) struct Templates {
    pub(super) filler: Option<Template>,
    pub(super) answered: Template,
}

impl Source {
    /// Returns the index of the stream for the stanzas numbered `seq`.
    pub fn stream_of(&self, seq: u32) -> usize {
        (seq % self.senders) as usize % self.streams.len()
    }

    /// Appends the stanzas numbered `seq`, of which the last is answered.
    pub fn render(&self, out: &mut Vec<u8>, seq: u32) {
        let sender = seq % self.senders;
        let templates = &self.streams[self.stream_of(seq)];
        if let Some(filler) = &templates.filler {
            (1..self.weight).for_each(|_| filler.render(out, seq, sender));
        }
        templates.answered.render(out, seq, sender);
    }
}

/// Returns a message with a receipt request, of similar length, to the domain itself, which is the
/// archive's address.
pub(super) fn receipt(jid: &str) -> Template {
    let prose: String = PROSE.chars().take(60).collect();
    Template::new(&format!(
        "<message from='u{{n}}@localhost/bench' to='{jid}' type='chat' id='{{id}}'>\
         <body>{{id}} {prose}</body><request xmlns='urn:xmpp:receipts'/></message>"
    ))
}

/// Returns a chat message whose body starts with the id. All messages differ (a loop guard might
/// otherwise drop them), and mixed-up replies are detected.
pub(super) fn chat(jid: &str, local: &str, body_len: usize) -> Template {
    let body = body(body_len);
    Template::new(&format!(
        "<message from='u{{n}}@localhost/bench' to='{local}@{jid}' type='chat' id='{{id}}'>\
         <body>{body}</body></message>"
    ))
}

/// Returns a body of this length, which starts with the id.
pub(super) fn body(len: usize) -> String {
    let prose: String = PROSE.chars().cycle().take(len - BODY_MIN).collect();
    format!("{{id}} {prose}")
}

pub(super) fn iq(jid: &str, local: &str, kind: &str, payload: &str) -> Template {
    Template::new(&format!(
        "<iq from='u{{n}}@localhost/bench' to='{local}{jid}' type='{kind}' id='{{id}}'>\
         {payload}</iq>"
    ))
}

pub(super) fn presence(jid: &str) -> Template {
    Template::new(&format!(
        "<presence from='u{{n}}@localhost/bench' to='bot@{jid}'>\
         <show>away</show><status>{{id}}</status></presence>"
    ))
}
