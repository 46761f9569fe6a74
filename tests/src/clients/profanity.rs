//! The Profanity client, driven through its terminal.

use super::terminal::Terminal;

/// Profanity, logged in.
#[derive(Debug)]
pub struct Profanity {
    terminal: Terminal,
}

impl Profanity {
    /// Logs in at a server on `host:port`.
    pub async fn login_at(address: &str, jid: &str, password: &str) -> Self {
        let (host, port) = address.rsplit_once(':').expect("host and port");
        let terminal = Terminal::start("profanity").await;
        terminal.shows("Type '/help' to show complete help.").await;
        terminal.enter(&format!(
            "/connect {jid} server {host} port {port} tls disable"
        ));
        terminal.shows("Enter password:").await;
        terminal.enter(password);
        terminal.shows("logged in successfully").await;
        Self { terminal }
    }

    /// Types a line and waits until the screen shows the expected text.
    pub async fn does(&self, line: &str, comes: &str) {
        self.terminal.enter(line);
        self.terminal.shows(comes).await;
    }

    /// Waits until the screen shows this text.
    pub async fn sees(&self, text: &str) {
        self.terminal.shows(text).await;
    }
}
