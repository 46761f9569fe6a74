//! Component streams (XEP-0114).

use crate::host::ids;
use std::sync::Arc;

use super::connection::{self, Flow, Peer};
use super::raw_stanza::encode;
use super::refusal;
use super::state::{MountOutcome, Shared};
use super::write_buffer::WriteBuffer;
use crate::io::Io;
use campanile::error::{Condition, StanzaError};
use campanile::stanza::Stanza;
use campanile_stanza::reader::{
    COMPONENT, Event, ReadError, Reader, RejectedStanza, STREAMS, StanzaDefect, StreamElement,
    StreamHeader,
};

/// Serves a component's connection in a new task. Drops it if there is no runtime, or no capacity.
pub(super) fn spawn(shared: &Arc<Shared>, io: Io) {
    let session = |stream| Session {
        shared: Arc::clone(shared),
        stream,
        phase: Phase::Header,
    };
    connection::spawn(shared, io, session);
}

struct Session {
    shared: Arc<Shared>,
    stream: Arc<WriteBuffer>,
    phase: Phase,
}

enum Phase {
    Header,
    Handshake { domain: String, id: String },
    Mounted { domain: String },
}

impl Peer for Session {
    fn stream(&self) -> &Arc<WriteBuffer> {
        &self.stream
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Mounted { .. })
    }

    async fn event(&mut self, event: Event, _: &mut Reader) -> Flow {
        match event {
            Event::Open(header) => self.open(header),
            Event::Stanza(stanza) => self.stanza(&stanza),
            Event::Rejected(refused) => self.refused(&refused),
            Event::Element(element) => self.element(&element),
            Event::Close => self.end(refusal::CLOSE),
        }
    }

    fn fault(&mut self, fault: ReadError) {
        match fault {
            ReadError::NoStream => self.refuse("invalid-namespace", None),
            // Prosody's condition for all input that it cannot parse, comments included.
            _ => self.refuse("not-well-formed", None),
        }
    }

    fn late(&mut self) {
        self.refuse("connection-timeout", Some("Idle connection"));
    }

    fn leave(&mut self) {
        let domain = match &self.phase {
            Phase::Mounted { domain } => Some(domain.as_str()),
            _ => None,
        };
        self.shared.unmount(domain, &self.stream);
    }
}

impl Session {
    fn open(&mut self, header: StreamHeader) -> Flow {
        if header.namespace != COMPONENT {
            return self.end_with("invalid-namespace", None);
        }
        let Some(domain) = header.to else {
            return self.end(&refusal::no_to());
        };
        if self.shared.settings.secret_for(&domain).is_none() {
            return self.end(&refusal::host_unknown(&domain));
        }
        let id = String::from(ids::fresh());
        let header = format!(
            "<?xml version='1.0'?><stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAMS}' \
            from='{domain}' id='{id}' \
             xml:lang='en'>"
        );
        self.phase = Phase::Handshake { domain, id };
        self.say(&header)
    }

    fn element(&mut self, element: &StreamElement) -> Flow {
        match (
            &self.phase,
            element.namespace.as_str(),
            element.name.as_str(),
        ) {
            (_, STREAMS, "error") => self.end(refusal::CLOSE),
            (Phase::Handshake { .. }, COMPONENT, "handshake") => self.handshake(element),
            _ => self.end_with("unsupported-stanza-type", None),
        }
    }

    fn handshake(&mut self, element: &StreamElement) -> Flow {
        let Phase::Handshake { domain, id } = &self.phase else {
            return Flow::Continue(());
        };
        if !element.children.is_empty() {
            return self.end_with("not-authorized", None);
        }
        // Lower case without white space, which satisfies ejabberd too.
        let right = self
            .shared
            .settings
            .secret_for(domain)
            .map(|secret| secret.handshake(id));
        if right.is_none_or(|right| right.as_bytes() != element.children.as_bytes()) {
            return self.end(&refusal::wrong_secret());
        }
        let domain = domain.clone();
        match self.shared.mount(&domain, &self.stream) {
            MountOutcome::Mounted => self.phase = Phase::Mounted { domain },
            MountOutcome::Conflict => return self.end(&refusal::conflict()),
        }
        Flow::Continue(())
    }

    fn stanza(&mut self, stanza: &Stanza) -> Flow {
        let Phase::Mounted { domain } = &self.phase else {
            return self.tell(stanza, &StanzaError::new(Condition::ServiceUnavailable));
        };
        // Without `from`, Prosody 13 and ejabberd close the stream; an invalid JID counts as
        // missing.
        if stanza.from_domain().is_none_or(|from| *from != **domain) {
            return self.end(&refusal::foreign_sender(stanza.from(), domain));
        }
        if stanza.to_text().is_none() {
            return self.tell(stanza, &refusal::no_recipient());
        }
        self.shared.deliver(stanza);
        Flow::Continue(())
    }

    /// Handles a stanza that is well-formed but invalid (RFC 6120 §8.2.3), or too large.
    fn refused(&mut self, refused: &RejectedStanza) -> Flow {
        if matches!(refused.defect(), StanzaDefect::TooLarge) {
            // Prosody's condition for oversized stanzas.
            return self.end_with("not-well-formed", None);
        }
        self.tell(
            &refused.to_stanza(),
            &StanzaError::new(Condition::BadRequest),
        )
    }

    /// Replies to the component with a stanza error.
    fn tell(&self, stanza: &Stanza, error: &StanzaError) -> Flow {
        if stanza.kind().is_error() || stanza.kind().is_response() {
            self.shared.count_dropped();
            return Flow::Continue(());
        }
        let refusal = stanza
            .reply(stanza.kind().to_error())
            .with_children(error.to_children());
        self.say(&String::from_utf8_lossy(&encode(&refusal)))
    }

    fn say(&self, words: &str) -> Flow {
        if self.stream.push(words.as_bytes()).is_err() {
            self.shared.count_dropped();
        }
        Flow::Continue(())
    }

    fn end(&self, last: &str) -> Flow {
        self.stream.finish(last.as_bytes());
        Flow::Break(())
    }

    fn end_with(&self, condition: &str, text: Option<&str>) -> Flow {
        self.refuse(condition, text);
        Flow::Break(())
    }

    fn refuse(&self, condition: &str, text: Option<&str>) {
        let error = refusal::stream_error(condition, text);
        let header = if matches!(self.phase, Phase::Header) {
            refusal::EMPTY_HEADER
        } else {
            ""
        };
        self.stream.finish((header.to_owned() + &error).as_bytes());
    }
}
