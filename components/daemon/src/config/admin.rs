//! `[admin]`: health, metrics and the status page.

use std::net::SocketAddr;

use campanile_json_bridge::Secret;

use super::fault::Faults;
use super::secret::{self, Keys};
use super::table::{Table, Value};

const TOKEN: Keys = ["token", "token_file", "token_env", "token_credential"];
/// Shortest token, in bytes; a shorter one could be guessed.
const SHORTEST: usize = 16;

/// Validated settings of the admin port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Admin {
    pub(crate) listen: SocketAddr,
    /// Required for content and changes; without a token both are disabled.
    pub(crate) token: Option<Secret>,
    /// Further `Host` names accepted from browsers and probes, besides loopback and `listen`.
    pub(crate) hosts: Vec<String>,
}

pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> Option<Admin> {
    let span = table.span.clone();
    let listen = table.take("listen");
    let token = secret::text(&mut table, &TOKEN, faults);
    if token.as_ref().is_some_and(|token| token.len() < SHORTEST) {
        let remedy = "use at least 16 random characters, such as the output of `openssl rand -hex \
            24`";
        faults.push(&span, "the token of [admin] is too short", remedy);
    }
    let hosts = table
        .take("hosts")
        .and_then(|value| hosts(&value, faults))
        .unwrap_or_default();
    table.finish(faults);
    let Some(listen) = listen else {
        faults.push(
            &span,
            "[admin] needs `listen`",
            "write listen = \"127.0.0.1:5390\"",
        );
        return None;
    };
    let listen = address(&listen, faults)?;
    Some(Admin {
        listen,
        token: token.map(Secret::new),
        hosts,
    })
}

fn address(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<SocketAddr> {
    let text = value.text(faults)?;
    let Ok(address) = text.parse::<SocketAddr>() else {
        let remedy = "write \"127.0.0.1:5390\" or \"[::1]:5390\"";
        faults.push(
            &value.span,
            format!("{text:?} is not an address with a port"),
            remedy,
        );
        return None;
    };
    if !address.ip().is_loopback() {
        let remedy = "listen on loopback behind a TLS proxy";
        faults.warn(
            &value.span,
            "tokens and content cross the network unencrypted",
            remedy,
        );
    }
    Some(address)
}

fn hosts(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Vec<String>> {
    let items = value.list("host names", faults)?;
    Some(items.iter().filter_map(|item| host(item, faults)).collect())
}

/// Reads a host name without a port: the port of a `Host` header is ignored.
fn host(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let text = value.text(faults)?;
    let fits = |c: char| c.is_ascii_alphanumeric() || "-.[]:".contains(c);
    if text.is_empty() || !text.chars().all(fits) || (text.contains(':') && !text.starts_with('['))
    {
        let remedy = "write only the name, such as \"status.example.org\"";
        faults.push(&value.span, format!("{text:?} is not a host name"), remedy);
        return None;
    }
    Some(text.to_ascii_lowercase())
}
