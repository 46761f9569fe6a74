//! A bounded buffer of outgoing bytes for one component or client.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::time::{Duration, timeout};

/// Users wait before sending while more than this is buffered for a component. Kept small, so that
/// a flood by one user does not delay the others.
const ROOM: usize = 64 * 1024;
/// Limit above which stanzas from other components are bounced. A component cannot be made to wait:
/// it may be the very one that does not read, because it waits until the host has read its output.
const LIMIT: usize = 8 * 1024 * 1024;
/// Prosody's `send_timeout`: a peer that accepts no byte for this long is disconnected.
const STALL: Duration = Duration::from_secs(180);

/// Bytes to be written to one peer.
#[derive(Debug, Default)]
pub(super) struct WriteBuffer {
    state: Mutex<State>,
    more: Notify,
    room: Notify,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// Removed from `bytes` and not written yet.
    in_hand: usize,
    /// The buffer rejects further bytes.
    finished: bool,
}

/// Reason why bytes were rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PushError {
    Full,
    Closed,
}

impl WriteBuffer {
    /// Appends a stanza without waiting.
    pub(super) fn push(&self, bytes: &[u8]) -> Result<(), PushError> {
        self.add(bytes, LIMIT)
    }

    /// Appends a stanza without waiting if at most `limit` bytes are buffered.
    pub(super) fn push_within(&self, bytes: &[u8], limit: usize) -> Result<(), PushError> {
        self.add(bytes, limit)
    }

    /// Waits for capacity and appends a stanza. Returns `false` if the stream has ended.
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

    /// Appends the final bytes, after which the connection ends.
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

    /// Writes buffered bytes until the buffer is finished, then shuts the socket down.
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
