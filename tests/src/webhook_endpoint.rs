//! An HTTP endpoint that records webhook requests, and can simulate downtime.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

/// A webhook endpoint, which runs until the runtime ends.
#[derive(Debug, Clone)]
pub struct WebhookEndpoint {
    /// Address of the listener.
    pub address: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
    down: Arc<AtomicBool>,
    refused: Arc<AtomicU64>,
}

/// An accepted request.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Headers by lower-case name.
    pub head: HashMap<String, String>,
    /// Request body.
    pub body: String,
}

impl Posted {
    /// Returns the stanza in the body.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("webhook bodies are JSON")
    }
}

impl WebhookEndpoint {
    /// Listens and responds to every request with this JSON, or with an empty body.
    pub async fn start(answer: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        let this = Self {
            address,
            posted: Arc::default(),
            down: Arc::default(),
            refused: Arc::default(),
        };
        let own = this.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let own = own.clone();
                tokio::spawn(async move { own.serve(stream, answer).await });
            }
        });
        this
    }

    /// Simulates downtime: requests get a 503 and are not recorded.
    pub fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// Returns the number of requests during downtime.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Returns the accepted requests.
    pub fn posted(&self) -> MutexGuard<'_, Vec<Posted>> {
        self.posted.lock().expect("the lock is never poisoned")
    }

    async fn serve(&self, stream: TcpStream, answer: Option<&'static str>) -> Option<()> {
        let mut stream = BufStream::new(stream);
        loop {
            let posted = read(&mut stream).await?;
            let answer = if self.down.load(Ordering::Relaxed) {
                self.refused.fetch_add(1, Ordering::Relaxed);
                "HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n".to_owned()
            } else {
                self.posted().push(posted);
                let (kind, body) =
                    answer.map_or(("text/plain", ""), |json| ("application/json", json));
                let length = body.len();
                format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: \
                    {length}\r\n\r\n{body}"
                )
            };
            stream.write_all(answer.as_bytes()).await.ok()?;
            stream.flush().await.ok()?;
        }
    }
}

async fn read(stream: &mut BufStream<TcpStream>) -> Option<Posted> {
    let mut head = HashMap::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        match line.trim_end().split_once(": ") {
            Some((name, value)) => drop(head.insert(name.to_ascii_lowercase(), value.to_owned())),
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let length = head
        .get("content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Posted {
        head,
        body: String::from_utf8(body).ok()?,
    })
}
