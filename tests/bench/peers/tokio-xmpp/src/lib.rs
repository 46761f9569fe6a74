//! Connection and replies shared by both programs.

// Code derived by xso for a child's text contains a no-op conversion.
#![allow(clippy::useless_conversion)]

use anyhow::Result;
use serde::{Deserialize, Serialize};
use tokio_xmpp::connect::{DnsConfig, TcpServerConnector};
use tokio_xmpp::minidom::Element;
use tokio_xmpp::xmlstream::Timeouts;
use tokio_xmpp::{Component, Stanza};
use xmpp_parsers::disco::{DiscoInfoResult, Identity};
use xmpp_parsers::iq::{Iq, IqHeader, IqPayload};
use xmpp_parsers::message::{Lang, Message, MessageType};
use xmpp_parsers::ns;
use xmpp_parsers::stanza_error::{DefinedCondition, ErrorType, StanzaError};
use xso::{AsXml, FromXml};

/// Payload of scenario `typed`.
#[derive(FromXml, AsXml, Debug)]
#[xml(namespace = "urn:campanile:bench", name = "order")]
struct Order {
    #[xml(attribute)]
    item: String,
    #[xml(attribute)]
    quantity: u32,
    #[xml(attribute)]
    express: bool,
    #[xml(extract(namespace = "urn:campanile:bench", name = "note", fields(text)))]
    note: String,
}

/// Payload of scenario `json`.
#[derive(Serialize, Deserialize)]
struct JsonOrder {
    item: String,
    quantity: u32,
    express: bool,
    note: String,
}

/// Connects to the port given on the command line.
pub async fn connect() -> Result<Component<TcpServerConnector>> {
    let port: u16 = std::env::args().nth(1).unwrap_or_default().parse()?;
    let address = DnsConfig::addr(&format!("127.0.0.1:{port}"));
    Ok(Component::new_plaintext("echo.localhost", "s3cr3t", address, Timeouts::tight()).await?)
}

/// Returns the reply to a stanza: an echo of a message, or a response to a request.
pub fn answer(stanza: Stanza) -> Option<Stanza> {
    match stanza {
        Stanza::Message(message) => echo(message).map(Stanza::Message),
        Stanza::Iq(Iq::Get {
            from,
            to,
            id,
            payload,
        }) => reply(
            IqHeader {
                from: to,
                to: from,
                id,
            },
            get(payload),
        ),
        Stanza::Iq(Iq::Set {
            from,
            to,
            id,
            payload,
        }) => reply(
            IqHeader {
                from: to,
                to: from,
                id,
            },
            set(payload),
        ),
        _ => None,
    }
}

fn echo(message: Message) -> Option<Message> {
    if message.type_ == MessageType::Error {
        return None;
    }
    let body = message.bodies.into_values().next()?;
    let mut reply = Message::new(message.from);
    reply.from = message.to;
    reply.id = message.id;
    reply.type_ = message.type_;
    reply.bodies.insert(Lang::default(), body);
    Some(reply)
}

fn reply(header: IqHeader, payload: IqPayload) -> Option<Stanza> {
    Some(Stanza::Iq(header.assemble(payload)))
}

fn get(payload: Element) -> IqPayload {
    if payload.is("ping", ns::PING) {
        IqPayload::Result(None)
    } else if payload.is("query", ns::DISCO_INFO) {
        let identity = Identity::new("component", "generic", "en", "echo");
        let features = [ns::DISCO_INFO, ns::PING].map(str::to_owned).into();
        let info = DiscoInfoResult {
            node: None,
            identities: vec![identity],
            features,
            extensions: Vec::new(),
        };
        IqPayload::Result(Some(info.into()))
    } else {
        refusal(DefinedCondition::ServiceUnavailable)
    }
}

fn set(payload: Element) -> IqPayload {
    let answered = if payload.is("json", "urn:xmpp:json:0") {
        json(&payload)
    } else {
        typed(payload)
    };
    answered.map_or_else(
        || refusal(DefinedCondition::BadRequest),
        |payload| IqPayload::Result(Some(payload)),
    )
}

fn typed(payload: Element) -> Option<Element> {
    let order: Order = xso::transform(&payload).ok()?;
    xso::transform(&order).ok()
}

fn json(payload: &Element) -> Option<Element> {
    let order: JsonOrder = serde_json::from_str(&payload.text()).ok()?;
    let text = serde_json::to_string(&order).ok()?;
    Some(
        Element::builder("json", "urn:xmpp:json:0")
            .append(text)
            .build(),
    )
}

fn refusal(condition: DefinedCondition) -> IqPayload {
    IqPayload::Error(StanzaError::new(ErrorType::Cancel, condition, "en", "no"))
}
