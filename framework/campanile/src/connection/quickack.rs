//! A TCP stream that never delays acknowledgements.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::wake_later::wake_later;

/// Acknowledges at once what is not going to be answered at once.
///
/// A server that leaves Nagle's algorithm on, as Prosody does, holds back a small segment until the
/// previous one is acknowledged. The kernel delays the acknowledgement by up to 40 ms in the hope
/// of sending it along with data. A stanza answered in the same turn carries its acknowledgement
/// with the reply. A keepalive ping, or a message whose handler waits for something, does not, and
/// would delay the stanza after it.
///
/// A handler that only yields is done before the stream is idle for the second time, so that is
/// when the acknowledgement is sent: it costs a system call and a segment.
#[derive(Debug)]
pub(super) struct QuickAckStream {
    stream: TcpStream,
    ack: Ack,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ack {
    /// Nothing was read, or something was written since.
    Sent,
    /// Something was read.
    Owed,
    /// The stream was idle, and the task has been told to look again.
    Due,
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
            ack: Ack::Sent,
        })
    }

    /// Sends the acknowledgement.
    fn acknowledge(&mut self) {
        self.ack = Ack::Sent;
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
        match self.ack {
            _ if read.is_ready() => self.ack = Ack::Owed,
            Ack::Sent => {}
            Ack::Owed => {
                self.ack = Ack::Due;
                wake_later(cx);
            }
            Ack::Due => self.acknowledge(),
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
        self.ack = Ack::Sent;
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.ack = Ack::Sent;
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
