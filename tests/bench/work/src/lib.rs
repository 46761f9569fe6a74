//! Bodies of handlers that await: the same code in a program on the framework and in one on axum.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleResult};
use tokio::sync::{mpsc, oneshot};

/// Error of a handler.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// Sleeps for one millisecond.
pub async fn sleep() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

/// A task that other tasks ask for a reply.
#[derive(Debug)]
pub struct Worker<T>(mpsc::Sender<(T, oneshot::Sender<T>)>);

impl<T: Send + 'static> Worker<T> {
    /// Starts the task.
    pub fn start() -> Self {
        let (asked, mut questions) = mpsc::channel::<(T, oneshot::Sender<T>)>(1024);
        tokio::spawn(async move {
            while let Some((question, answer)) = questions.recv().await {
                // The handler has gone if its connection was stopped.
                let _ = answer.send(question);
            }
        });
        Self(asked)
    }

    /// Sends a value to the task, and returns the reply: the same value.
    pub async fn ask(&self, question: T) -> Result<T, BoxError>
    where
        T: Sync,
    {
        let (answer, answered) = oneshot::channel();
        self.0.send((question, answer)).await?;
        Ok(answered.await?)
    }
}

impl<T> Clone for Worker<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// An HTTP server that handlers ask. The load generator passes its port in `BENCH_UPSTREAM`.
#[derive(Debug, Clone)]
pub struct Upstream {
    client: reqwest::Client,
    url: String,
}

impl Upstream {
    pub fn from_env() -> Self {
        let port = std::env::var("BENCH_UPSTREAM").unwrap_or_default();
        Self {
            client: reqwest::Client::new(),
            url: format!("http://127.0.0.1:{port}/"),
        }
    }

    /// Sends a GET request, and reads the response to its end.
    pub async fn ask(&self) -> Result<(), BoxError> {
        let response = self.client.get(&self.url).send().await?;
        response.error_for_status()?.bytes().await?;
        Ok(())
    }
}

/// A pool of 16 connections to a database that answers at the next turn of the scheduler.
#[derive(Debug, Clone)]
pub struct Pool(managed::Pool<Connections>);

const CONNECTIONS: usize = 16;

impl Pool {
    pub fn new() -> Result<Self, BoxError> {
        let pool = managed::Pool::builder(Connections).max_size(CONNECTIONS);
        Ok(Self(pool.build()?))
    }

    /// Waits for a free connection, asks it, and puts it back.
    pub async fn ask(&self) -> Result<(), BoxError> {
        let connection = self.0.get().await?;
        connection.ask().await;
        Ok(())
    }
}

#[derive(Debug)]
struct Connections;

#[derive(Debug)]
struct Connection;

impl Connection {
    async fn ask(&self) {
        tokio::task::yield_now().await;
    }
}

impl managed::Manager for Connections {
    type Type = Connection;
    type Error = Infallible;

    async fn create(&self) -> Result<Connection, Infallible> {
        Ok(Connection)
    }

    async fn recycle(&self, _: &mut Connection, _: &Metrics) -> RecycleResult<Infallible> {
        Ok(())
    }
}
