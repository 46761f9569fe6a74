//! The webhook of the demo's bot, called by the JSON bridge.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use campanile::serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpStream;

use super::output::Output;
use crate::escape::Escaped;

/// Largest request body, more than the demo ever posts.
const LARGEST: usize = 64 * 1024;

/// A webhook on a free loopback port.
pub(super) struct WebBot {
    listener: TcpListener,
    address: SocketAddr,
}

impl WebBot {
    pub(super) fn bind() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        Ok(Self {
            address: listener.local_addr()?,
            listener,
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until dropped, and shows each request and response.
    pub(super) async fn serve(self, output: Arc<Output>) -> io::Result<()> {
        let listener = tokio::net::TcpListener::from_std(self.listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let output = Arc::clone(&output);
            // Only the bridge connects here, with persistent connections.
            tokio::spawn(async move {
                let mut stream = BufStream::new(stream);
                while answer(&mut stream, &output).await.is_ok_and(|more| more) {}
            });
        }
    }
}

/// Handles one request. Returns `false` when the connection is closed.
async fn answer(stream: &mut BufStream<TcpStream>, output: &Output) -> io::Result<bool> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(false);
        }
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    if length > LARGEST {
        return Ok(false);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let posted: Value = campanile::serde_json::from_slice(&body)?;
    let letters = posted["body"].as_str().unwrap_or_default().chars().count();
    let reply =
        json!({"body": format!("{letters} letters, and no angle brackets to parse")}).to_string();
    output.line(&format!("  POST /hook  {}", Escaped(&posted)));
    output.line(&format!("         200  {}", Escaped(&reply)));
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length";
    stream
        .write_all(format!("{head}: {}\r\n\r\n{reply}", reply.len()).as_bytes())
        .await?;
    stream.flush().await?;
    Ok(true)
}
