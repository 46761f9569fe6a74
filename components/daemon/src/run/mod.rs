//! `campanile run`: the whole life of the process, on one page.

pub(crate) mod lock;
pub(crate) mod signals;
mod verdict;

use campanile::component::{Component, RunError};
use campanile::jid::BareJid;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Duration, timeout};

use self::lock::Lock;
use self::signals::Signals;
use self::verdict::Watched;
use crate::cli::{ConfigFile, LogFormat};
use crate::config::{Config, Source};
use crate::exit::Exit;
use crate::{mount, report};

/// Between one component's first attempt and the next one's. The queue of connections that ejabberd has not yet looked at is
/// five long unless it is told otherwise: of a crowd that comes all at once, some look open and are silent until they are
/// given up.
const PACE: Duration = Duration::from_millis(20);

/// Serves the components of the configuration until it is told to stop.
pub(crate) fn run(options: &ConfigFile, format: LogFormat) -> Exit {
    let config = match Source::read(options.config.as_deref()).and_then(|source| Config::parse(&source)) {
        Ok(config) => config,
        Err(failure) => return report::failure(&failure, format),
    };
    config.warnings.iter().for_each(report::warn);
    let _locks = match locks(&config) {
        Ok(locks) => locks,
        Err(why) => {
            why.iter().for_each(|why| report::line(why, format));
            return Exit::Machine;
        }
    };
    let components = match build(&config) {
        Ok(components) => components,
        Err(why) => {
            report::line(&why, format);
            return Exit::Config;
        }
    };
    crate::runtime(format, serve(components, format))
}

/// Each JID is served by one process: a second one would be refused, or steal half of the stanzas.
fn locks(config: &Config) -> Result<Vec<Lock>, Vec<String>> {
    let (held, refused): (Vec<_>, Vec<_>) =
        config.components.iter().map(|component| Lock::acquire(&component.jid)).partition(Result::is_ok);
    if refused.is_empty() {
        return Ok(held.into_iter().flatten().collect());
    }
    Err(refused.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect())
}

/// Builds every component, and says what is mounted where.
fn build(config: &Config) -> Result<Vec<(BareJid, Component)>, String> {
    let mut components = Vec::new();
    for settings in &config.components {
        let component = mount::component(settings).map_err(|error| mount::explain(&settings.jid, &error))?;
        let (jid, server, tls) = (&settings.jid, &settings.address, settings.tls.is_some());
        tracing::info!(%jid, %server, tls, "serving {}", settings.mounted());
        components.push((jid.clone(), component));
    }
    Ok(components)
}

async fn serve(components: Vec<(BareJid, Component)>, format: LogFormat) -> Exit {
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => {
            report::line(&format!("signals cannot be waited for: {error}"), format);
            return Exit::Machine;
        }
    };
    let stop = watch::Sender::new(false);
    let watched = components.iter().map(|(jid, component)| Watched::new(jid, component)).collect();
    let mut running = JoinSet::new();
    for (turn, (jid, component)) in (0..).zip(components) {
        let (waiting, until) = (stopped(stop.subscribe()), stopped(stop.subscribe()));
        running.spawn(async move {
            // Over early when there is nothing to wait for any more.
            let _ = timeout(PACE * turn, waiting).await;
            (jid, component.run_until(until).await)
        });
    }
    let exit = tokio::select! {
        signal = signals.stop() => {
            tracing::info!("{signal}: finishing what was begun; a second signal ends at once");
            Exit::Done
        }
        refusals = verdict::all_refused(watched) => {
            report::refusals(&refusals, format);
            Exit::Refused
        }
        () = all_ended(&mut running) => {
            report::line("no component runs any more", format);
            return Exit::Fault;
        }
    };
    stop.send_replace(true);
    tokio::select! {
        () = all_ended(&mut running) => exit,
        signal = signals.stop() => {
            tracing::warn!("{signal} again: ending at once; what was in flight stays unanswered");
            Exit::Fault
        }
    }
}

/// Ready when the sender says so, or is gone.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody is left to say anything else.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits for the end of all; one that fails does not hurt the others.
async fn all_ended(running: &mut JoinSet<(BareJid, Result<(), RunError>)>) {
    while let Some(ended) = running.join_next().await {
        say_how(ended);
    }
}

fn say_how(ended: Result<(BareJid, Result<(), RunError>), JoinError>) {
    match ended {
        Ok((jid, Ok(()))) => tracing::info!(%jid, "stopped"),
        Ok((jid, Err(error))) => {
            tracing::error!(%jid, "ended, and will not come back: {}", report::chain(&error));
        }
        Err(error) => tracing::error!("a component ended by a fault of ours: {error}"),
    }
}
