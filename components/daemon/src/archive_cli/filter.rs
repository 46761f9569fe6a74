//! Options that select entries.

use std::time::{SystemTime, UNIX_EPOCH};

use campanile::jid::{BareJid, Jid};
use campanile::settings::parse_duration;
use campanile_logger::store::Query;
use campanile_logger::time;
use clap::Args;

use super::Failure;

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Only entries of this archive, such as audit@logger.example.org
    #[arg(long, value_name = "JID")]
    archive: Option<BareJid>,

    /// Only entries to or from this address
    #[arg(long, value_name = "JID")]
    with: Option<Jid>,

    /// Only entries since this time: 2026-01-31T12:00:00Z, 2026-01-31, or an age such as 2h
    #[arg(long, value_name = "TIME")]
    since: Option<String>,

    /// Only entries until this time, in the same formats
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Filter {
    pub(super) fn query(&self) -> Result<Query, Failure> {
        let time = |text: &Option<String>| {
            text.as_deref()
                .map(moment)
                .transpose()
                .map_err(Failure::Usage)
        };
        Ok(Query {
            archive: self.archive.clone(),
            with: self.with.clone(),
            start: time(&self.since)?,
            end: time(&self.until)?,
            ..Query::default()
        })
    }
}

/// Parses a time or an age, and returns microseconds since 1970.
pub(crate) fn moment(text: &str) -> Result<i64, String> {
    let ago = |ago: std::time::Duration| {
        let then = SystemTime::now()
            .checked_sub(ago)?
            .duration_since(UNIX_EPOCH)
            .ok()?;
        i64::try_from(then.as_micros()).ok()
    };
    let found = time::parse(text).or_else(|| time::parse(&format!("{text}T00:00:00Z")));
    found
        .or_else(|| parse_duration(text).and_then(ago))
        .ok_or_else(|| {
            format!(
                "{text:?} is not a time: write 2026-01-31T12:00:00Z, 2026-01-31, or an age such as \
                90d"
            )
        })
}
