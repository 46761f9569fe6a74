//! A webhook that replies to every message.

use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;

const REPLY: &str = "{\"body\":\"The bell was heard.\"}";

/// An HTTP server for the JSON bridge, which runs until the process ends.
#[derive(Debug)]
pub struct Webhook {
    pub port: u16,
}

impl Webhook {
    pub fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = listener.local_addr()?.port();
        thread::spawn(move || {
            // The bridge limits its connections.
            for stream in listener.incoming().flatten() {
                thread::spawn(move || {
                    if let Err(error) = serve(&stream) {
                        eprintln!("bench: webhook: {error}");
                    }
                });
            }
        });
        Ok(Self { port })
    }
}

fn serve(mut stream: &TcpStream) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut input = BufReader::new(stream);
    while let Some(length) = read_head(&mut input)? {
        std::io::copy(&mut input.by_ref().take(length), &mut std::io::sink())?;
        let length = REPLY.len();
        let reply = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n\
             {REPLY}"
        );
        stream.write_all(reply.as_bytes())?;
    }
    Ok(())
}

/// Returns the length of the body; `None` at the end of the connection.
fn read_head(input: &mut impl BufRead) -> Result<Option<u64>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_ascii_lowercase();
        if line.is_empty() {
            return Ok(Some(length));
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
}
