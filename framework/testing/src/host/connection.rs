//! One connection, from its first byte to its last, whoever is at the other end.

use std::future::Future;
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::state::Shared;
use super::write_buffer::WriteBuffer;
use campanile::connection::Io;
use campanile_stanza::reader::{Event, ReadError, Reader, ReaderLimits};

/// Prosody's `component_stanza_size_limit`.
const MAX_STANZA: usize = 524_288;
/// ejabberd's `negotiation_timeout`.
const OPENING: Duration = Duration::from_secs(30);
/// How long what was still to be sent may take, and the other side to close.
const LINGER: Duration = Duration::from_secs(5);

/// Whether the stream goes on.
pub(super) type Flow = ControlFlow<()>;

/// Whoever is at the other end, as far as the server knows it.
pub(super) trait Peer: Send + 'static {
    /// What waits for the socket.
    fn stream(&self) -> &Arc<WriteBuffer>;

    /// Whether the opening is over, which has its time.
    fn is_open(&self) -> bool;

    /// What was read. The reader can be replaced, for a stream that begins anew.
    fn event(&mut self, event: Event, reader: &mut Reader) -> impl Future<Output = Flow> + Send;

    /// What was read is no stream, or none that can go on: the last words.
    fn fault(&mut self, fault: ReadError);

    /// The opening took too long: the last words.
    fn late(&mut self);

    /// The stream has ended; nothing must come on it any more. Called once or twice.
    fn leave(&mut self);
}

/// Serves a connection in a task of its own, or drops it when that is not possible.
pub(super) fn spawn<P: Peer>(
    shared: &Arc<Shared>,
    io: Io,
    peer: impl FnOnce(Arc<WriteBuffer>) -> P,
) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else {
        tracing::error!("the host takes connections within a tokio runtime only");
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
        tracing::debug!(%error, "a peer no longer takes what is sent to it");
    } else {
        // Closing with bytes unread would reset the connection, and the other side might never read
        // why.
        let _ = timeout(LINGER, discard(&mut read)).await;
    }
    shared.disconnected();
}

/// Reads until the stream ends. The last words, if any, are then on their way.
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

/// A reader at the start of a stream.
pub(super) fn reader() -> Reader {
    Reader::new(ReaderLimits {
        max_stanza: MAX_STANZA,
        max_depth: 256,
    })
}

/// Reads to the end and keeps nothing.
async fn discard(io: &mut (impl AsyncRead + Unpin)) -> std::io::Result<()> {
    let mut bytes = [0; 4096];
    while io.read(&mut bytes).await? > 0 {}
    Ok(())
}
