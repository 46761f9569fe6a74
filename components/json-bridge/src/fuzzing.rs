//! The entry point of the fuzz target.

use bytes::Bytes;
use campanile::stanza::Stanza;
use hyper::StatusCode;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::mapping;
use crate::settings::{Bot, Grant};
use crate::to_webhook::{answer_of, replies_of};
use crate::webhook::{Outcome, interpret};

const MESSAGE: &str = "<message from='alice@example.org/phone' to='bot@bridge.example.org' \
    type='chat' id='1'><body>x</body></message>";
const REQUEST: &str = "<iq from='alice@example.org/phone' to='bot@bridge.example.org' type='get' \
    id='1'><query xmlns='jabber:iq:version'/></iq>";

/// Interprets a response of a webhook: a status, headers line by line, an empty line, and the body.
///
/// # Panics
/// Panics if a reply cannot be read again.
pub fn interpret_response(bytes: &[u8]) {
    let end = bytes.windows(2).position(|two| two == b"\n\n");
    let (head, body) = end.map_or((bytes, &[][..]), |at| (&bytes[..at], &bytes[at + 2..]));
    let mut lines = head.split(|&byte| byte == b'\n');
    let status = lines
        .next()
        .and_then(|line| StatusCode::from_bytes(line).ok());
    let headers = lines.filter_map(header).collect::<HeaderMap>();
    let status = status.unwrap_or(StatusCode::OK);
    let Outcome::Taken(answer) = interpret(status, &headers, Bytes::copy_from_slice(body)) else {
        return;
    };
    let Ok(Some(json)) = answer.json() else {
        return;
    };
    let bot = Bot {
        to: Grant::Anybody,
        ..Bot::default()
    };
    if let Ok(message) = mapping::from_xml(MESSAGE) {
        let replies = replies_of(&message, &bot, &json).unwrap_or_default();
        replies.iter().for_each(assert_readable);
    }
    if let Ok(request) = mapping::from_xml(REQUEST) {
        let mut addressed = Vec::new();
        if let Ok(reply) = answer_of(&request, &json) {
            reply.address(&request, |stanza| addressed.push(stanza));
            assert_eq!(addressed.len(), 1, "one response to an iq");
        }
        addressed.iter().for_each(assert_readable);
    }
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let at = line.iter().position(|&byte| byte == b':')?;
    let name = HeaderName::from_bytes(&line[..at]).ok()?;
    Some((
        name,
        HeaderValue::from_bytes(line[at + 1..].trim_ascii()).ok()?,
    ))
}

fn assert_readable(stanza: &Stanza) {
    let xml = stanza.to_xml();
    let again = mapping::from_xml(&xml);
    assert!(again.is_ok(), "{xml}: {again:?}");
}
