//! Transports to the server: TCP, direct TLS, UNIX socket, or a pipe within the process.

use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::happy_eyeballs::connect_to_any;
use super::quickack::QuickAckStream;

/// A bidirectional byte stream.
pub(crate) trait Transport: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transport for T {}

/// An open connection.
pub(crate) type Io = Box<dyn Transport>;

/// Opens a connection; called for each attempt.
pub(crate) type Connect =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = io::Result<Io>> + Send>> + Send + Sync>;

/// The address on which the server listens for components.
///
/// Parsed from `host:port`, `[v6]:port` or `unix:/path`.
///
/// ```
/// use campanile::connection::ServerAddress;
///
/// let address: ServerAddress = "[::1]:5347".parse()?;
/// assert!(address.is_local());
/// # Ok::<_, campanile::connection::AddressError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerAddress {
    /// A host name or IP address, resolved again for each attempt, and a port.
    Tcp {
        /// Name or address; an IPv6 address has no brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// A UNIX socket (ejabberd: `port: "unix:/path"`).
    Unix(PathBuf),
}

/// The error of parsing a [`ServerAddress`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressError(String);

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is not a server address: write host:port, [v6]:port or unix:/path",
            self.0
        )
    }
}

impl std::error::Error for AddressError {}

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err(AddressError(text.to_owned()))
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        let parsed = text.rsplit_once(':').and_then(|(host, port)| {
            let port = port.parse().ok().filter(|&port| port != 0)?;
            let bare = host
                .strip_prefix('[')
                .and_then(|host| host.strip_suffix(']'));
            let valid = bare.map_or(
                !host.is_empty() && !host.contains([':', '[', ']', '/', ' ']),
                |v6| v6.parse::<std::net::Ipv6Addr>().is_ok(),
            );
            valid.then(|| Self::Tcp {
                host: bare.unwrap_or(host).to_owned(),
                port,
            })
        });
        parsed.ok_or_else(|| AddressError(text.to_owned()))
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl ServerAddress {
    /// Returns `true` if the address is on this machine, as far as its text tells: `localhost`, a
    /// loopback address or a UNIX socket.
    #[must_use]
    #[doc(hidden)]
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp { host, .. } => {
                host == "localhost"
                    || host
                        .parse::<std::net::IpAddr>()
                        .is_ok_and(|address| address.is_loopback())
            }
            Self::Unix(_) => true,
        }
    }

    /// Connects without TLS.
    pub(crate) async fn connect(&self) -> io::Result<Io> {
        match self {
            Self::Tcp { .. } => Ok(Box::new(self.connect_tcp().await?)),
            #[cfg(unix)]
            Self::Unix(path) => Ok(Box::new(tokio::net::UnixStream::connect(path).await?)),
            #[cfg(not(unix))]
            Self::Unix(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
        }
    }

    async fn connect_tcp(&self) -> io::Result<QuickAckStream> {
        let Self::Tcp { host, port } = self else {
            return Err(io::Error::from(io::ErrorKind::Unsupported));
        };
        // Resolved for each attempt: a restarted container may have another address.
        let addresses = tokio::net::lookup_host((host.as_str(), *port)).await?;
        QuickAckStream::new(connect_to_any(addresses, TcpStream::connect).await?)
    }
}

#[cfg(feature = "tls")]
pub use self::tls::Tls;

#[cfg(feature = "tls")]
mod tls {
    use std::io;
    use std::path::PathBuf;
    use std::sync::Arc;

    use rustls::{ClientConfig, RootCertStore};
    use rustls_pki_types::pem::{self, PemObject};
    use rustls_pki_types::{CertificateDer, ServerName};
    use tokio_rustls::TlsConnector;

    use super::{Io, ServerAddress};
    use crate::settings::read_file;

    /// Direct TLS, from the first byte: ejabberd with `tls: true`, Prosody with
    /// `mod_net_multiplex`.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Tls {
        /// The name to verify in the server's certificate. It is not the component's: the server
        /// has no certificate for that.
        pub server_name: String,
        /// A PEM file of certificates to trust instead of the system's.
        pub ca_file: Option<PathBuf>,
    }

    impl Tls {
        /// Loads the trusted certificates.
        pub(crate) fn connector(&self) -> io::Result<(TlsConnector, ServerName<'static>)> {
            let name = ServerName::try_from(self.server_name.clone())
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let config = ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .map_err(io::Error::other)?
                .with_root_certificates(self.roots()?)
                .with_no_client_auth();
            Ok((TlsConnector::from(Arc::new(config)), name))
        }

        fn roots(&self) -> io::Result<RootCertStore> {
            let mut roots = RootCertStore::empty();
            if let Some(file) = &self.ca_file {
                let described = |error| io::Error::other(format!("{}: {error}", file.display()));
                let pem = read_file(file).map_err(|error| described(pem::Error::Io(error)))?;
                for certificate in CertificateDer::pem_slice_iter(&pem) {
                    roots
                        .add(certificate.map_err(described)?)
                        .map_err(io::Error::other)?;
                }
                if roots.is_empty() {
                    return Err(io::Error::other(format!(
                        "{}: no certificate found in this file",
                        file.display()
                    )));
                }
                return Ok(roots);
            }
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = roots.add_parsable_certificates(found.certs);
            if added == 0 {
                return Err(io::Error::other(
                    "no trusted certificates found on this system: set ca_file",
                ));
            }
            Ok(roots)
        }
    }

    impl ServerAddress {
        /// Connects with direct TLS.
        pub(crate) async fn connect_tls(&self, tls: &Tls) -> io::Result<Io> {
            let (connector, name) = tls.connector()?;
            match self {
                Self::Tcp { .. } => Ok(Box::new(
                    connector.connect(name, self.connect_tcp().await?).await?,
                )),
                Self::Unix(_) => Ok(Box::new(
                    connector.connect(name, self.connect().await?).await?,
                )),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_addresses_round_trip_and_invalid_ones_are_rejected() {
        for good in [
            "127.0.0.1:5347",
            "[::1]:5347",
            "xmpp.example.org:5347",
            "unix:/run/ejabberd/component.sock",
        ] {
            assert_eq!(good.parse::<ServerAddress>().unwrap().to_string(), good);
        }
        for bad in [
            "",
            "localhost",
            ":5347",
            "localhost:0",
            "localhost:70000",
            "::1:5347",
            "[x]:1",
            "unix:",
            "http://x:1",
        ] {
            assert!(bad.parse::<ServerAddress>().is_err(), "{bad:?}");
        }
        assert!("[::1]:1".parse::<ServerAddress>().unwrap().is_local());
        assert!(!"192.0.2.1:1".parse::<ServerAddress>().unwrap().is_local());
    }
}
