//! Fault injection on the connection between a component and its server.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::io::Io;

/// A connection with injectable faults, between one component and its server.
///
/// Faults apply to the current connection and to later ones, except that a cut only affects the
/// current one.
#[derive(Clone)]
pub struct Wire {
    connect: Arc<dyn Fn() -> Connecting<Io> + Send + Sync>,
    faults: Arc<Mutex<Faults>>,
}

type Connecting<T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send>>;

#[derive(Debug, Default)]
struct Faults {
    split: bool,
    silent: bool,
    blocked: bool,
    refused: bool,
    /// Remaining bytes before the connection is cut, in each direction.
    read_left: Option<usize>,
    written_left: Option<usize>,
    /// Number of the current connection, and of the last one that was cut.
    present: usize,
    cut: usize,
    attempts: usize,
    written: u64,
    reading: Option<Waker>,
    writing: Option<Waker>,
}

impl Wire {
    /// Creates a wire in front of this connector.
    pub fn new<F, Fut, T>(connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<T>> + Send + 'static,
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self {
            connect: Arc::new(move || {
                let connecting = connect();
                Box::pin(async move { Ok(Box::new(connecting.await?) as Io) })
            }),
            faults: Arc::default(),
        }
    }

    /// Returns a connector for
    /// [`ComponentBuilder::connector`](campanile::component::ComponentBuilder::connector).
    pub fn connector(&self) -> impl Fn() -> Connecting<FaultyIo> + Clone + Send + Sync + 'static {
        let wire = self.clone();
        move || {
            let wire = wire.clone();
            let refused = wire.attempt();
            let connecting = (wire.connect)();
            Box::pin(async move {
                if refused {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                let io = connecting.await?;
                Ok(wire.wrap(io))
            })
        }
    }

    /// Limits each read and each write to one byte.
    pub fn split(&self, on: bool) {
        self.change(|faults| faults.split = on);
    }

    /// Stops delivery of bytes from the server while the connection stays open.
    pub fn silence(&self, on: bool) {
        self.change(|faults| faults.silent = on);
    }

    /// Stops writes to the server, as if it did not read.
    pub fn block(&self, on: bool) {
        self.change(|faults| faults.blocked = on);
    }

    /// Refuses new connections.
    pub fn refuse(&self, on: bool) {
        self.change(|faults| faults.refused = on);
    }

    /// Cuts the current connection in both directions.
    pub fn cut(&self) {
        self.change(|faults| faults.cut = faults.present);
    }

    /// Cuts the connection after this many more bytes from the server.
    pub fn cut_after_read(&self, bytes: usize) {
        self.change(|faults| faults.read_left = Some(bytes));
    }

    /// Cuts the connection after this many more bytes to the server.
    pub fn cut_after_written(&self, bytes: usize) {
        self.change(|faults| faults.written_left = Some(bytes));
    }

    /// Returns the number of connection attempts.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.lock().attempts
    }

    /// Returns the number of bytes written to the server, on all connections.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.lock().written
    }

    fn attempt(&self) -> bool {
        let mut faults = self.lock();
        faults.attempts += 1;
        faults.refused
    }

    fn wrap(&self, io: Io) -> FaultyIo {
        let mut faults = self.lock();
        faults.present += 1;
        FaultyIo {
            io,
            number: faults.present,
            faults: Arc::clone(&self.faults),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = self.lock();
        change(&mut faults);
        let wakers = [faults.reading.take(), faults.writing.take()];
        drop(faults);
        wakers.into_iter().flatten().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("faults", &self.lock())
            .finish_non_exhaustive()
    }
}

/// A connection that a [`Wire`] has opened.
pub struct FaultyIo {
    io: Io,
    number: usize,
    faults: Arc<Mutex<Faults>>,
}

impl fmt::Debug for FaultyIo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyIo")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl AsyncRead for FaultyIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut bytes = [0; 4096];
        let room = buffer.remaining().min(bytes.len());
        let room = match self.faults().read(self.number, room, cx.waker()) {
            Allowance::Bytes(room) => room,
            Allowance::Wait => return Poll::Pending,
            Allowance::Broken => return Poll::Ready(Ok(())),
        };
        let mut part = ReadBuf::new(&mut bytes[..room]);
        ready!(Pin::new(&mut self.io).poll_read(cx, &mut part))?;
        buffer.put_slice(part.filled());
        self.faults().has_read(part.filled().len());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for FaultyIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = match self.faults().write(self.number, bytes.len(), cx.waker()) {
            Allowance::Bytes(room) => room,
            Allowance::Wait => return Poll::Pending,
            Allowance::Broken => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        };
        let count = ready!(Pin::new(&mut self.io).poll_write(cx, &bytes[..room]))?;
        self.faults().has_written(count);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl FaultyIo {
    fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }
}

/// Outcome of a read or write under the current faults.
enum Allowance {
    Bytes(usize),
    Wait,
    Broken,
}

impl Faults {
    // The waker is always kept: a change of the faults must wake the task, whatever the connection
    // itself waits for.

    fn read(&mut self, number: usize, wanted: usize, waker: &Waker) -> Allowance {
        self.reading = Some(waker.clone());
        let waits = self.silent;
        self.allowance(number, wanted, waits, |faults| &mut faults.read_left)
    }

    fn write(&mut self, number: usize, wanted: usize, waker: &Waker) -> Allowance {
        self.writing = Some(waker.clone());
        let waits = self.blocked;
        self.allowance(number, wanted, waits, |faults| &mut faults.written_left)
    }

    fn allowance(
        &mut self,
        number: usize,
        wanted: usize,
        waits: bool,
        left: impl Fn(&mut Self) -> &mut Option<usize>,
    ) -> Allowance {
        if *left(self) == Some(0) {
            *left(self) = None;
            self.cut = number;
        }
        if self.cut >= number {
            return Allowance::Broken;
        }
        if waits {
            return Allowance::Wait;
        }
        let most = if self.split { 1 } else { usize::MAX };
        Allowance::Bytes(wanted.min(most).min(left(self).unwrap_or(usize::MAX)))
    }

    fn has_read(&mut self, bytes: usize) {
        self.read_left = self.read_left.map(|left| left.saturating_sub(bytes));
    }

    fn has_written(&mut self, bytes: usize) {
        self.written += bytes as u64;
        self.written_left = self.written_left.map(|left| left.saturating_sub(bytes));
    }
}

fn lock(faults: &Mutex<Faults>) -> MutexGuard<'_, Faults> {
    // No code that can panic runs under this lock.
    faults.lock().unwrap_or_else(PoisonError::into_inner)
}
