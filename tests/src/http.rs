//! Questions to the HTTP sides of the daemon.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What an HTTP server on loopback answers, head and body; `None` when nobody listens.
pub async fn get(port: u16, path: &str, headers: &str) -> Option<String> {
    ask(port, &format!("GET {path} HTTP/1.1\r\n{headers}"), "").await
}

/// As [`get`], with a JSON body; `None` also when the connection ends before an answer has come
/// whole.
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
