//! TCP and TLS connections to webhooks.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use campanile::error::BoxError;
use hyper::Uri;
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tower::Service;
use tower::util::BoxCloneSyncService;

use super::guard;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

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

/// Returns a configuration that trusts the root certificates of the system.
pub(super) fn tls() -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(Arc::new(
        config.with_root_certificates(roots).with_no_client_auth(),
    ))
}

/// Tries each permitted address of the host in turn.
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
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in tokio::net::lookup_host((host, port)).await? {
        match connect(address, guarded).await {
            Ok(stream) => return Ok(TokioIo::new(stream)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect(address: SocketAddr, guarded: bool) -> io::Result<TcpStream> {
    if guarded && !guard::is_public(address.ip()) {
        let why = "private address refused: the URL does not come from the configuration";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}
