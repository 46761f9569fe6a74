//! Identifies the protocol at an address, to explain a port that was mixed up.

use std::io;
use std::time::Duration;

use campanile::connection::ServerAddress;
use campanile::jid::BareJid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const COMPONENTS: &str = "jabber:component:accept";
const CLIENTS: &str = "jabber:client";
const SERVERS: &str = "jabber:server";
/// Maximum number of bytes read; larger than any stream header.
const LARGEST: usize = 16 * 1024;

/// The protocol found at an address.
#[derive(Debug)]
pub(super) enum Port {
    /// The connection failed.
    Unreachable(io::Error),
    /// Connections are accepted, but no data is sent.
    Silent,
    /// TLS from the first byte; the protocol within is unknown.
    Tls,
    /// XMPP component streams.
    Components(Software),
    /// XMPP client streams.
    Clients,
    /// XMPP server-to-server streams.
    Servers,
    /// HTTP.
    Http,
    /// Any other protocol.
    Unknown,
}

/// The server software, as far as its stream header reveals it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Software {
    Prosody,
    Ejabberd,
    Unknown,
}

/// Identifies the protocol at this address. Each response may take `within`.
pub(super) async fn probe(address: &ServerAddress, domain: &BareJid, within: Duration) -> Port {
    let said = match ask(address, header(domain).as_bytes(), within, is_header).await {
        Ok(said) => said,
        Err(error) => return Port::Unreachable(error),
    };
    if let Some(port) = said.as_deref().and_then(understand) {
        return port;
    }
    // A TLS port ignores a stream header, so send a ClientHello.
    match ask(address, &hello(), within, |bytes| bytes.len() >= 3).await {
        Ok(Some(bytes)) if matches!(bytes.as_slice(), [0x15 | 0x16, 3, ..]) => Port::Tls,
        _ if said.is_none_or(|said| said.is_empty()) => Port::Silent,
        _ => Port::Unknown,
    }
}

/// Returns `true` if anything accepts connections at this address.
pub(super) async fn listens(host: &str, port: u16, within: Duration) -> bool {
    matches!(
        timeout(within, TcpStream::connect((host, port))).await,
        Ok(Ok(_))
    )
}

/// Returns a ClientHello of TLS 1.2 (RFC 5246 §7.4.1.2).
///
/// Any TLS server answers it with a TLS record, even if that is an alert.
fn hello() -> Vec<u8> {
    // ECDHE with RSA or ECDSA and AES-GCM; X25519 and P-256; SHA-256 with ECDSA, RSA-PSS and RSA.
    let suites = [0xc0, 0x2b, 0xc0, 0x2f, 0xc0, 0x2c, 0xc0, 0x30];
    let groups = extension(10, &sized(&[0, 29, 0, 23]));
    let signatures = extension(13, &sized(&[4, 3, 8, 4, 4, 1]));
    let extensions = sized(&[groups, signatures].concat());
    // Version, random, no session; at the end the null compression method.
    let body = [
        &[3, 3],
        [0x5a; 32].as_slice(),
        &[0],
        &sized(&suites),
        &[1, 0],
        &extensions,
    ]
    .concat();
    let message = [[1, 0].as_slice(), &sized(&body)].concat();
    [[0x16, 3, 1].as_slice(), &sized(&message)].concat()
}

fn extension(kind: u8, data: &[u8]) -> Vec<u8> {
    [[0, kind].as_slice(), &sized(data)].concat()
}

/// Prefixes data with its length in two bytes.
fn sized(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap_or(u16::MAX);
    [length.to_be_bytes().as_slice(), data].concat()
}

fn header(domain: &BareJid) -> String {
    format!(
        "<?xml version='1.0'?><stream:stream xmlns='{COMPONENTS}' \
        xmlns:stream='http://etherx.jabber.org/streams' \
         to='{domain}'>"
    )
}

/// Sends data on a new connection, and reads until `enough` is satisfied.
///
/// Returns `None` if nothing arrives in time.
async fn ask(
    address: &ServerAddress,
    what: &[u8],
    within: Duration,
    enough: impl Fn(&[u8]) -> bool,
) -> io::Result<Option<Vec<u8>>> {
    match address {
        ServerAddress::Tcp { host, port } => {
            let stream = timeout(within, TcpStream::connect((host.as_str(), *port))).await??;
            Ok(exchange(stream, what, within, enough).await)
        }
        ServerAddress::Unix(path) => {
            let stream = timeout(within, tokio::net::UnixStream::connect(path)).await??;
            Ok(exchange(stream, what, within, enough).await)
        }
        _ => Err(io::Error::from(io::ErrorKind::Unsupported)),
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    what: &[u8],
    within: Duration,
    enough: impl Fn(&[u8]) -> bool,
) -> Option<Vec<u8>> {
    let mut answer = Vec::new();
    let ended = timeout(within, async {
        // A peer that closes at once has sent all it will.
        if stream.write_all(what).await.is_err() {
            return;
        }
        while !enough(&answer) && answer.len() < LARGEST {
            if !matches!(stream.read_buf(&mut answer).await, Ok(1..)) {
                return;
            }
        }
    });
    let in_time = ended.await.is_ok();
    (in_time || !answer.is_empty()).then_some(answer)
}

/// Returns `true` if the complete tag of a stream header, or anything else, has been received.
fn is_header(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    match text.find("stream:stream") {
        Some(at) => text[at..].contains('>'),
        None => !text.is_empty() && (!text.starts_with('<') || text.contains("</")),
    }
}

/// Identifies the protocol from the answer to a component's stream header, if possible.
fn understand(answer: &[u8]) -> Option<Port> {
    let text = String::from_utf8_lossy(answer);
    if text.starts_with("HTTP/") {
        return Some(Port::Http);
    }
    let tag = text.split_once("stream:stream")?.1;
    let tag = tag.split_once('>').map_or(tag, |(tag, _)| tag);
    match attribute(tag, "xmlns")? {
        COMPONENTS => Some(Port::Components(software(tag))),
        CLIENTS => Some(Port::Clients),
        SERVERS => Some(Port::Servers),
        _ => Some(Port::Unknown),
    }
}

/// Recognizes the server by its stream id.
///
/// Prosody uses UUIDs, and an empty id in the header of a refusal; ejabberd uses numbers.
fn software(tag: &str) -> Software {
    let Some(id) = attribute(tag, "id") else {
        return Software::Unknown;
    };
    let is_uuid = id.len() == 36 && id.matches('-').count() == 4;
    if is_uuid || (id.is_empty() && attribute(tag, "version").is_some()) {
        Software::Prosody
    } else if id.len() >= 10 && id.bytes().all(|byte| byte.is_ascii_digit()) {
        Software::Ejabberd
    } else {
        Software::Unknown
    }
}

/// Returns the value of an attribute. Values in a stream header contain no quotation marks.
fn attribute<'t>(tag: &'t str, name: &str) -> Option<&'t str> {
    tag.split_ascii_whitespace().find_map(|part| {
        let value = part.strip_prefix(name)?.strip_prefix('=')?;
        let quote = value
            .chars()
            .next()
            .filter(|quote| matches!(quote, '\'' | '"'))?;
        value[1..].split(quote).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stream_header_identifies_protocol_and_software() {
        let header = |rest| {
            format!(
                "<?xml version='1.0'?><stream:stream \
                xmlns:stream='http://etherx.jabber.org/streams' {rest}>"
            )
        };
        for (rest, expected) in [
            (
                "id='20722f1c-f093-4195-b6a4-1b358f8ec598' xmlns='jabber:component:accept'",
                "Components(Prosody)",
            ),
            (
                "xmlns='jabber:component:accept' version='1.0' id=''",
                "Components(Prosody)",
            ),
            (
                "id='13473025363810651189' xmlns='jabber:component:accept'",
                "Components(Ejabberd)",
            ),
            (
                "id=\"3k2b1x\" xmlns=\"jabber:component:accept\"",
                "Components(Unknown)",
            ),
            ("id='1' xmlns='jabber:client' version='1.0'", "Clients"),
            ("id='1' version='1.0' xmlns='jabber:server'", "Servers"),
        ] {
            let header = header(rest);
            assert!(is_header(header.as_bytes()), "{header}");
            assert_eq!(
                format!("{:?}", understand(header.as_bytes()).unwrap()),
                expected,
                "{header}"
            );
        }
        assert!(matches!(
            understand(b"HTTP/1.1 400 Bad Request\r\n"),
            Some(Port::Http)
        ));
        assert!(understand(b"SSH-2.0-OpenSSH_9.2").is_none());
        assert!(
            is_header(b"SSH-2.0")
                && !is_header(b"")
                && !is_header(b"<?xml version='1.0'?><stream:stream ")
        );
    }

    #[test]
    fn client_hello_has_the_announced_length() {
        let hello = hello();
        let length = |at: usize| usize::from(u16::from_be_bytes([hello[at], hello[at + 1]]));
        assert_eq!((length(3), length(7)), (hello.len() - 5, hello.len() - 9));
    }
}
