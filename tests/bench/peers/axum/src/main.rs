//! `bench-axum PORT`: the handlers that await, and one that does not, on a path each, over
//! HTTP/1.1 and HTTP/2. Every handler returns the body of the request.

use std::net::Ipv4Addr;

use anyhow::Context;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use bench_work::{BoxError, Pool, Upstream, Worker};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpSocket, TcpStream};

/// Largest window of the load generator.
const STREAMS: u32 = 8192;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let port: u16 = std::env::args().nth(1).context("PORT")?.parse()?;
    let pool = Pool::new().map_err(anyhow::Error::from_boxed)?;
    let router = Router::new()
        .route("/chat", post(echo))
        .route("/sleep", post(sleeping))
        .route("/task", post(asking).with_state(Worker::start()))
        .route("/http", post(fetching).with_state(Upstream::from_env()))
        .route("/pool", post(pooled).with_state(pool));
    let socket = TcpSocket::new_v4()?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    // All connections of the largest window come at once. With a full backlog, some take seconds.
    let listener = socket.listen(STREAMS)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        tokio::spawn(serve(stream, router.clone()));
    }
}

/// Serves one connection, like `axum::serve`, with a window that its settings do not allow.
async fn serve(stream: TcpStream, router: Router) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(STREAMS);
    let service = TowerToHyperService::new(router);
    if let Err(error) = builder
        .serve_connection(TokioIo::new(stream), service)
        .await
    {
        eprintln!("connection failed: {error}");
    }
}

/// Responds with status 500 to any error.
struct Failed;

impl axum::response::IntoResponse for Failed {
    fn into_response(self) -> axum::response::Response {
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

impl From<BoxError> for Failed {
    fn from(error: BoxError) -> Self {
        eprintln!("handler failed: {error}");
        Self
    }
}

async fn echo(body: Bytes) -> Bytes {
    body
}

async fn sleeping(body: Bytes) -> Bytes {
    bench_work::sleep().await;
    body
}

async fn asking(State(worker): State<Worker<Bytes>>, body: Bytes) -> Result<Bytes, Failed> {
    Ok(worker.ask(body).await?)
}

async fn fetching(State(upstream): State<Upstream>, body: Bytes) -> Result<Bytes, Failed> {
    upstream.ask().await?;
    Ok(body)
}

async fn pooled(State(pool): State<Pool>, body: Bytes) -> Result<Bytes, Failed> {
    pool.ask().await?;
    Ok(body)
}
