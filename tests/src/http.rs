//! Minimal HTTP client for the daemon's HTTP endpoints.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a GET request to loopback and returns head and body, or `None` if nothing listens.
pub async fn get(port: u16, path: &str, headers: &str) -> Option<String> {
    ask(port, &format!("GET {path} HTTP/1.1\r\n{headers}"), "").await
}

/// Sends a POST request with a JSON body. Also returns `None` if the connection ends before the
/// response is complete.
pub async fn post(port: u16, path: &str, headers: &str, body: &str) -> Option<String> {
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: \
        {length}\r\n{headers}"
    );
    ask(port, &head, body)
        .await
        .filter(|answer| answer.contains("\r\n\r\n"))
}

async fn ask(port: u16, head: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port)))
        .await
        .ok()?;
    let request = format!("{head}Host: localhost:{port}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}
