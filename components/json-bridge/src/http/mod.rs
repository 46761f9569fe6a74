//! HTTP connections, with bounds on their number and on the time that a request may take to arrive.
//!
//! At the limit, a new connection replaces the oldest idle one: silent clients cannot exhaust the
//! port or the file descriptors of the process.

mod body;
mod connections;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, HeaderValue, RETRY_AFTER};
use axum::http::{Request, Response, StatusCode};
use campanile::supervise::TaskFailures;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

use self::body::{Deadline, Tracked};
use self::connections::{Admission, Connections, Slot};

/// Timeout for receiving the head of a request, and for the next request on an idle connection.
const HEAD: Duration = Duration::from_secs(30);
/// Timeout for receiving the body of a request.
const BODY: Duration = Duration::from_secs(60);

/// Bounds on the connections of one port.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Maximum number of concurrent connections. The process also keeps a quarter of its file
    /// descriptors for links, stores and webhooks.
    pub connections: usize,
    /// Number of further connections, which serve only [vital](Self::is_vital) requests while all
    /// others are busy.
    pub reserve: usize,
    /// Returns `true` for the paths of requests that are always served, such as health checks.
    pub is_vital: fn(&str) -> bool,
}

/// Accepts and serves connections until the future is dropped.
///
/// Log lines begin with `name`. `router` is called with the peer address of each connection.
pub async fn serve(
    listener: Arc<TcpListener>,
    name: &'static str,
    bounds: Bounds,
    failures: TaskFailures,
    router: impl Fn(SocketAddr) -> Router,
) {
    let connections = Connections::new(name, bounds.connections, bounds.reserve);
    // Aborts open connections when dropped.
    let mut open = tokio::task::JoinSet::new();
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("{name} failed to accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        // Panics are caught in the tasks.
        while open.try_join_next().is_some() {}
        // Without a slot, the connection is closed at once.
        let Some(slot) = connections.admit() else {
            continue;
        };
        if slot.has_replaced() {
            // Lets the task of the other connection free its descriptor.
            tokio::task::yield_now().await;
        }
        let admission = slot.admission();
        let id = slot.id();
        let router = router(address);
        let failures = failures.clone();
        let handle = open.spawn(async move {
            let connection = connection(stream, router, slot, bounds);
            if let Some(Err(error)) = failures.catch(name, connection).await {
                tracing::debug!("{name} connection failed: {error}");
            }
        });
        if admission == Admission::Regular {
            connections.set_handle(id, handle);
        }
    }
}

async fn connection(
    stream: TcpStream,
    router: Router,
    slot: Slot,
    bounds: Bounds,
) -> hyper::Result<()> {
    // Failure only costs a small delay.
    let _ = stream.set_nodelay(true);
    let slot = Arc::new(slot);
    let service = service_fn(move |request: Request<Incoming>| {
        let router = router.clone();
        let slot = Arc::clone(&slot);
        async move { Ok::<_, Infallible>(answer(request, router, &slot, bounds).await) }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(
    request: Request<Incoming>,
    router: Router,
    slot: &Arc<Slot>,
    bounds: Bounds,
) -> Response<Body> {
    if slot.admission() == Admission::Reserve && !(bounds.is_vital)(request.uri().path()) {
        return overloaded();
    }
    let busy = slot.begin();
    let request = request.map(|body| Body::new(Deadline::new(body, BODY)));
    let Ok(response) = router.oneshot(request).await;
    response.map(|body| Body::new(Tracked::new(body, busy)))
}

/// Asks the client to come back, and closes the connection.
fn overloaded() -> Response<Body> {
    let mut response = Response::new(Body::from("all connections are busy\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
