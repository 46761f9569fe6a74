//! Components and clients that come over TCP.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Duration;

use super::state::Shared;
use campanile::connection::Io;

/// How long to wait before a port is tried again that was taken while the host was stopped.
const RETRY: Duration = Duration::from_millis(100);

/// What is done with a connection: a component's, or a client's.
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

/// Accepts while the host runs. Stopped, it gives the port up, so that connecting is refused as by
/// a stopped server.
async fn serve(
    shared: Weak<Shared>,
    mut running: watch::Receiver<bool>,
    listener: TcpListener,
    address: SocketAddr,
    to: Serve,
) {
    let mut listener = Some(listener);
    // The channel is gone when the host is.
    while running.wait_for(|running| *running).await.is_ok() {
        let bound = match listener.take() {
            Some(bound) => bound,
            None => match TcpListener::bind(address).await {
                Ok(bound) => bound,
                Err(error) => {
                    tracing::warn!(%address, %error, "the host cannot listen again; it goes on \
                        trying");
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
                // Out of file descriptors, most likely: it passes when connections end.
                tracing::warn!(%error, "the host cannot accept a connection");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

fn serve_one(shared: &Arc<Shared>, connection: TcpStream, to: Serve) {
    if let Err(error) = connection.set_nodelay(true) {
        tracing::debug!(%error, "a connection that is slower than it could be");
    }
    to(shared, Box::new(connection));
}
