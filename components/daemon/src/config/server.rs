//! Server address and TLS: `[server]`, and overrides of a component.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use campanile::connection::{ServerAddress, Tls};
use campanile::jid::BareJid;

use super::fault::Faults;
use super::table::{Table, Value};

/// The server settings of one table.
#[derive(Debug, Clone, Default)]
pub(super) struct Server {
    address: Setting<ServerAddress>,
    tls: Setting<Option<TlsTable>>,
}

/// The value of an optional key. An invalid one has been reported already, and causes no further
/// faults.
#[derive(Debug, Clone, Default)]
enum Setting<T> {
    #[default]
    Missing,
    Wrong,
    Is(T),
}

#[derive(Debug, Clone)]
struct TlsTable {
    span: Range<usize>,
    server_name: Option<String>,
    ca_file: Option<PathBuf>,
}

impl Server {
    pub(super) fn read(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Self {
        let address = table.take("address").map(|value| address(&value, faults));
        let tls = table.take("tls").map(|value| {
            if value.is_off() {
                Some(None)
            } else {
                tls(&value, faults).map(Some)
            }
        });
        Self {
            address: Setting::of(address),
            tls: Setting::of(tls),
        }
    }

    /// Returns address and TLS settings for the component of this table.
    pub(super) fn resolve(
        self,
        defaults: &Self,
        table: &Table<'_>,
        faults: &mut Faults<'_>,
    ) -> Option<(ServerAddress, Option<Tls>)> {
        let address = match self.address.or(&defaults.address) {
            Setting::Is(address) => Some(address),
            Setting::Wrong => None,
            Setting::Missing => {
                let remedy = "write address = \"127.0.0.1:5347\" here or in [server]";
                faults.push(
                    &table.span,
                    format!("{} has no server address", table.name),
                    remedy,
                );
                None
            }
        };
        let tls = match self.tls.or(&defaults.tls) {
            Setting::Is(Some(tls)) => Some(tls),
            Setting::Is(None) | Setting::Missing => return address.map(|address| (address, None)),
            Setting::Wrong => return None,
        };
        let address = address?;
        let tls = tls.map(|tls| tls.resolve(&address, faults))?;
        tls.map(|tls| (address, Some(tls)))
    }
}

impl<T: Clone> Setting<T> {
    fn of(read: Option<Option<T>>) -> Self {
        match read {
            None => Self::Missing,
            Some(None) => Self::Wrong,
            Some(Some(value)) => Self::Is(value),
        }
    }

    fn or(self, other: &Self) -> Self {
        if matches!(self, Self::Missing) {
            other.clone()
        } else {
            self
        }
    }
}

impl TlsTable {
    fn resolve(self, address: &ServerAddress, faults: &mut Faults<'_>) -> Option<Tls> {
        let server_name = self.server_name.or_else(|| match address {
            ServerAddress::Tcp { host, .. } => Some(host.clone()),
            _ => None,
        });
        let Some(server_name) = server_name else {
            let remedy = "write server_name = \"…\", the name in the server's certificate";
            faults.push(
                &self.span,
                "TLS over a UNIX socket needs `server_name`",
                remedy,
            );
            return None;
        };
        Some(Tls {
            server_name,
            ca_file: self.ca_file,
        })
    }
}

fn address(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<ServerAddress> {
    let text = value.text(faults)?;
    match text.parse() {
        Ok(ServerAddress::Unix(path)) => Some(ServerAddress::Unix(faults.path(path))),
        Ok(address) => Some(address),
        Err(_) => {
            let remedy = "write host:port, [v6]:port or unix:/path";
            faults.push(
                &value.span,
                format!("{text:?} is not a server address"),
                remedy,
            );
            None
        }
    }
}

fn tls(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<TlsTable> {
    let mut table = value.table("`tls`", faults)?;
    let server_name = table
        .take("server_name")
        .map(|value| server_name(&value, faults));
    let ca_file = table.take("ca_file").map(|value| ca_file(&value, faults));
    table.finish(faults);
    Some(TlsTable {
        span: value.span.clone(),
        server_name: lift(server_name)?,
        ca_file: lift(ca_file)?,
    })
}

/// Turns a missing key into `Some(None)`, and an invalid one into `None`.
fn lift<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    match read {
        None => Some(None),
        Some(value) => value.map(Some),
    }
}

fn server_name(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let text = value.text(faults)?;
    let domain = BareJid::new(text).is_ok_and(|jid| jid.node().is_none());
    if domain || text.parse::<std::net::IpAddr>().is_ok() {
        return Some(text.to_owned());
    }
    faults.push(
        &value.span,
        format!("{text:?} is not a server name"),
        "write the name in the server's certificate",
    );
    None
}

fn ca_file(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<PathBuf> {
    let text = value.text(faults)?;
    let path = faults.path(text);
    let what = match fs::read(&path) {
        Err(error) => format!("cannot read {}: {error}", path.display()),
        Ok(pem) if !holds_certificate(&pem) => format!("no certificate in {}", path.display()),
        Ok(_) => return Some(path),
    };
    faults.push(
        &value.span,
        what,
        "name a PEM file of trusted certificates; paths are relative to this file's folder",
    );
    None
}

fn holds_certificate(pem: &[u8]) -> bool {
    let mark = b"-----BEGIN CERTIFICATE-----";
    pem.windows(mark.len()).any(|window| window == mark)
}
