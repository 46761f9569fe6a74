//! Accepts connections, with a limit on their number and on the time to receive a request.

use std::sync::Arc;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use super::access::Peer;

/// Maximum number of concurrent connections.
const MAX_CONNECTIONS: usize = 64;
/// Timeout for the header of a request, also of the next one on an idle connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Serves until dropped.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Aborts open connections when dropped.
    let mut open = tokio::task::JoinSet::new();
    loop {
        // Above the limit, new connections wait in the backlog of the socket.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("admin port failed to accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Failure only costs a small delay.
        let _ = stream.set_nodelay(true);
        let router = router.clone().layer(Extension(Peer(address)));
        while open.try_join_next().is_some() {}
        open.spawn(async move {
            let mut builder = http1::Builder::new();
            builder
                .timer(TokioTimer::new())
                .header_read_timeout(HEADER_TIMEOUT);
            let service = TowerToHyperService::new(router);
            if let Err(error) = builder
                .serve_connection(TokioIo::new(stream), service)
                .await
            {
                tracing::debug!("admin port connection failed: {error}");
            }
            drop(permit);
        });
    }
}
