//! `campanile demo --listen`: lets XMPP clients log in and talk to the components.

use std::fmt::Write as _;
use std::net::SocketAddr;

use campanile::error::BoxError;
use campanile_testing::host::{Host, HostBuilder};

use super::output::Output;
use super::{PEOPLE, Refused, random};
use crate::config::Config;
use crate::run::signals::Signals;

/// The address for clients, and their accounts.
pub(super) struct ClientListener {
    address: SocketAddr,
    passwords: Vec<(&'static str, String)>,
}

impl ClientListener {
    pub(super) fn new(address: SocketAddr) -> Self {
        let password = || {
            if address.ip().is_loopback() {
                "demo".to_owned()
            } else {
                random()
            }
        };
        Self {
            address,
            passwords: PEOPLE.map(|name| (name, password())).into(),
        }
    }

    /// Adds the accounts to the server.
    pub(super) fn accounts(&self, host: HostBuilder) -> HostBuilder {
        self.passwords
            .iter()
            .fold(host, |host, (name, password)| host.account(*name, password))
    }

    /// Opens the port, and prints how to log in.
    pub(super) async fn open(
        mut self,
        host: &Host,
        output: &Output,
        config: &Config,
    ) -> Result<(), BoxError> {
        let wanted = self.address;
        self.address = host
            .listen_for_clients(wanted)
            .await
            .map_err(|error| Refused(format!("cannot listen for clients on {wanted}: {error}")))?;
        if !self.address.ip().is_loopback() {
            tracing::warn!(address = %self.address, "port is reachable from other machines and has \
                no TLS");
        }
        output.line(&self.instructions(config));
        Ok(())
    }

    fn instructions(&self, config: &Config) -> String {
        let ip = self.address.ip();
        let port = self.address.port();
        let jids: Vec<_> = config
            .components
            .iter()
            .map(|component| component.jid.as_str())
            .collect();
        let mut text = format!("Clients may log in on {}, without TLS, as\n", self.address);
        for (name, password) in &self.passwords {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "  {:<16} password {password}",
                format!("{name}@localhost")
            );
        }
        let _ = write!(
            text,
            "Components: {}\nFor example:\n  \
             profanity      /connect alice@localhost server {ip} port {port} tls disable\n  \
             Gajim          account → advanced: host {ip}, port {port}, no TLS; plain passwords \
             allowed\n  \
             slixmpp        client.enable_plaintext = True; client.connect(\"{ip}\", {port})",
            jids.join(", ")
        );
        text
    }
}

/// Shows the traffic until SIGINT or SIGTERM.
pub(super) async fn watch(output: &Output) -> Result<(), BoxError> {
    let mut signals = Signals::listen()?;
    output.line("Their stanzas are shown here until Ctrl-C.\n");
    signals.stop().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_random_unless_address_is_loopback() {
        let passwords = |address: &str| ClientListener::new(address.parse().unwrap()).passwords;
        assert!(
            passwords("127.0.0.1:5222")
                .iter()
                .all(|(_, password)| password == "demo")
        );
        let made = passwords("0.0.0.0:5222");
        assert!(made.iter().all(|(_, password)| password.len() == 32) && made[0].1 != made[1].1);
    }
}
