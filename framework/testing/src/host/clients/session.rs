//! Client streams: SASL, resource binding, and stanzas.

use crate::host::ids;
use std::sync::Arc;

use jid::{BareJid, Jid};
use xmpp_parsers::bind::{BindQuery, BindResponse};
use xmpp_parsers::ns;

use super::CLIENTS;
use super::sasl::{Exchange, MECHANISMS, Step};
use crate::host::connection::{self, Flow, Peer};
use crate::host::raw_stanza::encode;
use crate::host::refusal;
use crate::host::state::Shared;
use crate::host::write_buffer::WriteBuffer;
use crate::io::Io;
use campanile::error::{Condition, StanzaError};
use campanile::stanza::{Children, IqType, Kind, Stanza};
use campanile_stanza::reader::{
    Event, ReadError, Reader, RejectedStanza, STREAMS, StanzaDefect, StreamElement, StreamHeader,
};
use campanile_stanza::xml::CLIENT;

/// Maximum number of failed logins before the connection is closed.
const ATTEMPTS: usize = 5;

/// Serves a client's connection in a new task. Drops it if there is no runtime, or no capacity.
pub(in crate::host) fn spawn(shared: &Arc<Shared>, io: Io) {
    if !shared.take_client(CLIENTS) {
        tracing::warn!(
            max_clients = CLIENTS,
            "client connection dropped: too many clients"
        );
        return;
    }
    let counted = Counted(Arc::clone(shared));
    let session = |stream| Session {
        shared: Arc::clone(shared),
        stream,
        phase: Phase::default(),
        failures: 0,
        counted,
    };
    connection::spawn(shared, io, session);
}

struct Session {
    shared: Arc<Shared>,
    stream: Arc<WriteBuffer>,
    phase: Phase,
    failures: usize,
    #[allow(dead_code, reason = "decrements the count when dropped")]
    counted: Counted,
}

struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.state().clients -= 1;
    }
}

/// Negotiation phase. Each stream header is followed by the features that are still to be
/// negotiated.
enum Phase {
    Header(Option<BareJid>),
    Authenticating(Exchange),
    Binding(BareJid),
    Bound(Jid),
}

impl Default for Phase {
    fn default() -> Self {
        Self::Header(None)
    }
}

impl Peer for Session {
    fn stream(&self) -> &Arc<WriteBuffer> {
        &self.stream
    }

    fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Bound(_))
    }

    async fn event(&mut self, event: Event, reader: &mut Reader) -> Flow {
        match event {
            Event::Open(header) => self.open(&header),
            Event::Stanza(stanza) => self.stanza(stanza).await,
            Event::Rejected(refused) => self.refused(&refused),
            Event::Element(element) => self.element(&element, reader),
            Event::Close => self.end(refusal::CLOSE),
        }
    }

    fn fault(&mut self, fault: ReadError) {
        self.refuse(match fault {
            ReadError::NoStream => "invalid-namespace",
            ReadError::Restricted(_) => "restricted-xml",
            ReadError::TagTooLarge => "policy-violation",
            _ => "not-well-formed",
        });
    }

    fn late(&mut self) {
        self.refuse("connection-timeout");
    }

    fn leave(&mut self) {
        match std::mem::take(&mut self.phase) {
            Phase::Bound(jid) => self.shared.unbind(&jid.to_bare(), &self.stream),
            _ => self.shared.state().opened(&self.stream),
        }
    }
}

impl Session {
    fn open(&mut self, header: &StreamHeader) -> Flow {
        let Phase::Header(account) = &self.phase else {
            return self.end_with("invalid-xml");
        };
        let account = account.clone();
        if header.namespace != CLIENT {
            return self.end_with("invalid-namespace");
        }
        let domain = &self.shared.settings.domain;
        if header
            .to
            .as_deref()
            .is_some_and(|to| !to.eq_ignore_ascii_case(domain))
        {
            return self.end_with("host-unknown");
        }
        let mut words = self.header();
        match account {
            None => {
                let offer = MECHANISMS
                    .map(|name| format!("<mechanism>{name}</mechanism>"))
                    .concat();
                words += &format!(
                    "<stream:features><mechanisms \
                    xmlns='{}'>{offer}</mechanisms></stream:features>",
                    ns::SASL
                );
                self.phase = Phase::Authenticating(Exchange::None);
            }
            Some(account) => {
                words += &format!(
                    "<stream:features><bind xmlns='{}'/><session \
                    xmlns='urn:ietf:params:xml:ns:xmpp-session'>\
                     <optional/></session></stream:features>",
                    ns::BIND
                );
                self.phase = Phase::Binding(account);
            }
        }
        self.say(&words)
    }

    fn header(&self) -> String {
        format!(
            "<?xml version='1.0'?><stream:stream xmlns='{CLIENT}' xmlns:stream='{STREAMS}' \
            from='{}' id='{}' \
             version='1.0' xml:lang='en'>",
            self.shared.settings.domain,
            ids::fresh()
        )
    }

    fn element(&mut self, element: &StreamElement, reader: &mut Reader) -> Flow {
        let Phase::Authenticating(exchange) = &mut self.phase else {
            return match element.namespace.as_str() {
                STREAMS => self.end(refusal::CLOSE),
                _ => self.end_with("unsupported-stanza-type"),
            };
        };
        if element.namespace != ns::SASL {
            return self.end_with("not-authorized");
        }
        let step = match element.name.as_str() {
            "auth" => {
                *exchange = Exchange::begin(element.attribute("mechanism").unwrap_or_default());
                match exchange {
                    Exchange::None => Step::Failure("invalid-mechanism"),
                    _ => exchange.step(&element.text(), &self.shared),
                }
            }
            // An empty `response` is equivalent to `=`.
            "response" if element.text().is_empty() => exchange.step("=", &self.shared),
            "response" => exchange.step(&element.text(), &self.shared),
            "abort" => Step::Failure("aborted"),
            _ => return self.end_with("unsupported-stanza-type"),
        };
        self.say(&step.xml())?;
        self.settle(step, reader)
    }

    fn settle(&mut self, step: Step, reader: &mut Reader) -> Flow {
        match step {
            Step::Challenge(_) => {}
            Step::Success(account, _) => {
                // RFC 6120 §6.4.6: a new stream on the same connection. Buffered input belongs to
                // it.
                let rest = std::mem::take(reader.buffer());
                *reader = connection::reader();
                reader.buffer().extend_from_slice(&rest);
                self.phase = Phase::Header(Some(account));
            }
            Step::Failure(_) => {
                self.phase = Phase::Authenticating(Exchange::None);
                self.failures += 1;
                if self.failures >= ATTEMPTS {
                    return self.end_with("policy-violation");
                }
            }
        }
        Flow::Continue(())
    }

    async fn stanza(&mut self, stanza: Stanza) -> Flow {
        match &self.phase {
            Phase::Bound(jid) => {
                let jid = jid.clone();
                // RFC 6120 §8.1.2.1.
                if stanza
                    .from()
                    .is_some_and(|from| *from != jid && *from != jid.to_bare())
                {
                    return self.end_with("invalid-from");
                }
                self.shared
                    .client_sends(&jid, stanza.with_from(jid.clone()))
                    .await;
                Flow::Continue(())
            }
            Phase::Binding(account) => {
                let account = account.clone();
                self.bind(&account, &stanza)
            }
            Phase::Header(_) | Phase::Authenticating(_) => self.end_with("not-authorized"),
        }
    }

    /// Binds a resource (RFC 6120 §7).
    fn bind(&mut self, account: &BareJid, stanza: &Stanza) -> Flow {
        let query = stanza
            .child::<BindQuery>()
            .ok()
            .filter(|_| stanza.kind() == Kind::Iq(IqType::Set));
        let Some(query) = query else {
            return self.end_with("not-authorized");
        };
        let wish = query.resource.as_deref().filter(|wish| !wish.is_empty());
        let Some(jid) = self.shared.bind(account, wish, &self.stream) else {
            return self.tell(stanza, Condition::InternalServerError);
        };
        let Ok(full) = jid.clone().try_into_full() else {
            return self.end_with("internal-server-error");
        };
        self.phase = Phase::Bound(jid);
        match Children::of(&BindResponse { jid: full }) {
            Ok(children) => self.answer(stanza, Kind::Iq(IqType::Result), children),
            Err(_) => self.tell(stanza, Condition::InternalServerError),
        }
    }

    /// Handles a stanza that is well-formed but invalid (RFC 6120 §8.2.3), or too large.
    fn refused(&mut self, refused: &RejectedStanza) -> Flow {
        match refused.defect() {
            StanzaDefect::TooLarge => self.end_with("policy-violation"),
            _ => self.tell(&refused.to_stanza(), Condition::BadRequest),
        }
    }

    fn tell(&self, stanza: &Stanza, condition: Condition) -> Flow {
        if stanza.kind().is_error() || stanza.kind().is_response() {
            self.shared.count_dropped();
            return Flow::Continue(());
        }
        self.answer(
            stanza,
            stanza.kind().to_error(),
            StanzaError::new(condition).to_children(),
        )
    }

    fn answer(&self, stanza: &Stanza, kind: Kind, children: Children) -> Flow {
        let mut answer = stanza.reply(kind).with_children(children);
        answer.set_to(None);
        self.say(&String::from_utf8_lossy(&encode(&answer)))
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

    fn end_with(&self, condition: &str) -> Flow {
        self.refuse(condition);
        Flow::Break(())
    }

    fn refuse(&self, condition: &str) {
        // RFC 6120 §4.9.1.2: an error must be preceded by a stream header.
        let header = if matches!(self.phase, Phase::Header(_)) {
            self.header()
        } else {
            String::new()
        };
        self.stream
            .finish((header + &refusal::stream_error(condition, None)).as_bytes());
    }
}
