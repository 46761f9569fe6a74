//! Notifications to systemd (sd_notify(3)): readiness, status, watchdog, stopping.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// Connection to the service manager. Does nothing when the process was not started by systemd.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// Connects as set in `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    pub(crate) fn from_environment() -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = name.and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "failed to open NOTIFY_SOCKET; systemd is not notified");
                None
            }
        });
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        // The variables may be inherited from a parent process that they were meant for.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC")
            .filter(|micros| ours && *micros > 0)
            .map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// Returns the interval of watchdog notifications: half of the timeout set by systemd.
    pub(crate) fn pulse(&self) -> Option<Duration> {
        self.watchdog
            .filter(|_| self.socket.is_some())
            .map(|time| time / 2)
    }

    /// Reports that the service is up, at startup and after a reload.
    pub(crate) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={}", line(status)));
    }

    pub(crate) fn reloading(&self) {
        self.say("RELOADING=1\nSTATUS=reloading the configuration");
    }

    pub(crate) fn status(&self, status: &str) {
        self.say(&format!("STATUS={}", line(status)));
    }

    pub(crate) fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=finishing pending work");
    }

    fn say(&self, text: &str) {
        // A lost notification has no remedy here; systemd acts on its absence.
        let _ = self
            .socket
            .as_ref()
            .map(|socket| socket.send(text.as_bytes()));
    }
}

/// Replaces line breaks, which would start another assignment.
fn line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn connect(name: &std::ffi::OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // A notification may be lost, but must never block.
    socket.set_nonblocking(true)?;
    match abstract_name(name) {
        Some(address) => socket.connect_addr(&address?)?,
        None => socket.connect(name)?,
    }
    Ok(socket)
}

/// Returns the address for `@name`, a socket in the abstract namespace of Linux.
#[cfg(target_os = "linux")]
fn abstract_name(name: &std::ffi::OsStr) -> Option<io::Result<std::os::unix::net::SocketAddr>> {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::ffi::OsStrExt;
    name.as_bytes()
        .strip_prefix(b"@")
        .map(std::os::unix::net::SocketAddr::from_abstract_name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_name(_: &std::ffi::OsStr) -> Option<io::Result<std::os::unix::net::SocketAddr>> {
    None
}
