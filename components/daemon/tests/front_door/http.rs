//! A minimal HTTP client for the admin port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// The token of the tests.
pub(crate) const TOKEN: &str = "a-token-hard-to-guess";

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect(&self.body)
    }
}

/// Sends a GET without a token, from this machine.
pub(crate) fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, &format!("GET {path}"), "", "")
}

/// Sends a GET with the token.
pub(crate) fn with_token(address: SocketAddr, path: &str) -> Answer {
    ask(
        address,
        &format!("GET {path}"),
        &format!("Authorization: Bearer {TOKEN}\r\n"),
        "",
    )
}

/// Sends a POST with the token.
pub(crate) fn post(address: SocketAddr, path: &str, body: &str) -> Answer {
    ask(
        address,
        &format!("POST {path}"),
        &format!("Authorization: Bearer {TOKEN}\r\n"),
        body,
    )
}

/// Sends a request with these headers; a `Host` among them replaces the default one.
pub(crate) fn ask(address: SocketAddr, line: &str, headers: &str, body: &str) -> Answer {
    let mut stream = TcpStream::connect(address).expect("the admin port listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time can be set");
    let host = if headers.contains("Host:") {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    let length = body.len();
    let request = format!(
        "{line} HTTP/1.1\r\n{host}{headers}Content-Length: {length}\r\nConnection: \
        close\r\n\r\n{body}"
    );
    stream
        .write_all(request.as_bytes())
        .expect("the request can be written");
    let mut text = String::new();
    stream
        .read_to_string(&mut text)
        .expect("the answer is text");
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok())
        .expect("an answer has a status");
    Answer {
        status,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    }
}
