//! HTTP connections, with limits on their number and on the time to receive a request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// Timeout for receiving the head of a request, and for the next request on an idle connection.
const HEAD: Duration = Duration::from_secs(30);

/// Accepts and serves up to `limit` concurrent connections until the future is dropped.
///
/// Log lines begin with `name`. `router` is called with the peer address of each connection.
pub async fn serve(
    listener: Arc<TcpListener>,
    name: &'static str,
    limit: usize,
    router: impl Fn(SocketAddr) -> Router,
) {
    let slots = Arc::new(Semaphore::new(limit));
    // Aborts open connections when dropped.
    let mut open = tokio::task::JoinSet::new();
    loop {
        // Connections over the limit wait in the backlog of the socket.
        let Ok(permit) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("{name} failed to accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let router = router(address);
        while let Some(ended) = open.try_join_next() {
            if let Err(error) = ended {
                tracing::error!("{name} connection ended, please report this: {error}");
            }
        }
        open.spawn(async move {
            if let Err(error) = connection(stream, router).await {
                tracing::debug!("{name} connection failed: {error}");
            }
            drop(permit);
        });
    }
}

async fn connection(stream: TcpStream, router: Router) -> hyper::Result<()> {
    // Failure only costs a small delay.
    let _ = stream.set_nodelay(true);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
}
