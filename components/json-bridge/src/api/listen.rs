//! HTTP connections, with limits on their number and on the time to receive a request.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Maximum number of concurrent connections.
const MAX_CONNECTIONS: usize = 1024;
/// Timeout for receiving the head of a request, and for the next request on an idle connection.
const HEAD: Duration = Duration::from_secs(30);

/// Accepts and serves connections until the future is dropped.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Aborts open connections when dropped.
    let mut open = tokio::task::JoinSet::new();
    loop {
        // Connections over the limit wait in the backlog of the socket.
        let Ok(permit) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("accept failed: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let router = router.clone();
        while open.try_join_next().is_some() {}
        open.spawn(async move {
            let service = TowerToHyperService::new(router);
            let mut builder = http1::Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
            if let Err(error) = builder
                .serve_connection(TokioIo::new(stream), service)
                .await
            {
                tracing::debug!("connection closed: {error}");
            }
            drop(permit);
            Ok::<(), Infallible>(())
        });
    }
}
