//! A connection with faults, between a component and whatever it connects to.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use campanile::connection::Io;

/// Stands between one component and its server, and does harm when told to.
///
/// Settings hold for the connection that stands and for those that follow, except that a cut is
/// over with the next connection.
#[derive(Clone)]
pub struct Wire {
    connect: Arc<dyn Fn() -> Connecting + Send + Sync>,
    faults: Arc<Mutex<Faults>>,
}

type Connecting = Pin<Box<dyn Future<Output = io::Result<Io>> + Send>>;

#[derive(Debug, Default)]
struct Faults {
    split: bool,
    silent: bool,
    blocked: bool,
    refused: bool,
    /// Bytes until the link breaks, in each direction.
    read_left: Option<usize>,
    written_left: Option<usize>,
    /// Which connection is the present one; earlier ones are cut.
    present: usize,
    cut: usize,
    attempts: usize,
    written: u64,
    reading: Option<Waker>,
    writing: Option<Waker>,
}

impl Wire {
    /// A wire in front of what this connects to.
    pub fn new<F, Fut>(connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = io::Result<Io>> + Send + 'static,
    {
        Self {
            connect: Arc::new(move || Box::pin(connect())),
            faults: Arc::default(),
        }
    }

    /// What [`ComponentBuilder::connector`](campanile::component::ComponentBuilder::connector) takes.
    pub fn connector(&self) -> impl Fn() -> Connecting + Clone + Send + Sync + 'static {
        let wire = self.clone();
        move || {
            let (wire, refused) = (wire.clone(), wire.attempt());
            let connecting = (wire.connect)();
            Box::pin(async move {
                if refused {
                    return Err(io::ErrorKind::ConnectionRefused.into());
                }
                let io = connecting.await?;
                Ok(Box::new(wire.wrap(io)) as Io)
            })
        }
    }

    /// One byte per read and per write.
    pub fn split(&self, on: bool) {
        self.change(|faults| faults.split = on);
    }

    /// Nothing from the server arrives, and nothing ends.
    pub fn silence(&self, on: bool) {
        self.change(|faults| faults.silent = on);
    }

    /// The server takes nothing.
    pub fn block(&self, on: bool) {
        self.change(|faults| faults.blocked = on);
    }

    /// Connections are refused.
    pub fn refuse(&self, on: bool) {
        self.change(|faults| faults.refused = on);
    }

    /// Breaks the connection that stands, both ways.
    pub fn cut(&self) {
        self.change(|faults| faults.cut = faults.present);
    }

    /// Breaks the connection when so many more bytes have come from the server.
    pub fn cut_after_read(&self, bytes: usize) {
        self.change(|faults| faults.read_left = Some(bytes));
    }

    /// Breaks the connection when so many more bytes have gone to the server.
    pub fn cut_after_written(&self, bytes: usize) {
        self.change(|faults| faults.written_left = Some(bytes));
    }

    /// How often the component has tried to connect.
    #[must_use]
    pub fn attempts(&self) -> usize {
        self.lock().attempts
    }

    /// Bytes that have gone to the server, on all connections.
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

/// One connection through the wire.
struct FaultyIo {
    io: Io,
    number: usize,
    faults: Arc<Mutex<Faults>>,
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

/// How much of a read or a write may happen.
enum Allowance {
    Bytes(usize),
    Wait,
    Broken,
}

impl Faults {
    // The waker is kept in any case: whatever the connection itself waits for, a change of the
    // faults must be seen.

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
