//! Connections: bounded in number, and in the time that a request may take to arrive.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// Connections at the same time.
const MAX_CONNECTIONS: usize = 1024;
/// The head of a request must be there by then; so must the next request on an idle connection.
const HEAD: Duration = Duration::from_secs(30);

/// Serves until dropped.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Aborts what is open when this is dropped.
    let mut open = tokio::task::JoinSet::new();
    loop {
        // Beyond the bound new ones wait in the backlog of the socket.
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!("no connection can be taken: {error}");
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
                tracing::debug!("a connection ended: {error}");
            }
            drop(permit);
            Ok::<(), Infallible>(())
        });
    }
}
