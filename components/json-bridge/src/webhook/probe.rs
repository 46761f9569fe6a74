//! A connection to each webhook before the bridge starts, without a request.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use campanile::error::{BoxError, chain};
use futures_util::future::join_all;
use rustls::ClientConfig;
use tokio::time::timeout;
use tower::Service;

use super::Webhook;
use super::connect::{connector, tls};
use crate::settings::Bot;

/// Timeout of all connections, which are opened at the same time.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of servers that are connected to.
const MAX_SERVERS: usize = 64;

/// A server of webhooks, and the first bot that has one there.
struct Server<'s> {
    hook: &'s Webhook,
    bot: Option<&'s str>,
    others: usize,
}

/// Connects to the server of each webhook as a delivery would, TLS included, and closes the
/// connection. Returns a remark for each that cannot be reached.
///
/// # Errors
/// Returns an error if TLS cannot be set up, for which a bridge would not start.
pub(crate) async fn remarks(bots: &[Bot]) -> Result<Vec<String>, BoxError> {
    let mut servers = servers(bots);
    let more = servers.len().saturating_sub(MAX_SERVERS);
    servers.truncate(MAX_SERVERS);
    if servers.is_empty() {
        return Ok(Vec::new());
    }
    let system = tls(None)?;
    let probes = servers.iter().map(|server| {
        let connected = timeout(TIMEOUT, connect(server.hook, Arc::clone(&system)));
        async move {
            let late = |_| Err(io::Error::from(io::ErrorKind::TimedOut).into());
            let error = connected.await.unwrap_or_else(late).err()?;
            Some(server.remark(&error))
        }
    });
    let mut remarks: Vec<_> = join_all(probes).await.into_iter().flatten().collect();
    if more > 0 {
        remarks.push(format!("{more} more servers of webhooks were not tried"));
    }
    Ok(remarks)
}

/// Returns each server once.
fn servers(bots: &[Bot]) -> Vec<Server<'_>> {
    let mut servers: Vec<Server<'_>> = Vec::new();
    for bot in bots {
        let Some(hook) = &bot.webhook else { continue };
        let known = servers.iter_mut().find(|it| is_same_server(it.hook, hook));
        match known {
            Some(server) => server.others += 1,
            None => servers.push(Server {
                hook,
                bot: bot.localpart.as_deref(),
                others: 0,
            }),
        }
    }
    servers
}

fn is_same_server(one: &Webhook, other: &Webhook) -> bool {
    one.url.scheme() == other.url.scheme()
        && one.url.authority() == other.url.authority()
        && (&one.ca_file, one.guarded) == (&other.ca_file, other.guarded)
}

async fn connect(hook: &Webhook, system: Arc<ClientConfig>) -> Result<(), BoxError> {
    let tls = match &hook.ca_file {
        Some(path) => tls(Some(path))?,
        None => system,
    };
    let mut connector = connector(tls, hook.guarded);
    connector.call(hook.url.clone()).await.map(drop)
}

impl Server<'_> {
    fn remark(&self, error: &BoxError) -> String {
        let url = self.hook.shown_url();
        let bot = match self.bot {
            Some(localpart) => format!("bot {localpart}"),
            None => "the bot for all other addresses".to_owned(),
        };
        let others = match self.others {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        if is_refused(error) {
            return format!(
                "nothing listens at {url} ({bot}{others}); start its handler, or correct `url`"
            );
        }
        format!(
            "cannot connect to {url} ({bot}{others}): {}; correct `url`, or the network, DNS or \
             certificate of the handler",
            chain(error)
        )
    }
}

fn is_refused(error: &BoxError) -> bool {
    let first: &(dyn std::error::Error + 'static) = &**error;
    std::iter::successors(Some(first), |error| (*error).source()).any(|error| {
        error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    })
}
