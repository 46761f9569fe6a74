//! The stream of one component, from its header to its end.

use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::outgoing::Outgoing;
use super::parcel::{encode, stand_in};
use super::refusal;
use super::tables::{Mounting, Shared};
use crate::error::{Condition, StanzaError};
use crate::stanza::{Kind, Stanza};
use crate::stream::handshake::digest;
use crate::stream::{Bounds, COMPONENT, Defect, Event, Fault, Io, Reader, Refused, STREAMS, StreamHeader, TopLevel};

/// Prosody's `component_stanza_size_limit`.
const MAX_STANZA: usize = 524_288;
/// ejabberd's `negotiation_timeout`.
const OPENING: Duration = Duration::from_secs(30);
/// How long what was still to be sent may take, and the other side to close.
const LINGER: Duration = Duration::from_secs(5);

/// Serves a connection in a task of its own, or drops it when that is not possible.
pub(super) fn spawn(shared: &Arc<Shared>, io: Io) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        tracing::error!("the host takes connections within a tokio runtime only");
        return;
    };
    let stream = Arc::new(Outgoing::default());
    if shared.connect(&stream) {
        let session = Session { shared: Arc::clone(shared), stream, reader: reader(), phase: Phase::Header };
        runtime.spawn(session.run(io));
    }
}

struct Session {
    shared: Arc<Shared>,
    stream: Arc<Outgoing>,
    reader: Reader,
    phase: Phase,
}

enum Phase {
    Header,
    Handshake { domain: String, id: String },
    Mounted { domain: String },
}

/// Whether the stream goes on.
type Flow = ControlFlow<()>;

impl Session {
    async fn run(mut self, io: Io) {
        let (mut read, write) = tokio::io::split(io);
        let stream = Arc::clone(&self.stream);
        let mut writing = std::pin::pin!(stream.write_to(write));
        let written = tokio::select! {
            () = self.read(&mut read) => {
                self.leave();
                timeout(LINGER, writing).await.unwrap_or_else(|late| Err(late.into()))
            }
            written = &mut writing => written,
        };
        self.leave();
        if let Err(error) = written {
            tracing::debug!(%error, "a component no longer takes what is sent to it");
        } else {
            // Closing with bytes unread would reset the connection, and the other side might never read why.
            let _ = timeout(LINGER, discard(&mut read)).await;
        }
        self.shared.disconnected();
    }

    fn leave(&mut self) {
        let domain = match &self.phase {
            Phase::Mounted { domain } => Some(domain.as_str()),
            _ => None,
        };
        self.shared.unmount(domain, &self.stream);
    }

    /// Reads until the stream ends. The last words, if any, are then on their way.
    async fn read(&mut self, io: &mut (impl AsyncRead + Unpin)) {
        let deadline = Instant::now() + OPENING;
        loop {
            if self.events().is_break() {
                return;
            }
            let read = io.read_buf(self.reader.buffer());
            let read = match self.phase {
                Phase::Mounted { .. } => read.await,
                _ => match timeout_at(deadline, read).await {
                    Ok(read) => read,
                    Err(_) => return self.refuse("connection-timeout", Some("Idle connection")),
                },
            };
            if !matches!(read, Ok(1..)) {
                return self.stream.finish(b"");
            }
        }
    }

    fn events(&mut self) -> Flow {
        loop {
            match self.reader.next() {
                Ok(None) => return Flow::Continue(()),
                Ok(Some(event)) => self.event(event)?,
                Err(Fault::NoStream) => return self.end_with("invalid-namespace", None),
                // Prosody says this of everything that it cannot read, comments included.
                Err(_) => return self.end_with("not-well-formed", None),
            }
        }
    }

    fn event(&mut self, event: Event) -> Flow {
        match event {
            Event::Open(header) => self.open(header),
            Event::Stanza(stanza) => self.stanza(&stanza),
            Event::Refused(refused) => self.refused(refused),
            Event::Element(element) => self.element(&element),
            Event::Close => self.end(refusal::CLOSE),
        }
    }

    fn open(&mut self, header: StreamHeader) -> Flow {
        if header.namespace != COMPONENT {
            return self.end_with("invalid-namespace", None);
        }
        let Some(domain) = header.to else { return self.end(&refusal::no_to()) };
        if self.shared.settings.secret_for(&domain).is_none() {
            return self.end(&refusal::host_unknown(&domain));
        }
        let id = String::from(self.shared.ids.fresh());
        let header = format!(
            "<?xml version='1.0'?><stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAMS}' from='{domain}' id='{id}' \
             xml:lang='en'>"
        );
        self.phase = Phase::Handshake { domain, id };
        self.say(&header)
    }

    fn element(&mut self, element: &TopLevel) -> Flow {
        match (&self.phase, element.namespace.as_str(), element.name.as_str()) {
            (_, STREAMS, "error") => self.end(refusal::CLOSE),
            (Phase::Handshake { .. }, COMPONENT, "handshake") => self.handshake(element),
            _ => self.end_with("unsupported-stanza-type", None),
        }
    }

    fn handshake(&mut self, element: &TopLevel) -> Flow {
        let Phase::Handshake { domain, id } = &self.phase else { return Flow::Continue(()) };
        if !element.children.is_empty() {
            return self.end_with("not-authorized", None);
        }
        // Lower case and no white space, which is what satisfies ejabberd too.
        let right = self.shared.settings.secret_for(domain).map(|secret| digest(id, secret));
        if right.is_none_or(|right| right.as_bytes() != element.children.as_bytes()) {
            return self.end(&refusal::wrong_secret());
        }
        let domain = domain.clone();
        match self.shared.mount(&domain, &self.stream) {
            Mounting::Done => self.phase = Phase::Mounted { domain },
            Mounting::Taken => return self.end(&refusal::conflict()),
        }
        Flow::Continue(())
    }

    fn stanza(&mut self, stanza: &Stanza) -> Flow {
        let Phase::Mounted { domain } = &self.phase else {
            return self.tell(stanza, &StanzaError::new(Condition::ServiceUnavailable));
        };
        // Without `from`, Prosody 13 and ejabberd close the stream; an address that is no JID counts as missing.
        if stanza.from.as_ref().is_none_or(|from| from.domain().as_str() != domain) {
            return self.end(&refusal::foreign_sender(stanza.from.as_ref(), domain));
        }
        if stanza.to.is_none() {
            return self.tell(stanza, &refusal::no_recipient());
        }
        self.shared.deliver(stanza);
        Flow::Continue(())
    }

    /// A stanza that is well-formed and still none (RFC 6120 §8.2.3), or too large.
    fn refused(&mut self, refused: Refused) -> Flow {
        if matches!(refused.defect, Defect::TooLarge) {
            // This is what Prosody says of it.
            return self.end_with("not-well-formed", None);
        }
        self.tell(&stand_in(refused.head), &StanzaError::new(Condition::BadRequest))
    }

    /// Sends a stanza error to the component itself.
    fn tell(&self, stanza: &Stanza, error: &StanzaError) -> Flow {
        if stanza.kind.is_error() || stanza.kind.is_response() {
            self.shared.dropped.one();
            return Flow::Continue(());
        }
        let Stanza { kind, id, from, to, .. } = stanza.clone_head();
        let (kind, children): (Kind, _) = (kind.to_error(), error.to_children());
        let refusal = Stanza { kind, id, from: to, to: from, lang: None, children };
        self.say(&String::from_utf8_lossy(&encode(&refusal)))
    }

    fn say(&self, words: &str) -> Flow {
        if self.stream.push(words.as_bytes()).is_err() {
            self.shared.dropped.one();
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
        let header = if matches!(self.phase, Phase::Header) { refusal::EMPTY_HEADER } else { "" };
        self.stream.finish((header.to_owned() + &error).as_bytes());
    }
}

fn reader() -> Reader {
    Reader::new(Bounds { max_stanza: MAX_STANZA, max_depth: 256 })
}

/// Reads to the end and keeps nothing.
async fn discard(io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    while io.read(&mut bytes).await? > 0 {}
    Ok(())
}
