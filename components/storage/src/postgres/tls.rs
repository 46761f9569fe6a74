//! TLS for database connections, with rustls. The server's certificate is always verified.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use campanile::error::BoxError;
use campanile::settings::read_file;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::{self, PemObject};
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::{TlsConnector, client};

/// The TLS settings of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Encryption {
    Off,
    /// The certificate must be signed by an authority in this file, or by one that the system
    /// trusts.
    On(Option<PathBuf>),
}

/// Extracts the TLS settings from an address. Returns the remaining address for the driver.
///
/// # Errors
/// The reason, if a setting is invalid.
pub(super) fn take_from(address: &str) -> Result<(String, Encryption), String> {
    let (base, options) = address.split_once('?').unwrap_or((address, ""));
    let mut rest = Vec::new();
    let mut wanted = false;
    let mut roots = None;
    for option in options.split('&').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("sslmode", "disable")) => wanted = false,
            // Without verification, `require` would not protect against a man in the middle.
            Some(("sslmode", "require" | "verify-ca" | "verify-full")) => wanted = true,
            Some(("sslmode", _)) => return Err("sslmode must be disable or verify-full".to_owned()),
            Some(("sslrootcert", "system")) => roots = None,
            Some(("sslrootcert", path)) => roots = Some(decoded(path)?),
            _ => rest.push(option),
        }
    }
    rest.push(if wanted {
        "sslmode=require"
    } else {
        "sslmode=disable"
    });
    let encryption = if wanted {
        Encryption::On(roots)
    } else {
        Encryption::Off
    };
    Ok((format!("{base}?{}", rest.join("&")), encryption))
}

/// Decodes percent-encoding (RFC 3986 §2.1).
fn decoded(text: &str) -> Result<PathBuf, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
        let plain = if byte == b'%' {
            let high = digit();
            let low = digit();
            high.zip(low)
                .and_then(|(high, low)| u8::try_from(high * 16 + low).ok())
        } else {
            Some(byte)
        };
        bytes.push(plain.ok_or("sslrootcert has an invalid percent-encoding")?);
    }
    String::from_utf8(bytes)
        .map(PathBuf::from)
        .map_err(|_| "sslrootcert is not UTF-8".to_owned())
}

/// The TLS connector for any host with a valid certificate.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// Loads the trusted certificates.
    pub(super) fn new(roots: Option<&Path>) -> io::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(trusted(roots)?)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(config))))
    }
}

fn trusted(file: Option<&Path>) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let Some(file) = file else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let none = || io::Error::other("no system certificates found; set sslrootcert");
        return if roots.is_empty() {
            Err(none())
        } else {
            Ok(roots)
        };
    };
    let described = |error| io::Error::other(format!("{}: {error}", file.display()));
    let pem = read_file(file).map_err(|error| described(pem::Error::Io(error)))?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        roots
            .add(certificate.map_err(described)?)
            .map_err(io::Error::other)?;
    }
    let none = || io::Error::other(format!("{}: file contains no certificate", file.display()));
    if roots.is_empty() {
        Err(none())
    } else {
        Ok(roots)
    }
}

impl MakeTlsConnect<Socket> for Tls {
    type Stream = Encrypted;
    type TlsConnect = ToHost;
    type Error = rustls_pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<ToHost, Self::Error> {
        Ok(ToHost {
            connector: self.0.clone(),
            name: ServerName::try_from(host.to_owned())?,
        })
    }
}

pub(super) struct ToHost {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl TlsConnect<Socket> for ToHost {
    type Stream = Encrypted;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted, BoxError>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        Box::pin(async move { Ok(Encrypted(self.connector.connect(self.name, socket).await?)) })
    }
}

/// An encrypted connection.
pub(super) struct Encrypted(client::TlsStream<Socket>);

impl TlsStream for Encrypted {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, out)
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tls_settings_are_extracted_from_address() {
        let plain = (
            "postgres://a@b/c?sslmode=disable".to_owned(),
            Encryption::Off,
        );
        assert_eq!(take_from("postgres://a@b/c"), Ok(plain.clone()));
        assert_eq!(take_from("postgres://a@b/c?sslmode=disable"), Ok(plain));
        let (rest, encryption) =
            take_from("postgres://a@b/c?sslrootcert=/etc/my%20ca.pem&sslmode=verify-full&port=1")
                .unwrap();
        assert_eq!(rest, "postgres://a@b/c?port=1&sslmode=require");
        assert_eq!(encryption, Encryption::On(Some("/etc/my ca.pem".into())));
        assert_eq!(
            take_from("postgres://a@b/c?sslmode=require").unwrap().1,
            Encryption::On(None)
        );
        for bad in [
            "postgres://a@b?sslmode=prefer",
            "postgres://a@b?sslrootcert=%x",
        ] {
            assert!(take_from(bad).is_err(), "{bad}");
        }
    }
}
