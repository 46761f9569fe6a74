//! A wake that comes after other work.

use std::future::Future;
use std::pin::pin;
use std::task::Context;

/// Wakes this task once the runtime has run other tasks and has looked at its sockets and timers.
///
/// Handlers that yield are woken at the same time. `wake_by_ref` would queue this task at once, and
/// wake an idle worker with a system call, which then fetches it from this one.
pub(super) fn wake_later(cx: &mut Context<'_>) {
    let _ = pin!(tokio::task::yield_now()).poll(cx);
}
