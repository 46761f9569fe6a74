//! Signals that end [`shutdown_signal`]. In a file of its own, because signals reach the whole
//! process.
#![cfg(unix)]

use std::process::Command;
use std::time::Duration;

use campanile::shutdown_signal;

#[tokio::test]
async fn interrupt_and_terminate_complete_the_shutdown_signal() {
    for name in ["-INT", "-TERM"] {
        let mut stop = tokio::spawn(shutdown_signal());
        // The handlers are installed by the first poll.
        let early = tokio::time::timeout(Duration::from_millis(50), &mut stop).await;
        assert!(early.is_err(), "no signal was sent before {name}");
        let own = std::process::id().to_string();
        assert!(
            Command::new("kill")
                .args([name, &own])
                .status()
                .unwrap()
                .success()
        );
        let ended = tokio::time::timeout(Duration::from_secs(10), stop).await;
        ended
            .unwrap_or_else(|_| panic!("{name} completes the future"))
            .unwrap();
    }
}
