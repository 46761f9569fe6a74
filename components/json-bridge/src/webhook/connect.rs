//! TCP and TLS connections to webhooks.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use campanile::error::BoxError;
use campanile::settings::read_file;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tower::Service;
use tower::util::BoxCloneSyncService;

use super::guard;

/// Timeout of a connection, with its TLS handshake.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Timeout of the connection to one address, so that the last of several still has time.
const ADDRESS_TIMEOUT: Duration = Duration::from_secs(5);
/// Delay between connection attempts (RFC 8305 §5).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// Maximum number of addresses that are tried.
const MAX_ADDRESSES: usize = 16;

/// A connector for http and https.
pub(super) type Connector =
    BoxCloneSyncService<Uri, MaybeHttpsStream<TokioIo<TcpStream>>, BoxError>;

/// Creates a connector, which refuses private addresses if it is `guarded`.
pub(super) fn connector(tls: Arc<ClientConfig>, guarded: bool) -> Connector {
    let tcp = tower::service_fn(move |uri| tcp(uri, guarded));
    let mut https = HttpsConnector::from((tcp, tls));
    // The timeout includes the TLS handshake. hyper may finish a connection in the background,
    // where the timeout of the request does not apply.
    BoxCloneSyncService::new(tower::service_fn(move |uri| {
        let connection = https.call(uri);
        async {
            timeout(CONNECT_TIMEOUT, connection)
                .await
                .map_err(io::Error::from)?
        }
    }))
}

/// Returns a configuration that trusts the root certificates of the system, and those of a PEM
/// file.
pub(super) fn tls(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, BoxError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = ca_file {
        add_certificates(&mut roots, path)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(
        config.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// Checks that a PEM file holds trusted certificates.
pub(crate) fn check_certificates(path: &Path) -> Result<(), String> {
    add_certificates(&mut RootCertStore::empty(), path)
}

fn add_certificates(roots: &mut RootCertStore, path: &Path) -> Result<(), String> {
    let unreadable = |error| match error {
        pem::Error::Io(error) => format!("cannot read {}: {error}", path.display()),
        error => format!("cannot read {}: {error}", path.display()),
    };
    let pem = read_file(path).map_err(|error| unreadable(pem::Error::Io(error)))?;
    let certificates = CertificateDer::pem_slice_iter(&pem);
    let before = roots.len();
    for certificate in certificates {
        let added = roots.add(certificate.map_err(unreadable)?);
        added.map_err(|error| format!("{}: {error}", path.display()))?;
    }
    if roots.len() == before {
        return Err(format!("no certificate in {}", path.display()));
    }
    Ok(())
}

/// Connects to the host of a URL.
///
/// An address in the URL takes the same path as a name, so that the guard checks it too. The
/// `HttpConnector` of hyper-util connects to such an address without a call of its resolver.
async fn tcp(uri: Uri, guarded: bool) -> io::Result<TokioIo<TcpStream>> {
    let host = uri
        .host()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the URL has no host"))?
        .trim_matches(['[', ']']);
    let default = match uri.scheme_str() {
        Some("https") => 443,
        _ => 80,
    };
    let port = uri.port_u16().unwrap_or(default);
    let addresses = tokio::net::lookup_host((host, port)).await?;
    race(interleaved(addresses), guarded)
        .await
        .map(TokioIo::new)
}

/// Orders addresses for connection attempts: IPv6 and IPv4 in turn, beginning with the family that
/// the resolver prefers (RFC 8305 §4).
pub(super) fn interleaved(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let all: Vec<_> = addresses.take(MAX_ADDRESSES).collect();
    let is_v6 = all.first().is_some_and(SocketAddr::is_ipv6);
    let (mut one, mut other): (VecDeque<_>, VecDeque<_>) = all
        .iter()
        .copied()
        .partition(|address| address.is_ipv6() == is_v6);
    let mut ordered = Vec::with_capacity(all.len());
    while !one.is_empty() || !other.is_empty() {
        ordered.extend(one.pop_front());
        ordered.extend(other.pop_front());
    }
    ordered
}

/// Connects to the first address that answers (RFC 8305 §5): the next attempt begins 250 ms after
/// the previous one, or at once if that has failed.
pub(super) async fn race(addresses: Vec<SocketAddr>, guarded: bool) -> io::Result<TcpStream> {
    let mut waiting = addresses.into_iter();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let mut attempts = FuturesUnordered::new();
    attempts.extend(waiting.next().map(|address| connect(address, guarded)));
    loop {
        tokio::select! {
            Some(connected) = attempts.next() => match connected {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    last = error;
                    attempts.extend(waiting.next().map(|address| connect(address, guarded)));
                }
            },
            () = sleep(ATTEMPT_DELAY), if waiting.len() > 0 => {
                attempts.extend(waiting.next().map(|address| connect(address, guarded)));
            }
            else => return Err(last),
        }
    }
}

async fn connect(address: SocketAddr, guarded: bool) -> io::Result<TcpStream> {
    if guarded && !guard::is_public(address.ip()) {
        let why = "private address refused: the URL does not come from the configuration";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let stream = timeout(ADDRESS_TIMEOUT, TcpStream::connect(address)).await??;
    stream.set_nodelay(true)?;
    Ok(stream)
}
