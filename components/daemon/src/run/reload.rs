//! SIGHUP: the file is read anew, and what changed is changed while every stream goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use campanile::component::{Component, ReplaceError, Status};

use super::fleet::{Fleet, Made, Member};
use super::lock::Lock;
use crate::config::{self, Config, Failure, Source};
use crate::mount::{self, Parts};
use crate::report;

/// How a reload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Applied,
    Unchanged,
    Refused,
}

/// How often each came about.
#[derive(Debug, Default)]
pub(crate) struct Reloads {
    counts: [AtomicU64; 3],
    /// Whether the last one was refused.
    refused: std::sync::atomic::AtomicBool,
}

impl Outcome {
    pub(crate) const ALL: [Self; 3] = [Self::Applied, Self::Unchanged, Self::Refused];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Unchanged => "unchanged",
            Self::Refused => "refused",
        }
    }
}

impl Reloads {
    pub(super) fn count(&self, outcome: Outcome) {
        self.counts[outcome as usize].fetch_add(1, Ordering::Relaxed);
        self.refused
            .store(outcome == Outcome::Refused, Ordering::Relaxed);
    }

    pub(crate) fn read(&self, outcome: Outcome) -> u64 {
        self.counts[outcome as usize].load(Ordering::Relaxed)
    }

    pub(crate) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }
}

/// What a reload has made of the components.
#[derive(Debug)]
pub(super) struct Reloaded {
    pub(super) outcome: Outcome,
    /// What is to be run beside the others.
    pub(super) new: Vec<(Arc<Member>, Component)>,
    /// The configuration that holds now, where there is another one.
    pub(super) config: Option<Config>,
}

/// Reads the file anew and changes the components; says all of it. A fault anywhere changes
/// nothing.
pub(super) async fn reload(options: &crate::cli::ConfigFile, fleet: &Fleet) -> Reloaded {
    let refused = || Reloaded {
        outcome: Outcome::Refused,
        new: Vec::new(),
        config: None,
    };
    let config = match read(options) {
        Ok(config) => config,
        Err(failure) => {
            say_faults(&failure);
            return refused();
        }
    };
    config.warnings.iter().for_each(report::warn);
    let old = fleet.members();
    let new = match added(&config, fleet, &old) {
        Ok(new) => new,
        Err(why) => {
            tracing::error!("the configuration is not taken, and nothing is changed: {why}");
            return refused();
        }
    };
    let mut changed = !new.is_empty();
    let mut failed = false;
    let mut members = Vec::new();
    for settings in &config.components {
        let known = old
            .iter()
            .find(|member| member.jid == settings.jid && !is_ended(member));
        if let Some(member) = known {
            match change(member, settings).await {
                Ok(different) => changed |= different,
                Err(NotChanged) => failed = true,
            }
            members.push(Arc::clone(member));
        } else if let Some((member, _)) = new.iter().find(|(member, _)| member.jid == settings.jid)
        {
            tracing::info!(jid = %member.jid, "added: serving {}", settings.mounted());
            members.push(Arc::clone(member));
        }
    }
    for gone in old
        .iter()
        .filter(|old| !members.iter().any(|member| Arc::ptr_eq(member, old)))
    {
        changed = true;
        if !is_ended(gone) {
            tracing::info!(jid = %gone.jid, "removed: its stream is closed when what was begun is \
                finished");
        }
        gone.stop.send_replace(true);
    }
    fleet.set(members);
    let outcome = match (failed, changed) {
        (true, _) => Outcome::Refused,
        (false, true) => Outcome::Applied,
        (false, false) => Outcome::Unchanged,
    };
    Reloaded {
        outcome,
        new,
        config: Some(config),
    }
}

fn read(options: &crate::cli::ConfigFile) -> Result<Config, Failure> {
    let config =
        Source::again(options.config.as_deref()).and_then(|source| Config::parse(&source))?;
    // Whether everything can stand side by side on each JID is found before anything is touched.
    for settings in &config.components {
        if let Err(error) = mount::component(settings) {
            let text = mount::explain(&settings.jid, &error);
            return Err(Failure::Unread {
                exit: crate::exit::Exit::Config,
                text,
            });
        }
    }
    Ok(config)
}

fn say_faults(failure: &Failure) {
    match failure {
        Failure::Unread { text, .. } => {
            tracing::error!("the configuration is not taken, and nothing is changed: {text}");
        }
        Failure::Wrong { faults, .. } => {
            for config::Fault {
                file,
                at: (line, column),
                what,
                remedy,
            } in faults
            {
                tracing::error!(file, line, column, remedy, "{what}");
            }
            tracing::error!(
                faults = faults.len(),
                "the configuration has faults, and nothing is changed"
            );
        }
    }
}

/// Components that were not there before, or have ended for good.
fn added(
    config: &Config,
    fleet: &Fleet,
    old: &[Arc<Member>],
) -> Result<Vec<(Arc<Member>, Component)>, String> {
    let is_new = |settings: &&config::Component| {
        !old.iter()
            .any(|member| member.jid == settings.jid && !is_ended(member))
    };
    let mut new = Vec::new();
    for settings in config.components.iter().filter(is_new) {
        let ended = old
            .iter()
            .find(|member| member.jid == settings.jid)
            .and_then(|member| member.give_lock());
        let lock = ended
            .map_or_else(|| Lock::acquire(&settings.jid), Ok)
            .map_err(|error| error.to_string())?;
        new.push(
            fleet
                .build(settings, lock)
                .map_err(|error| mount::explain(&settings.jid, &error))?,
        );
    }
    Ok(new)
}

fn is_ended(member: &Member) -> bool {
    matches!(&*member.status.borrow(), Status::Ended)
}

/// A component goes on as it was; why has been said.
struct NotChanged;

/// Changes one component that runs. True when anything is different.
async fn change(member: &Member, settings: &config::Component) -> Result<bool, NotChanged> {
    let old = member.made();
    let jid = &member.jid;
    let difference = Difference::between(&old.settings, settings);
    if difference.is_nothing() {
        return Ok(false);
    }
    // What leaves passes the layers that the component was built with: a tap that sees one
    // direction alone is none.
    let mut settings = settings.clone();
    settings.tap.clone_from(&old.settings.tap);
    let parts = match Parts::from(&settings, &old.parts) {
        Ok(parts) => parts,
        Err(error) => {
            tracing::error!(%jid, "not changed: {}", report::chain(&*error));
            return Err(NotChanged);
        }
    };
    let made = Made { settings, parts };
    match member
        .slot
        .replace(mount::assembled(
            &made.settings,
            &made.parts,
            &member.metrics,
        ))
        .await
    {
        Ok(()) => {
            member.set_made(made);
            difference.say(jid);
            return Ok(true);
        }
        Err(ReplaceError::Module(error)) => {
            tracing::error!(%jid, "the change is taken back: {}", report::chain(&*error));
            take_back(member, &old, &made.parts).await;
        }
        Err(error) => tracing::error!(%jid, "not changed: {}", report::chain(&error)),
    }
    Err(NotChanged)
}

/// A module has stopped for one that does not start: it is made anew.
async fn take_back(member: &Member, old: &Made, new: &Parts) {
    let back = async {
        let parts = Parts::from(&old.settings, &old.parts.shared_with(new))?;
        let made = Made {
            settings: old.settings.clone(),
            parts,
        };
        member
            .slot
            .replace(mount::assembled(
                &made.settings,
                &made.parts,
                &member.metrics,
            ))
            .await?;
        member.set_made(made);
        Ok::<(), campanile::error::BoxError>(())
    };
    if let Err(error) = back.await {
        let jid = &member.jid;
        tracing::error!(%jid, "nor does it go on as it was, until a restart: {}", report::chain(&*error));
    }
}

/// What is different, by when it begins to hold.
#[derive(Debug, Default, PartialEq, Eq)]
struct Difference {
    now: Vec<&'static str>,
    next_connection: Vec<&'static str>,
    next_start: Vec<&'static str>,
}

impl Difference {
    fn between(old: &config::Component, new: &config::Component) -> Self {
        let names = |all: &[(&'static str, bool)]| {
            all.iter()
                .filter(|(_, same)| !same)
                .map(|(name, _)| *name)
                .collect::<Vec<_>>()
        };
        let mut modules: Vec<_> = old.modules.iter().chain(&new.modules).collect();
        modules.retain(|it| !(old.modules.contains(it) && new.modules.contains(it)));
        let mut chosen: Vec<_> = modules.into_iter().map(|module| module.name).collect();
        chosen.dedup();
        let mut difference = Self {
            now: names(&[
                ("disco", old.disco == new.disco),
                ("logger", old.logger == new.logger),
                ("json_bridge", old.bridge == new.bridge),
                ("presence", old.presence == new.presence),
                ("vcard", old.vcard == new.vcard),
                (
                    "allow and deny",
                    (&old.access.allow, &old.access.deny) == (&new.access.allow, &new.access.deny),
                ),
                (
                    "rate",
                    (old.access.per_sender, old.access.per_domain)
                        == (new.access.per_sender, new.access.per_domain),
                ),
            ]),
            next_connection: names(&[
                ("address", old.address == new.address),
                ("tls", old.tls == new.tls),
                ("secret", old.secret == new.secret),
            ]),
            next_start: names(&[
                ("limits", old.limits == new.limits),
                ("tap", old.tap == new.tap),
            ]),
        };
        difference.now.extend(chosen);
        difference
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    fn say(&self, jid: &campanile::jid::BareJid) {
        if !self.now.is_empty() {
            tracing::info!(%jid, "changed: {}", self.now.join(", "));
        }
        if !self.next_connection.is_empty() {
            let what = self.next_connection.join(", ");
            tracing::warn!(%jid, "changed with the next connection: {what}; the stream that is \
                open goes on as it is");
        }
        if !self.next_start.is_empty() {
            tracing::warn!(%jid, "changed only when campanile is started anew: {}", self.next_start.join(", "));
        }
    }
}
