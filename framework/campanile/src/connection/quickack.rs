//! A TCP stream that never delays acknowledgements.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Acknowledges at once what is not going to be answered at once.
///
/// A server that leaves Nagle's algorithm on, as Prosody does, holds back a small segment until the
/// previous one is acknowledged. The kernel delays the acknowledgement by up to 40 ms in the hope
/// of sending it along with data. A stanza answered in the same turn carries its acknowledgement
/// with the reply. A keepalive ping, or a message whose handler waits for something, does not, and
/// would delay the stanza after it.
#[derive(Debug)]
pub(super) struct QuickAckStream {
    stream: TcpStream,
    /// Set if something was read and nothing was written since.
    ack_owed: bool,
}

impl QuickAckStream {
    /// Wraps a connected stream and disables Nagle's algorithm on it.
    ///
    /// # Errors
    /// If the connection has already failed.
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        // Five other XMPP libraries leave this off and show latency tails of 40 ms: the delayed ACK
        // of the other side.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            ack_owed: false,
        })
    }

    /// Sends the acknowledgement.
    fn acknowledge(&mut self) {
        self.ack_owed = false;
        // The kernel resets the option with the next write. If setting it fails, the connection has
        // failed, and reading reports that.
        #[cfg(target_os = "linux")]
        let _ = socket2::SockRef::from(&self.stream).set_tcp_quickack(true);
    }
}

impl AsyncRead for QuickAckStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if read.is_ready() {
            self.ack_owed = true;
        } else if self.ack_owed {
            self.acknowledge();
        }
        read
    }
}

impl AsyncWrite for QuickAckStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.ack_owed = false;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.ack_owed = false;
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
