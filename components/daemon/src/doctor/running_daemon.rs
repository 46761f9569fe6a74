//! Queries the admin port of a running daemon for the status of its components.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::{PROBE_TIMEOUT, Report, not_routed, probe_port, refusal, strays};
use crate::config::{Admin, Component};

const TIMEOUT: Duration = Duration::from_secs(3);
/// Largest response, far more than the state of all components.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The running daemon; queried once for all components of the file.
#[derive(Debug)]
pub(super) struct RunningDaemon {
    admin: Option<Admin>,
    state: OnceCell<Result<Value, String>>,
}

impl RunningDaemon {
    pub(super) fn new(admin: Option<Admin>) -> Self {
        Self {
            admin,
            state: OnceCell::new(),
        }
    }

    /// Reports on a component served by another process; `held` says by which.
    pub(super) async fn report(&self, settings: &Component, held: &str) -> Report {
        let state = match self.state.get_or_init(|| self.ask()).await {
            Ok(state) => state,
            Err(why) => return untried(format!("not probed: {held}; {why}")),
        };
        let components = state["components"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        match components
            .iter()
            .find(|component| component["jid"] == settings.jid.as_str())
        {
            Some(own) => assess(settings, own, held).await,
            None => untried(format!(
                "not probed: {held}, which is not the daemon of this file"
            )),
        }
    }

    async fn ask(&self) -> Result<Value, String> {
        let Some(admin) = &self.admin else {
            return Err("add [admin] to the file to query its status".to_owned());
        };
        let asked = timeout(TIMEOUT, get(admin.listen, "/api/state"))
            .await
            .unwrap_or_else(|late| Err(late.into()));
        asked.map_err(|error| format!("cannot query its admin port {}: {error}", admin.listen))
    }
}

fn untried(why: String) -> Report {
    Report {
        well: Some(why),
        diagnostics: Vec::new(),
    }
}

async fn assess(settings: &Component, own: &Value, held: &str) -> Report {
    let mut diagnostics = Vec::new();
    let state = own["state"].as_str().unwrap_or_default();
    let ready = own["ready"] == true;
    match state {
        "mounted" if !ready => diagnostics.push(not_routed(
            settings,
            &format!(
                "{held}; it is connected to {}, but nothing is routed to it",
                settings.address
            ),
        )),
        "waiting" => {
            // Probing without a handshake disturbs no connection.
            let port = probe_port::probe(
                &settings.address,
                &settings.jid,
                PROBE_TIMEOUT.min(settings.limits.connect_timeout),
            )
            .await;
            diagnostics.push(
                refusal::explain(settings, own["why"].as_str().unwrap_or_default(), &port).await,
            );
        }
        _ => {}
    }
    if own["turned_away"]["stray"]
        .as_u64()
        .is_some_and(|count| count > 0)
    {
        diagnostics.push(strays(settings));
    }
    let status = if ready {
        "mounted, and stanzas reach it"
    } else {
        state
    };
    let well = diagnostics.is_empty().then(|| format!("{held}: {status}"));
    Report { well, diagnostics }
}

/// Fetches the JSON at a path.
async fn get(listen: SocketAddr, path: &str) -> io::Result<Value> {
    let nowhere = listen.ip().is_unspecified();
    let address = if nowhere {
        SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port())
    } else {
        listen
    };
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\nConnection: \
        close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(LARGEST).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        return Err(io::Error::other(format!("unexpected status {status:?}")));
    }
    serde_json::from_str(body).map_err(io::Error::other)
}
