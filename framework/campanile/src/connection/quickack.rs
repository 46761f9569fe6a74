//! A TCP connection whose other side is never left waiting for an acknowledgement.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Acknowledges at once what it is not going to answer at once.
///
/// A server that leaves Nagle's algorithm on, as Prosody does, holds a small segment back until the
/// one before it is acknowledged. The kernel puts that off for 40 ms in the hope of something to
/// send it with. Whatever is answered in the same turn has its acknowledgement with the answer; a
/// ping to ourselves, or a message that a handler thinks about, has not, and would hold up the
/// stanza behind it.
#[derive(Debug)]
pub(super) struct QuickAckStream {
    stream: TcpStream,
    /// Something was read, and nothing was written since.
    ack_owed: bool,
}

impl QuickAckStream {
    /// # Errors
    /// When the connection is dead already.
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        // Five peers leave this off and show 40 ms tails: the delayed ACK of the other side.
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            ack_owed: false,
        })
    }

    /// Lets the acknowledgement go.
    fn acknowledge(&mut self) {
        self.ack_owed = false;
        // The kernel forgets it with the next thing that is written. Where it fails, the connection
        // is at its end, and reading says so.
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
