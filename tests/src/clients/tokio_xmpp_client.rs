//! A `tokio_xmpp::Client` in this process.
//!
//! The client runs on its own single-threaded runtime. In tokio-xmpp 6 the receiving half of a
//! client stops permanently, without a waker, when it polls for a stanza while another thread is
//! sending one (`StanzaReceiver::poll_next` only tries the lock that `StanzaSender::send` holds).
//! On one thread this cannot happen.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::StreamExt;
use minidom::Element;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_xmpp::connect::DnsConfig;
use tokio_xmpp::jid::Jid;
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Client, Event, Stanza};
use xmpp_parsers::iq::Iq;
use xmpp_parsers::message::{Id, Lang, Message, MessageType};
use xmpp_parsers::stanza_error::StanzaError;

use crate::received::CLIENT;
use crate::server::Server;
use crate::setup::password;
use crate::wait::TIMEOUT;

/// Capacity between the client and the test, in events. Beyond it the client waits, as for a slow
/// socket.
const EVENTS: usize = 4096;

/// A tokio-xmpp client, logged in.
#[derive(Debug)]
pub struct TokioXmppClient {
    orders: mpsc::Sender<Order>,
    events: mpsc::Receiver<Event>,
    jid: String,
    inbox: VecDeque<Stanza>,
    count: u64,
}

impl TokioXmppClient {
    /// Logs in a configured user, without presence.
    pub async fn login(server: &Server, user: &str) -> Self {
        Self::login_at(
            &server.client_address(),
            &format!("{user}@localhost"),
            &password(user),
        )
        .await
    }

    /// Logs in at a server on `host:port`.
    pub async fn login_at(address: &str, user: &str, password: &str) -> Self {
        let jid = Jid::new(user).expect("a JID");
        let address = DnsConfig::Addr {
            addr: address.to_owned(),
        };
        let (orders, mut events) = run(jid, password.to_owned(), address);
        let online = timeout(TIMEOUT, async {
            loop {
                match events.recv().await {
                    Some(Event::Online { bound_jid, .. }) => return bound_jid,
                    Some(Event::Stanza(_)) => {}
                    other => panic!("{user} could not log in: {other:?}"),
                }
            }
        });
        let bound = online
            .await
            .unwrap_or_else(|_| panic!("{user}: no login within {TIMEOUT:?}"));
        Self {
            orders,
            events,
            jid: bound.to_string(),
            inbox: VecDeque::new(),
            count: 0,
        }
    }

    /// Returns the full JID.
    pub fn jid(&self) -> &str {
        &self.jid
    }

    /// Sends a chat message and returns its id.
    pub async fn message(&mut self, to: &str, body: &str) -> String {
        self.message_with(to, MessageType::Chat, Some(body), &[])
            .await
    }

    /// Sends a message of any type with any children.
    pub async fn message_with(
        &mut self,
        to: &str,
        kind: MessageType,
        body: Option<&str>,
        children: &[&str],
    ) -> String {
        self.count += 1;
        let id = format!("r{}", self.count);
        let mut message = Message::new_with_type(kind, Some(Jid::new(to).expect("a JID")));
        message.id = Some(Id(id.clone()));
        message
            .bodies
            .extend(body.map(|body| (Lang::default(), body.to_owned())));
        message.payloads = children.iter().map(|xml| element(xml)).collect();
        self.send(message.into()).await;
        id
    }

    /// Sends a stanza and waits until it is written.
    pub async fn send(&mut self, stanza: Stanza) {
        let (written, wait) = oneshot::channel();
        let sent = self
            .orders
            .send(Order::Send(Box::new(stanza), written))
            .await;
        assert!(
            sent.is_ok() && wait.await.is_ok(),
            "{}: the stanza was not written",
            self.jid
        );
    }

    /// Sends an IQ get and waits for the response. Returns the payload of the result.
    ///
    /// # Errors
    /// Returns the stanza error if the response is one.
    pub async fn get(&mut self, to: &str, payload: &str) -> Result<Option<Element>, StanzaError> {
        let payload = element(payload);
        self.ask(
            |to, id| Iq::Get {
                from: None,
                to: Some(to),
                id,
                payload,
            },
            to,
        )
        .await
    }

    /// Like [`TokioXmppClient::get`], with an IQ set.
    ///
    /// # Errors
    /// As [`TokioXmppClient::get`].
    pub async fn set(&mut self, to: &str, payload: &str) -> Result<Option<Element>, StanzaError> {
        let payload = element(payload);
        self.ask(
            |to, id| Iq::Set {
                from: None,
                to: Some(to),
                id,
                payload,
            },
            to,
        )
        .await
    }

    /// Waits for the first matching stanza among those received and not yet taken.
    pub async fn next(&mut self, what: &str, fits: impl Fn(&Stanza) -> bool) -> Stanza {
        let found = self.next_within(TIMEOUT, fits).await;
        found.unwrap_or_else(|| panic!("{}: no {what}; received: {:#?}", self.jid, self.inbox))
    }

    /// Waits for the next message from a bare or full JID.
    pub async fn message_from(&mut self, from: &str) -> Message {
        let from = Jid::new(from).expect("a JID");
        let wanted = |stanza: &Stanza| match stanza {
            Stanza::Message(message) => {
                let sender = message.from.as_ref();
                sender.is_some_and(|sender| *sender == from || sender.to_bare() == from)
            }
            _ => false,
        };
        match self.next(&format!("message from {from}"), wanted).await {
            Stanza::Message(message) => message,
            other => unreachable!("not a message: {other:?}"),
        }
    }

    /// Like [`TokioXmppClient::next`], but returns `None` if no stanza matches in time.
    pub async fn next_within(
        &mut self,
        within: Duration,
        fits: impl Fn(&Stanza) -> bool,
    ) -> Option<Stanza> {
        let end = Instant::now() + within;
        loop {
            if let Some(at) = self.inbox.iter().position(&fits) {
                return self.inbox.remove(at);
            }
            match timeout_at(end, self.events.recv()).await.ok()? {
                Some(Event::Stanza(stanza)) => self.inbox.push_back(stanza),
                Some(Event::Online { .. }) => {}
                Some(Event::Disconnected(error)) => panic!("{}: disconnected: {error}", self.jid),
                None => panic!("{}: the stream ended", self.jid),
            }
        }
    }

    /// Closes the stream.
    pub async fn logout(self) {
        let (closed, wait) = oneshot::channel();
        let sent = self.orders.send(Order::Close(closed)).await;
        assert!(
            sent.is_ok() && wait.await.is_ok(),
            "{}: the stream was not closed",
            self.jid
        );
    }

    async fn ask(
        &mut self,
        make: impl FnOnce(Jid, String) -> Iq,
        to: &str,
    ) -> Result<Option<Element>, StanzaError> {
        self.count += 1;
        let id = format!("q{}", self.count);
        let peer = Jid::new(to).expect("a JID");
        self.send(make(peer.clone(), id.clone()).into()).await;
        let answers = |stanza: &Stanza| match stanza {
            Stanza::Iq(iq @ (Iq::Result { .. } | Iq::Error { .. })) => {
                *iq.id() == id && iq.from() == Some(&peer)
            }
            _ => false,
        };
        match self.next(&format!("answer from {to}"), answers).await {
            Stanza::Iq(Iq::Result { payload, .. }) => Ok(payload),
            Stanza::Iq(Iq::Error { error, .. }) => Err(error),
            other => unreachable!("not an answer: {other:?}"),
        }
    }
}

/// Command to the client's thread. The sender is notified on success, and dropped on failure.
#[derive(Debug)]
enum Order {
    Send(Box<Stanza>, oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// Starts the client in a thread, which ends when the commands or the events are dropped.
fn run(
    jid: Jid,
    password: String,
    address: DnsConfig,
) -> (mpsc::Sender<Order>, mpsc::Receiver<Event>) {
    let (orders, to_do) = mpsc::channel(1);
    let (happened, events) = mpsc::channel(EVENTS);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.expect("a runtime").block_on(async move {
            let client = Client::new_plaintext(jid, password, address, Timeouts::tight());
            serve(client, to_do, happened).await;
        });
    });
    (orders, events)
}

async fn serve(
    mut client: Client,
    mut orders: mpsc::Receiver<Order>,
    happened: mpsc::Sender<Event>,
) {
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Send(stanza, written)) => {
                    if client.send_stanza(*stanza).await.is_ok() {
                        // Fails if the test has ended.
                        let _ = written.send(());
                    }
                }
                Some(Order::Close(closed)) => {
                    if client.send_end().await.is_ok() {
                        let _ = closed.send(());
                    }
                    return;
                }
                None => return,
            },
            event = client.next() => {
                let Some(event) = event else { return };
                if happened.send(event).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Parses XML. Elements without a namespace are in `jabber:client`.
fn element(xml: &str) -> Element {
    let wrapped = format!("<all xmlns='{CLIENT}'>{xml}</all>");
    let all: Element = wrapped
        .parse()
        .unwrap_or_else(|error| panic!("not XML: {error}: {xml}"));
    all.children()
        .next()
        .cloned()
        .unwrap_or_else(|| panic!("no element: {xml}"))
}
