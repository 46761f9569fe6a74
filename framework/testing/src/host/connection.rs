//! Connection handling shared by component and client streams.

use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::state::Shared;
use super::write_buffer::WriteBuffer;
use crate::io::Io;
use campanile_stanza::reader::{Event, ReadError, Reader, ReaderLimits};

/// Prosody's `component_stanza_size_limit`.
const MAX_STANZA: usize = 524_288;
/// ejabberd's `negotiation_timeout`.
const OPENING: Duration = Duration::from_secs(30);
/// Maximum time to flush pending output, and again for the peer to close its side.
const LINGER: Duration = Duration::from_secs(5);

/// Decision to continue or end the stream.
pub(super) type Flow = ControlFlow<()>;

/// Server-side state of one stream.
pub(super) trait Peer: Send + 'static {
    /// Returns the buffer of outgoing bytes.
    fn stream(&self) -> &Arc<WriteBuffer>;

    /// Returns `true` once negotiation is complete. Until then the opening timeout applies.
    fn is_open(&self) -> bool;

    /// Handles an event. The reader can be replaced when the stream restarts.
    fn event(&mut self, event: Event, reader: &mut Reader) -> impl Future<Output = Flow> + Send;

    /// Handles input that is not a valid stream, and sends the final error.
    fn fault(&mut self, fault: ReadError);

    /// Handles a negotiation timeout, and sends the final error.
    fn late(&mut self);

    /// Unregisters the stream, so that nothing more is routed to it. Called once or twice.
    fn leave(&mut self);
}

/// Serves a connection in a new task. Drops it if there is no runtime, or no capacity.
pub(super) fn spawn<P: Peer>(
    shared: &Arc<Shared>,
    io: Io,
    peer: impl FnOnce(Arc<WriteBuffer>) -> P,
) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        tracing::error!("connection dropped: the host must be used within a tokio runtime");
        return;
    };
    let stream = Arc::new(WriteBuffer::default());
    if shared.connect(&stream) {
        runtime.spawn(run(peer(stream), io, Arc::clone(shared)));
    }
}

async fn run<P: Peer>(mut peer: P, io: Io, shared: Arc<Shared>) {
    let (mut read, write) = tokio::io::split(io);
    let stream = Arc::clone(peer.stream());
    let mut writing = std::pin::pin!(stream.write_to(write));
    let written = tokio::select! {
        () = listen(&mut peer, &mut read) => {
            peer.leave();
            timeout(LINGER, writing).await.unwrap_or_else(|late| Err(late.into()))
        }
        written = &mut writing => written,
    };
    peer.leave();
    if let Err(error) = written {
        tracing::debug!(%error, "connection lost while writing");
    } else {
        // Closing with unread bytes would reset the connection, and the peer might never read the
        // reason.
        let _ = timeout(LINGER, discard(&mut read)).await;
    }
    shared.disconnected();
}

/// Reads until the stream ends. A final error, if any, is then in the write buffer.
async fn listen<P: Peer>(peer: &mut P, io: &mut (impl AsyncRead + Unpin)) {
    let deadline = Instant::now() + OPENING;
    let mut reader = reader();
    loop {
        if events(peer, &mut reader).await.is_break() {
            return;
        }
        let read = io.read_buf(reader.buffer());
        let read = if peer.is_open() {
            read.await
        } else {
            match timeout_at(deadline, read).await {
                Ok(read) => read,
                Err(_) => return peer.late(),
            }
        };
        if !matches!(read, Ok(1..)) {
            return peer.stream().finish(b"");
        }
    }
}

async fn events<P: Peer>(peer: &mut P, reader: &mut Reader) -> Flow {
    loop {
        match reader.next() {
            Ok(None) => return Flow::Continue(()),
            Ok(Some(event)) => peer.event(event, reader).await?,
            Err(fault) => {
                peer.fault(fault);
                return Flow::Break(());
            }
        }
    }
}

/// Returns a reader for a new stream.
pub(super) fn reader() -> Reader {
    Reader::new(ReaderLimits {
        max_stanza: MAX_STANZA,
        max_depth: 256,
    })
}

/// Reads and discards input until end of file.
async fn discard(io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    while io.read(&mut bytes).await? > 0 {}
    Ok(())
}
