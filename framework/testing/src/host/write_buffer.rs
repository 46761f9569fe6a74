//! What waits for the socket of one component or client: bytes, bounded, with an end.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Duration, timeout};

/// Users wait with sending while more than this waits for a component: not much, or one who floods
/// would delay all.
const ROOM: usize = 64 * 1024;
/// What other components send is bounced beyond this. A component cannot be made to wait: it may be
/// the very one that does not read, because it waits until the host has read what it writes.
const LIMIT: usize = 8 * 1024 * 1024;
/// Prosody's `send_timeout`: a component that takes no byte for so long is gone.
const STALL: Duration = Duration::from_secs(180);

/// The bytes on their way to one component.
#[derive(Debug, Default)]
pub(super) struct WriteBuffer {
    state: Mutex<State>,
    more: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// Taken out and not written yet.
    in_hand: usize,
    /// Nothing can be added any more.
    finished: bool,
}

/// Why bytes were not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PushError {
    Full,
    Closed,
}

impl WriteBuffer {
    /// Adds a stanza at once.
    pub(super) fn push(&self, bytes: &[u8]) -> Result<(), PushError> {
        self.add(bytes, LIMIT)
    }

    /// Adds a stanza at once, where no more than this waits.
    pub(super) fn push_within(&self, bytes: &[u8], limit: usize) -> Result<(), PushError> {
        self.add(bytes, limit)
    }

    /// Adds a stanza when there is room; false when the stream has ended.
    pub(super) async fn push_waiting(&self, bytes: &[u8]) -> bool {
        loop {
            let room = self.room.notified();
            match self.add(bytes, ROOM) {
                Ok(()) => return true,
                Err(PushError::Closed) => return false,
                Err(PushError::Full) => room.await,
            }
        }
    }

    /// Adds the last bytes; the connection ends behind them.
    pub(super) fn finish(&self, last: &[u8]) {
        let mut state = self.lock();
        if !state.finished {
            state.bytes.extend_from_slice(last);
            state.finished = true;
        }
        drop(state);
        self.more.notify_one();
        self.room.notify_waiters();
    }

    /// Writes until the end, and shuts the connection down behind it.
    pub(super) async fn write_to(
        &self,
        mut socket: impl AsyncWrite + Unpin,
    ) -> std::io::Result<()> {
        loop {
            let (bytes, finished) = self.take();
            if !bytes.is_empty() {
                write_all(&mut socket, &bytes).await?;
                self.lock().in_hand = 0;
                self.room.notify_waiters();
            } else if finished {
                return socket.shutdown().await;
            } else {
                socket.flush().await?;
                self.more.notified().await;
            }
        }
    }

    fn add(&self, bytes: &[u8], limit: usize) -> Result<(), PushError> {
        let mut state = self.lock();
        if state.finished {
            return Err(PushError::Closed);
        }
        if state.bytes.len() + state.in_hand > limit {
            return Err(PushError::Full);
        }
        state.bytes.extend_from_slice(bytes);
        drop(state);
        self.more.notify_one();
        Ok(())
    }

    fn take(&self) -> (Vec<u8>, bool) {
        let mut state = self.lock();
        let bytes = std::mem::take(&mut state.bytes);
        state.in_hand = bytes.len();
        (bytes, state.finished)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code that can panic runs under this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write_all(
    socket: &mut (impl AsyncWrite + Unpin),
    mut bytes: &[u8],
) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let written = timeout(STALL, socket.write(bytes)).await??;
        if written == 0 {
            return Err(std::io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[written..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn full_buffer_blocks_users_and_rejects_components() {
        let buffer = WriteBuffer::default();
        buffer.push(&vec![b'x'; ROOM + 1]).unwrap();
        assert!(
            timeout(Duration::from_millis(20), buffer.push_waiting(b"late"))
                .await
                .is_err()
        );
        buffer.push(&vec![b'x'; LIMIT]).unwrap();
        assert_eq!(buffer.push(b"more"), Err(PushError::Full));

        let (ours, mut theirs) = tokio::io::duplex(1024);
        let mut read = Vec::new();
        let (sent, _, written) = tokio::join!(
            async {
                let sent = buffer.push_waiting(b"late").await;
                buffer.finish(b"end");
                sent
            },
            theirs.read_to_end(&mut read),
            buffer.write_to(ours),
        );
        written.unwrap();
        assert!(sent && read.ends_with(b"lateend"));
        assert_eq!(
            (buffer.push(b"x"), buffer.push_waiting(b"x").await),
            (Err(PushError::Closed), false)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn stalled_write_times_out() {
        let (ours, _theirs) = tokio::io::duplex(16);
        let buffer = WriteBuffer::default();
        buffer.push(&[b'x'; 64]).unwrap();
        let start = tokio::time::Instant::now();
        assert_eq!(
            buffer.write_to(ours).await.unwrap_err().kind(),
            std::io::ErrorKind::TimedOut
        );
        assert_eq!(start.elapsed(), STALL);
    }
}
