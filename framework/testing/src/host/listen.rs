//! TCP listeners for components and clients.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Duration;

use super::state::Shared;
use crate::io::Io;

/// Delay before rebinding a port that was taken while the host was stopped, and after a failed
/// accept.
const RETRY: Duration = Duration::from_millis(100);

/// Function that serves an accepted connection: as a component, or as a client.
pub(super) type Serve = fn(&Arc<Shared>, Io);

pub(super) async fn listen(
    shared: &Arc<Shared>,
    address: SocketAddr,
    to: Serve,
) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(
        Arc::downgrade(shared),
        shared.running.subscribe(),
        listener,
        address,
        to,
    ));
    Ok(address)
}

/// Accepts connections while the host runs. While stopped, the port is released, so that
/// connections are refused as by a stopped server.
async fn serve(
    shared: Weak<Shared>,
    mut running: watch::Receiver<bool>,
    listener: TcpListener,
    address: SocketAddr,
    to: Serve,
) {
    let mut listener = Some(listener);
    // The channel closes with the host.
    while running.wait_for(|running| *running).await.is_ok() {
        let bound = match listener.take() {
            Some(bound) => bound,
            None => match TcpListener::bind(address).await {
                Ok(bound) => bound,
                Err(error) => {
                    tracing::warn!(%address, %error, "listening failed; retrying");
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            },
        };
        tokio::select! {
            stopped = running.wait_for(|running| !*running) => if stopped.is_err() { return },
            () = accept(&shared, bound, to) => {}
        }
    }
}

async fn accept(shared: &Weak<Shared>, listener: TcpListener, to: Serve) {
    loop {
        match listener.accept().await {
            Ok((connection, _)) => {
                let Some(shared) = shared.upgrade() else {
                    return;
                };
                serve_one(&shared, connection, to);
            }
            Err(error) => {
                // Most likely out of file descriptors, which clears when connections end.
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn serve_one(shared: &Arc<Shared>, connection: TcpStream, to: Serve) {
    if let Err(error) = connection.set_nodelay(true) {
        tracing::debug!(%error, "setting TCP_NODELAY failed; the connection may be slow");
    }
    to(shared, Box::new(connection));
}
