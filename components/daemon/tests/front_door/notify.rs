//! Notifications to systemd.

use std::io::ErrorKind;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::admin::component;
use crate::process::Running;
use crate::server::{self, Answer};

/// Reads until a notification contains `wanted`, and returns it.
fn hears(socket: &UnixDatagram, wanted: &str) -> String {
    let mut bytes = [0; 4096];
    loop {
        let count = match socket.recv(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            received => received.unwrap_or_else(|error| panic!("no {wanted}: {error}")),
        };
        let said = String::from_utf8_lossy(&bytes[..count]).into_owned();
        if said.contains(wanted) {
            return said;
        }
    }
}

#[test]
fn systemd_is_notified_of_every_state() {
    // Test folders have longer paths than a socket may have.
    let folder = std::env::temp_dir().join(format!("campanile-notify-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("s");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let (address, _events) = server::start(&[Answer::Route]);
    let configuration = component("echo.example.org", address);
    let environment = [
        ("NOTIFY_SOCKET", path.to_str().unwrap()),
        ("WATCHDOG_USEC", "200000"),
    ];
    let mut running = Running::start_with(&configuration, &["--log-format", "json"], &environment);
    let ready = hears(&socket, "READY=1");
    assert!(
        ready.contains("STATUS=1 of 1 components mounted"),
        "{ready}"
    );
    hears(&socket, "WATCHDOG=1");
    hears(&socket, "WATCHDOG=1");
    running.signal("HUP");
    hears(&socket, "RELOADING=1");
    hears(&socket, "READY=1");
    running.signal("TERM");
    hears(&socket, "STOPPING=1");
    assert_eq!(running.end().code, Some(0));
    std::fs::remove_dir_all(&folder).unwrap();
}
