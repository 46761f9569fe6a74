//! `campanile run`: the life cycle of the daemon.

mod all_refused;
pub(crate) mod components;
pub(crate) mod difference;
pub(crate) mod lock;
mod reload;
pub(crate) mod reload_report;
pub(crate) mod signals;
mod systemd;

use std::pin::pin;
use std::sync::Arc;

use campanile::component::{Component, RunError};
use campanile::jid::BareJid;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Duration, timeout};

use self::all_refused::Watched;
use self::components::{ComponentHandle, Registry};
use self::lock::Lock;
use self::reload_report::{Outcome, ReloadReport, Reloads};
use self::signals::{Action, Signals};
use self::systemd::SystemdNotifier;
use crate::admin::Admin;
use crate::cli::ConfigFile;
use crate::config::{Config, Source};
use crate::exit::Exit;
use crate::log::LogFormat;
use crate::{build, diagnostics, load, runtime};

/// Delay between the first connection attempts of two components.
///
/// The accept backlog of ejabberd is five by default: when many components connect at once, some
/// connections appear open but stay silent until they time out.
const START_INTERVAL: Duration = Duration::from_millis(20);

/// Serves the components of the configuration until a signal stops the process.
pub(crate) fn run(options: &ConfigFile, format: LogFormat) -> Exit {
    let config =
        match Source::read(options.config.as_deref()).and_then(|source| load::load(&source)) {
            Ok(config) => config,
            Err(failure) => return diagnostics::failure(&failure, format),
        };
    config.warnings.iter().for_each(diagnostics::warn);
    let locks = match locks(&config) {
        Ok(locks) => locks,
        Err(why) => {
            why.iter().for_each(|why| diagnostics::line(why, format));
            return Exit::Machine;
        }
    };
    let registry = Registry::new(config.admin.is_some());
    let components = match build(&registry, &config, locks) {
        Ok(components) => components,
        Err(why) => {
            diagnostics::line(&why, format);
            return Exit::Config;
        }
    };
    let running = Running {
        options,
        registry: Arc::new(registry),
        reloads: Arc::default(),
        all: JoinSet::new(),
    };
    runtime::block_on(format, running.serve(components, &config, format))
}

/// Locks every JID for this process: a second process would be refused, or receive half of the
/// stanzas.
fn locks(config: &Config) -> Result<Vec<Lock>, Vec<String>> {
    let (held, refused): (Vec<_>, Vec<_>) = config
        .components
        .iter()
        .map(|component| Lock::acquire(&component.jid))
        .partition(Result::is_ok);
    if refused.is_empty() {
        return Ok(held.into_iter().flatten().collect());
    }
    Err(refused
        .into_iter()
        .filter_map(Result::err)
        .map(|error| error.to_string())
        .collect())
}

/// Builds every component, and logs its modules and its server.
fn build(
    registry: &Registry,
    config: &Config,
    locks: Vec<Lock>,
) -> Result<Vec<(Arc<ComponentHandle>, Component)>, String> {
    let mut components = Vec::new();
    for (settings, lock) in config.components.iter().zip(locks) {
        let built = registry
            .build(settings, lock)
            .map_err(|error| build::explain(&settings.jid, &error))?;
        let jid = &settings.jid;
        let server = &settings.address;
        let tls = settings.tls.is_some();
        tracing::info!(%jid, %server, tls, "starting: {}", settings.mounted());
        components.push(built);
    }
    registry.set(
        components
            .iter()
            .map(|(handle, _)| Arc::clone(handle))
            .collect(),
    );
    Ok(components)
}

/// The running components.
struct Running<'r> {
    options: &'r ConfigFile,
    registry: Arc<Registry>,
    reloads: Arc<Reloads>,
    all: JoinSet<(BareJid, Result<(), RunError>)>,
}

/// The reason the daemon stops serving.
enum End {
    Signal(&'static str),
    Refused(Vec<(String, String)>),
    /// All components have ended, with this exit code.
    Ended(Exit),
}

impl Running<'_> {
    async fn serve(
        mut self,
        components: Vec<(Arc<ComponentHandle>, Component)>,
        config: &Config,
        format: LogFormat,
    ) -> Exit {
        let mut signals = match Signals::listen() {
            Ok(signals) => signals,
            Err(error) => {
                diagnostics::line(&format!("cannot install signal handlers: {error}"), format);
                return Exit::Machine;
            }
        };
        let (ask, mut asked) = mpsc::channel(1);
        let admin = match &config.admin {
            Some(settings) => {
                match Admin::serve(settings, &self.registry, &self.reloads, ask).await {
                    Ok(admin) => Some(admin),
                    Err(error) => {
                        diagnostics::line(&error, format);
                        return Exit::Machine;
                    }
                }
            }
            None => None,
        };
        let mut systemd = SystemdNotifier::start(&self.registry);
        self.start(components);
        let exit = match self
            .until_told(&mut signals, &mut asked, admin.as_ref(), &systemd)
            .await
        {
            End::Signal(signal) => {
                tracing::info!(
                    "{signal} received; finishing pending work, a second signal exits \
                    at once"
                );
                Exit::Done
            }
            End::Refused(refusals) => {
                diagnostics::refusals(&refusals, format);
                Exit::Refused
            }
            End::Ended(exit) => {
                diagnostics::line("every component has ended", format);
                return exit;
            }
        };
        systemd.stopping();
        for handle in self.registry.handles() {
            handle.stop.send_replace(true);
        }
        tokio::select! {
            _ = all_ended(&mut self.all) => exit,
            signal = signals.stop() => {
                tracing::warn!("{signal} received again; exiting at once, pending requests stay \
                    unanswered");
                Exit::Fault
            }
        }
    }

    /// Starts components one after the other, [`START_INTERVAL`] apart.
    fn start(&mut self, components: Vec<(Arc<ComponentHandle>, Component)>) {
        for (turn, (handle, component)) in (0..).zip(components) {
            let waiting = stopped(handle.stop.subscribe());
            let until = stopped(handle.stop.subscribe());
            self.all.spawn(async move {
                // The handle holds the lock until the component has ended.
                let handle = handle;
                // A stop ends the delay early.
                let _ = timeout(START_INTERVAL * turn, waiting).await;
                let ended = component.run_until(until).await;
                (handle.jid.clone(), ended)
            });
        }
    }

    /// Serves until a reason to stop occurs, and reloads the configuration on request.
    async fn until_told(
        &mut self,
        signals: &mut Signals,
        asked: &mut mpsc::Receiver<oneshot::Sender<ReloadReport>>,
        admin: Option<&Admin>,
        systemd: &SystemdNotifier,
    ) -> End {
        loop {
            let watched = self
                .registry
                .handles()
                .iter()
                .map(|handle| Watched::new(handle))
                .collect();
            let client = tokio::select! {
                signal = signals.next() => match signal {
                    Action::Stop(signal) => return End::Signal(signal),
                    Action::Reload => {
                        tracing::info!("SIGHUP received; reloading the configuration");
                        None
                    }
                },
                // Without an admin port the channel is closed, and this branch is disabled.
                Some(client) = asked.recv() => {
                    tracing::info!("reload requested through the admin port; reloading the \
                        configuration");
                    Some(client)
                }
                refusals = all_refused::all_refused(watched) => return End::Refused(refusals),
                exit = all_ended(&mut self.all) => return End::Ended(exit),
            };
            systemd.reloading();
            let options = self.options;
            let registry = Arc::clone(&self.registry);
            let mut reload = pin!(reload::reload(options, &registry));
            let reloaded = tokio::select! {
                reloaded = &mut reload => reloaded,
                signal = signals.stop() => {
                    // Finish swapping modules before the stop, unless a second signal arrives.
                    tokio::select! {
                        _ = reload => {}
                        _ = signals.stop() => {}
                    }
                    return End::Signal(signal);
                }
            };
            let mut report = reloaded.report;
            self.start(reloaded.new);
            if let Some(config) = &reloaded.config
                && Admin::change(admin, config.admin.as_ref())
                && report.outcome == Outcome::Unchanged
            {
                report.outcome = Outcome::Applied;
            }
            self.reloads.count(report.outcome);
            tracing::info!(outcome = report.outcome.as_str(), "reload finished");
            if let Some(client) = client {
                // The client may have given up.
                let _ = client.send(report);
            }
            systemd.reloaded();
        }
    }
}

/// Completes when the sender signals a stop, or is dropped.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that the sender was dropped, which is a stop as well.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Waits until all components have ended; a failure of one does not affect the others.
///
/// Returns [`Exit::Machine`] if all that failed are modules that could not start, because of a port
/// in use or a store that cannot be opened.
async fn all_ended(running: &mut JoinSet<(BareJid, Result<(), RunError>)>) -> Exit {
    let mut exit = Exit::Machine;
    while let Some(ended) = running.join_next().await {
        let at_start = matches!(&ended, Ok((_, Err(error))) if error.is_start_failure());
        if !at_start {
            exit = Exit::Fault;
        }
        log_end(ended);
    }
    exit
}

fn log_end(ended: Result<(BareJid, Result<(), RunError>), JoinError>) {
    match ended {
        Ok((jid, Ok(()))) => tracing::info!(%jid, "component stopped"),
        Ok((jid, Err(error))) => {
            let why = diagnostics::chain(&error);
            tracing::error!(%jid, "component is down until restart: {why}");
        }
        Err(error) => tracing::error!("component ended by an internal error: {error}"),
    }
}
