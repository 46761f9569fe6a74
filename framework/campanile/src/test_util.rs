//! Helpers for tests of handlers, routes and layers: XML of a stanza in, XML of its replies out.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use minidom::Element;
use tower_service::Service;

use crate::client::Client;
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::stanza::Stanza;

/// Parses a stanza. Adds `jabber:client`, the sender and the recipient if they are missing.
pub(crate) fn stanza(xml: &str) -> Stanza {
    // By way of an element: some tests want an IQ that the reader would reject.
    let end = xml.find([' ', '/', '>']).unwrap();
    let xml = format!("{} xmlns='jabber:client'{}", &xml[..end], &xml[end..]);
    let mut stanza = Stanza::try_from(&xml.parse::<Element>().unwrap()).unwrap();
    if stanza.from().is_none() {
        stanza.set_from(Some("alice@example.org/desk".parse().unwrap()));
    }
    if stanza.to().is_none() {
        stanza.set_to(Some("bot.localhost".parse().unwrap()));
    }
    stanza
}

pub(crate) fn inbound(xml: &str) -> Inbound {
    Inbound::new(
        stanza(xml),
        Client::detached(&"bot.localhost".parse().unwrap()),
    )
    .unwrap()
}

/// Calls a service whose future must be ready at the first poll.
pub(crate) fn call<T>(service: &mut T, xml: &str) -> Result<Reply, BoxError>
where
    T: Service<Inbound, Response = Reply, Error = BoxError>,
{
    let mut cx = Context::from_waker(Waker::noop());
    assert!(
        service.poll_ready(&mut cx).is_ready(),
        "the service is not ready"
    );
    match pin!(service.call(inbound(xml))).poll(&mut cx) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the reply is not ready at the first poll"),
    }
}

/// Calls a service and returns the XML of the stanzas it sends.
pub(crate) fn answer<T>(service: &mut T, xml: &str) -> String
where
    T: Service<Inbound, Response = Reply, Error = BoxError>,
{
    addressed(call(service, xml), &stanza(xml))
}

pub(crate) fn addressed(answer: Result<Reply, BoxError>, request: &Stanza) -> String {
    let mut out = String::new();
    let reply =
        answer.unwrap_or_else(|error| Reply::Error(crate::error::into_stanza_error(&error)));
    reply.address(request, |stanza| out.push_str(&stanza.to_xml()));
    out
}
