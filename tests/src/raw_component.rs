//! A component that exchanges raw XML with a server (XEP-0114), for input that no library would
//! send.

use std::time::Duration;

use sha1::{Digest, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::wait::TIMEOUT;

/// A component stream. Input that has been read but not requested is buffered as text.
#[derive(Debug)]
pub struct RawComponent<S = TcpStream> {
    stream: S,
    read: String,
}

impl RawComponent {
    /// Connects and authenticates, and asserts that the server accepts the handshake.
    pub async fn attach(address: &str, domain: &str, secret: &str) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .unwrap_or_else(|error| panic!("{address}: {error}"));
        Self::attach_over(stream, domain, secret).await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> RawComponent<S> {
    /// Like [`RawComponent::attach`], over an established connection.
    pub async fn attach_over(stream: S, domain: &str, secret: &str) -> Self {
        let mut component = Self::open(stream, domain).await;
        let answer = component.authenticate(secret).await;
        assert_eq!(answer, "<handshake/>", "as {domain}");
        component
    }

    /// Opens the stream (XEP-0114 §3, step 1).
    pub async fn open(stream: S, domain: &str) -> Self {
        let mut component = Self {
            stream,
            read: String::new(),
        };
        let header = format!(
            "<stream:stream xmlns='jabber:component:accept' \
            xmlns:stream='http://etherx.jabber.org/streams' to='{domain}'>"
        );
        component.write(&header).await;
        component
    }

    /// Reads the server's header and sends the digest (steps 2 and 3). Returns the next element.
    pub async fn authenticate(&mut self, secret: &str) -> String {
        let header = self.read_past("<stream:stream ", ">").await;
        let id = header
            .split_once(" id='")
            .and_then(|(_, rest)| rest.split_once('\''))
            .expect("a stream id")
            .0;
        let digest: String = Sha1::digest(format!("{id}{secret}"))
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        self.write(&format!("<handshake>{digest}</handshake>"))
            .await;
        self.read_past("<", ">").await
    }

    /// Writes XML unchanged.
    pub async fn write(&mut self, xml: &str) {
        self.stream
            .write_all(xml.as_bytes())
            .await
            .unwrap_or_else(|error| panic!("cannot write {xml}: {error}"));
    }

    /// Returns the next text that begins with `start` and ends with `end`, and skips the input
    /// before it.
    pub async fn read_past(&mut self, start: &str, end: &str) -> String {
        let read = timeout(TIMEOUT, async {
            loop {
                if let Some(found) = self.cut(start, end) {
                    return Some(found);
                }
                if !self.read_more().await {
                    return None;
                }
            }
        });
        match read.await {
            Ok(Some(found)) => found,
            Ok(None) => panic!(
                "no {start}…{end} before the end of the stream, only: {}",
                self.read
            ),
            Err(_) => panic!("no {start}…{end} within {TIMEOUT:?}, only: {}", self.read),
        }
    }

    /// Returns all input up to the end of the stream.
    ///
    /// # Errors
    /// Returns the input so far if the stream has not ended in time.
    pub async fn read_to_end(&mut self, within: Duration) -> Result<String, String> {
        let ended = timeout(within, async { while self.read_more().await {} })
            .await
            .is_ok();
        let read = std::mem::take(&mut self.read);
        if ended { Ok(read) } else { Err(read) }
    }

    fn cut(&mut self, start: &str, end: &str) -> Option<String> {
        let from = self.read.find(start)?;
        let to = from + start.len() + self.read[from + start.len()..].find(end)? + end.len();
        let found = self.read[from..to].to_owned();
        self.read.drain(..to);
        Some(found)
    }

    /// Reads more input. Returns `false` at the end of the stream or on a reset.
    async fn read_more(&mut self) -> bool {
        let mut chunk = vec![0; 16 * 1024];
        let count = self.stream.read(&mut chunk).await.unwrap_or(0);
        self.read
            .push_str(&String::from_utf8_lossy(&chunk[..count]));
        count > 0
    }
}
