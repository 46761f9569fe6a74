//! Opens the stream of a component (XEP-0114 §3).

use jid::BareJid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, timeout};

use super::secret::Secret;
use super::transport::Io;
use crate::error::{LinkError, StreamError};
use campanile_stanza::reader::{COMPONENT, Event, Reader, ReaderLimits, STREAMS, StreamElement};

/// Sends the stream header, authenticates with the secret, and returns the reader: stanzas may have
/// arrived in the same segment as the server's `<handshake/>`.
pub(crate) async fn open(
    io: &mut Io,
    domain: &BareJid,
    secret: &Secret,
    bounds: ReaderLimits,
    within: Duration,
) -> Result<Reader, LinkError> {
    let mut reader = Reader::new(bounds);
    let header = format!(
        "<?xml version='1.0'?><stream:stream xmlns='{COMPONENT}' xmlns:stream='{STREAMS}' \
        to='{domain}'>"
    );
    let opened = async {
        write(io, header.as_bytes()).await?;
        expect_header(io, &mut reader).await
    };
    let id = timeout(within, opened)
        .await
        .map_err(|_| LinkError::TimedOut("the server sent no stream header"))??;
    let proof = format!("<handshake>{}</handshake>", secret.handshake(&id));
    let answered = async {
        if let Err(error) = write(io, proof.as_bytes()).await {
            return Err(read_final_error(io, &mut reader)
                .await
                .unwrap_or(LinkError::Io(error)));
        }
        expect_handshake(io, &mut reader).await
    };
    timeout(within, answered)
        .await
        .map_err(|_| LinkError::TimedOut("the server did not answer the handshake"))??;
    Ok(reader)
}

async fn write(io: &mut Io, bytes: &[u8]) -> std::io::Result<()> {
    io.write_all(bytes).await?;
    io.flush().await
}

/// Reads the stream error that the server sent before it closed the socket. Servers close the
/// socket right after the error, so a write may fail before the error has been read.
pub(super) async fn read_final_error(io: &mut Io, reader: &mut Reader) -> Option<LinkError> {
    let reading = async {
        loop {
            match next(io, reader).await.ok()? {
                Event::Element(element) if is_error(&element) => return Some(refusal(&element)),
                Event::Close => return None,
                _ => {}
            }
        }
    };
    timeout(Duration::from_secs(1), reading)
        .await
        .ok()
        .flatten()
}

async fn expect_header(io: &mut Io, reader: &mut Reader) -> Result<String, LinkError> {
    match next(io, reader).await? {
        // Prosody rejects with a header that has an empty id, followed by the error.
        Event::Open(header) if header.id.is_empty() => match next(io, reader).await? {
            Event::Element(element) => Err(refusal(&element)),
            _ => Err(LinkError::Protocol("the server's stream header has no id")),
        },
        // Authenticating in another namespace would prove nothing: this is not a component port.
        Event::Open(header) if header.namespace != COMPONENT => Err(LinkError::Protocol(
            "the server speaks another protocol here: check that this is its component port",
        )),
        Event::Open(header) => Ok(header.id),
        _ => Err(LinkError::Protocol("the server sent no stream header")),
    }
}

async fn expect_handshake(io: &mut Io, reader: &mut Reader) -> Result<(), LinkError> {
    match next(io, reader).await? {
        Event::Element(element)
            if element.namespace == COMPONENT && element.name == "handshake" =>
        {
            Ok(())
        }
        Event::Element(element) => Err(refusal(&element)),
        Event::Close => Err(LinkError::Closed),
        Event::Open(_) | Event::Stanza(_) | Event::Rejected(_) => Err(LinkError::Protocol(
            "the server sent a stanza before it answered the handshake",
        )),
    }
}

fn refusal(element: &StreamElement) -> LinkError {
    if is_error(element) {
        return LinkError::Stream(StreamError::read(element));
    }
    LinkError::Protocol("the server sent an element that is neither a handshake nor an error")
}

fn is_error(element: &StreamElement) -> bool {
    element.namespace == STREAMS && element.name == "error"
}

async fn next(io: &mut Io, reader: &mut Reader) -> Result<Event, LinkError> {
    loop {
        if let Some(event) = reader.next()? {
            return Ok(event);
        }
        if io.read_buf(reader.buffer()).await? == 0 {
            return Err(LinkError::Closed);
        }
    }
}
