//! The command prune: shows what it would remove, asks, and removes it in small steps between which
//! the daemon can write.

use std::io::{self, IsTerminal, Write};

use campanile::settings::parse_size;
use campanile_logger::store::{Backend, Prune, Query};

use super::filter::moment;
use super::progress::Progress;
use super::write::{STEP, retry};
use super::{Failure, counted};

/// The consent of the user to the removal.
#[derive(Debug, Clone, Copy)]
pub(super) enum Consent {
    /// Nothing is removed.
    DryRun,
    /// By an option of the command.
    Given,
    /// By the answer to a question.
    Ask,
}

impl Consent {
    pub(super) fn of(dry_run: bool, yes: bool) -> Self {
        match (dry_run, yes) {
            (true, _) => Self::DryRun,
            (false, true) => Self::Given,
            (false, false) => Self::Ask,
        }
    }
}

/// Parses the rule; exactly one of the options is given.
pub(super) fn rule(before: Option<&str>, above: Option<&str>) -> Result<Prune, Failure> {
    if let Some(time) = before {
        return moment(time).map(Prune::Before).map_err(Failure::Usage);
    }
    let size = above.unwrap_or_default();
    let bytes = parse_size(size)
        .ok_or_else(|| Failure::Usage(format!("{size:?} is not a size: write 10GiB")))?;
    Ok(Prune::Above(bytes as u64))
}

/// Removes the oldest entries, by age or by total size.
pub(super) fn prune(
    backend: &mut dyn Backend,
    rule: &Prune,
    consent: Consent,
) -> Result<(), Failure> {
    let amount = amount(backend, rule)?;
    match consent {
        Consent::DryRun => return Ok(writeln!(io::stdout(), "would remove {amount}")?),
        Consent::Given => {}
        Consent::Ask => ask(&amount)?,
    }
    let removed = counted(remove(backend, rule)?);
    Ok(writeln!(io::stdout(), "removed {removed}")?)
}

/// Describes what a rule removes.
fn amount(backend: &mut dyn Backend, rule: &Prune) -> Result<String, Failure> {
    Ok(match rule {
        Prune::Before(time) => {
            let query = Query {
                end: Some(time.saturating_sub(1)),
                ..Query::default()
            };
            let entries = backend.count(&query, u64::from(u32::MAX))?;
            let all = backend.usage(None)?.entries;
            format!("{} of {all}", counted(entries.unwrap_or(all)))
        }
        Prune::Above(most) => {
            let bytes = backend.usage(None)?.bytes;
            let excess = bytes.saturating_sub(*most);
            format!("entries of about {excess} bytes, out of {bytes} bytes")
        }
    })
}

/// Asks on a terminal. Elsewhere, nothing is removed without `--yes`.
fn ask(amount: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "this would permanently remove {amount}; add --yes to do so, or --dry-run to only see \
            the number"
        )));
    }
    let mut stderr = io::stderr();
    write!(stderr, "Permanently remove {amount}? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if ["y", "yes"].contains(&answer.trim().to_lowercase().as_str()) {
        Ok(())
    } else {
        Err(Failure::Usage("nothing removed".to_owned()))
    }
}

fn remove(backend: &mut dyn Backend, rule: &Prune) -> Result<u64, Failure> {
    let progress = Progress::counting(None);
    let mut pruned = 0;
    loop {
        match retry(|| backend.prune(rule, STEP))? {
            0 => break,
            some => {
                pruned += some as u64;
                progress.advance(some as u64);
            }
        }
    }
    retry(|| backend.scrub())?;
    progress.finish();
    Ok(pruned)
}
