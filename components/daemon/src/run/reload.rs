//! Reload on SIGHUP: applies a changed configuration without closing streams.

use std::sync::Arc;

use campanile::component::{Component, ReloadError, Status};
use campanile::jid::BareJid;

use super::components::{Built, ComponentHandle, Registry};
use super::difference::Difference;
use super::lock::Lock;
use super::reload_report::{Outcome, ReloadFault, ReloadReport};
use crate::build::{self, ModuleSet};
use crate::config::{self, Config, Failure, Source};
use crate::exit::Exit;
use crate::{diagnostics, load};

/// Result of a reload, with the components to start.
#[derive(Debug)]
pub(super) struct Reloaded {
    pub(super) report: ReloadReport,
    /// Components to start.
    pub(super) new: Vec<(Arc<ComponentHandle>, Component)>,
    /// The new configuration, unless the reload was refused.
    pub(super) config: Option<Config>,
}

/// Reads the file again and applies the changes, each with a log line.
///
/// A fault anywhere in the file leaves everything unchanged.
pub(super) async fn reload(options: &crate::cli::ConfigFile, registry: &Registry) -> Reloaded {
    let source = Source::again(options.config.as_deref());
    let config = match source.and_then(|source| load::load(&source)) {
        Ok(config) => config,
        Err(failure) => return refused(ReloadReport::refused(failure)),
    };
    config.warnings.iter().for_each(diagnostics::warn);
    let old = registry.handles();
    let new = match added(&config, registry, &old) {
        Ok(new) => new,
        Err(text) => {
            let exit = Exit::Machine;
            return refused(ReloadReport::refused(Failure::Unread { exit, text }));
        }
    };
    let mut changed = !new.is_empty();
    let mut faults = Vec::new();
    let mut handles = Vec::new();
    for settings in &config.components {
        let known = old
            .iter()
            .find(|handle| handle.jid == settings.jid && !is_ended(handle));
        if let Some(handle) = known {
            match change(handle, settings).await {
                Ok(different) => changed |= different,
                Err(NotChanged(why)) => faults.push(ReloadFault::Elsewhere(why)),
            }
            handles.push(Arc::clone(handle));
        } else if let Some((handle, _)) = new.iter().find(|(handle, _)| handle.jid == settings.jid)
        {
            tracing::info!(jid = %handle.jid, "component added: {}", settings.mounted());
            handles.push(Arc::clone(handle));
        }
    }
    for gone in old
        .iter()
        .filter(|old| !handles.iter().any(|handle| Arc::ptr_eq(handle, old)))
    {
        changed = true;
        if !is_ended(gone) {
            tracing::info!(jid = %gone.jid, "component removed; its stream closes after pending \
                work");
        }
        gone.stop.send_replace(true);
    }
    registry.set(handles);
    let outcome = match (faults.is_empty(), changed) {
        (false, _) => Outcome::Refused,
        (true, true) => Outcome::Applied,
        (true, false) => Outcome::Unchanged,
    };
    Reloaded {
        report: ReloadReport { outcome, faults },
        new,
        config: Some(config),
    }
}

/// Logs the faults of a reload that changes nothing.
fn refused(report: ReloadReport) -> Reloaded {
    report.faults.iter().for_each(ReloadFault::log);
    tracing::error!(
        faults = report.faults.len(),
        "reload refused; the old configuration stays in force"
    );
    Reloaded {
        report,
        new: Vec::new(),
        config: None,
    }
}

/// Builds components that are new, or that have ended.
fn added(
    config: &Config,
    registry: &Registry,
    old: &[Arc<ComponentHandle>],
) -> Result<Vec<(Arc<ComponentHandle>, Component)>, String> {
    let is_new = |settings: &&config::Component| {
        !old.iter()
            .any(|handle| handle.jid == settings.jid && !is_ended(handle))
    };
    let mut new = Vec::new();
    for settings in config.components.iter().filter(is_new) {
        let ended = old
            .iter()
            .find(|handle| handle.jid == settings.jid)
            .and_then(|handle| handle.take_lock());
        let lock = ended
            .map_or_else(|| Lock::acquire(&settings.jid), Ok)
            .map_err(|error| error.to_string())?;
        new.push(
            registry
                .build(settings, lock)
                .map_err(|error| build::explain(&settings.jid, &error))?,
        );
    }
    Ok(new)
}

fn is_ended(handle: &ComponentHandle) -> bool {
    matches!(&*handle.status.borrow(), Status::Ended)
}

/// A change that was not applied, with the reason, which has been logged.
struct NotChanged(String);

impl NotChanged {
    fn log(jid: &BareJid, why: &str) -> Self {
        tracing::error!(%jid, "component not changed: {why}");
        Self(format!("{jid} not changed: {why}"))
    }
}

/// Applies new settings to a running component. Returns `true` if anything changed.
async fn change(
    handle: &ComponentHandle,
    settings: &config::Component,
) -> Result<bool, NotChanged> {
    let old = handle.built();
    let jid = &handle.jid;
    let difference = Difference::between(&old.settings, settings);
    if difference.is_nothing() {
        return Ok(false);
    }
    let built = old
        .changed_to(settings)
        .map_err(|error| NotChanged::log(jid, &diagnostics::chain(&*error)))?;
    let builder = build::assemble(&built.settings, &built.parts, &handle.metrics);
    match handle.reload_handle.reload(builder).await {
        Ok(()) => {
            handle.set_built(built);
            difference.log(jid);
            Ok(true)
        }
        Err(ReloadError::Module(error)) => {
            let why = diagnostics::chain(&*error);
            tracing::error!(%jid, "change failed, rolling back: {why}");
            roll_back(handle, &old, &built.parts).await;
            Err(NotChanged(format!("{jid} not changed: {why}")))
        }
        Err(error) => Err(NotChanged::log(jid, &diagnostics::chain(&error))),
    }
}

/// Rebuilds the old modules after a replacement failed to start.
async fn roll_back(handle: &ComponentHandle, old: &Built, new: &ModuleSet) {
    let back = async {
        let parts = ModuleSet::from(&old.settings, &old.parts.shared_with(new))?;
        let built = Built {
            settings: old.settings.clone(),
            parts,
        };
        handle
            .reload_handle
            .reload(build::assemble(
                &built.settings,
                &built.parts,
                &handle.metrics,
            ))
            .await?;
        handle.set_built(built);
        Ok::<(), campanile::error::BoxError>(())
    };
    if let Err(error) = back.await {
        let jid = &handle.jid;
        let why = diagnostics::chain(&*error);
        tracing::error!(%jid, "rollback failed; component is down until restart: {why}");
    }
}
