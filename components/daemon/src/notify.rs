//! What systemd is told (sd_notify(3)): that the service is ready, how it stands, that it is alive,
//! that it stops.

use std::io;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// Who started this process and wants to hear of it. Without systemd nobody does, and nothing is
/// said.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: Option<UnixDatagram>,
    watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC`, `WATCHDOG_PID`.
    pub(crate) fn from_environment() -> Self {
        let name = std::env::var_os("NOTIFY_SOCKET").filter(|name| !name.is_empty());
        let socket = name.and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(error) => {
                tracing::warn!(%error, "NOTIFY_SOCKET cannot be written to");
                None
            }
        });
        let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
        // A variable that was meant for the process that started this one.
        let ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number("WATCHDOG_USEC")
            .filter(|micros| ours && *micros > 0)
            .map(Duration::from_micros);
        Self { socket, watchdog }
    }

    /// How often a sign of life is wanted: twice within the time after which systemd would end the
    /// process.
    pub(crate) fn pulse(&self) -> Option<Duration> {
        self.watchdog
            .filter(|_| self.socket.is_some())
            .map(|time| time / 2)
    }

    /// The service is up, also after a reload.
    pub(crate) fn ready(&self, status: &str) {
        self.say(&format!("READY=1\nSTATUS={}", line(status)));
    }

    pub(crate) fn reloading(&self) {
        self.say("RELOADING=1\nSTATUS=reading the configuration anew");
    }

    pub(crate) fn status(&self, status: &str) {
        self.say(&format!("STATUS={}", line(status)));
    }

    pub(crate) fn alive(&self) {
        self.say("WATCHDOG=1");
    }

    pub(crate) fn stopping(&self) {
        self.say("STOPPING=1\nSTATUS=finishing what was begun");
    }

    fn say(&self, words: &str) {
        // systemd notices what does not arrive, and nobody else is there to be told.
        let _ = self
            .socket
            .as_ref()
            .map(|socket| socket.send(words.as_bytes()));
    }
}

/// A line break would begin another assignment.
fn line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn connect(name: &std::ffi::OsStr) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    // Rather lost than waited for.
    socket.set_nonblocking(true)?;
    match abstract_name(name) {
        Some(address) => socket.connect_addr(&address?)?,
        None => socket.connect(name)?,
    }
    Ok(socket)
}

/// `@name` is no path but a name that only Linux has.
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
