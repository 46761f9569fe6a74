//! `allow`, `deny` and `[component.rate]`: permissions and rate limits of a component.

use std::time::Duration;

use campanile::jid::{BareJid, Jid};

use super::fault::Faults;
use super::table::{Table, Value};
use super::unit;

const DAY: Duration = Duration::from_secs(86_400);

/// Permissions and rate limits of a component.
///
/// A domain covers all of its users. An entry for a JID takes precedence over one for its domain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// Permitted senders; empty permits everyone.
    pub(crate) allow: Vec<BareJid>,
    /// Rejected senders.
    pub(crate) deny: Vec<BareJid>,
    pub(crate) per_sender: Option<Rate>,
    pub(crate) per_domain: Option<Rate>,
}

/// A number of stanzas per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) per: Duration,
}

pub(super) fn read(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Access {
    let mut list = |key| {
        table
            .take(key)
            .and_then(|value| jids(&value, faults))
            .unwrap_or_default()
    };
    let allow = list("allow");
    let deny = list("deny");
    let mut access = Access {
        allow,
        deny,
        ..Access::default()
    };
    if let Some(mut table) = table.table("rate", "[component.rate]", faults) {
        let mut rate = |key| table.take(key).and_then(|value| rate(&value, faults));
        (access.per_sender, access.per_domain) = (rate("per_sender"), rate("per_domain"));
        table.finish(faults);
    }
    access
}

fn rate(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Rate> {
    let text = value.text(faults)?;
    let parsed = text.split_once('/').and_then(|(burst, per)| {
        let per = unit::duration(per).or_else(|| unit::duration(&format!("1{per}")));
        Some(Rate {
            burst: burst.trim().parse().ok()?,
            per: per?,
        })
    });
    let sound =
        |rate: &Rate| rate.burst > 0 && (Duration::from_millis(1)..=DAY).contains(&rate.per);
    if parsed.filter(sound).is_none() {
        let what = format!("`{}` cannot be {text:?}", value.key);
        faults.push(
            &value.span,
            what,
            "write a rate, such as \"20/s\" or \"1000/10s\"",
        );
    }
    parsed.filter(sound)
}

pub(super) fn jids(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Vec<BareJid>> {
    let items = value.list("JIDs and domains", faults)?;
    if items.is_empty() && value.key == "allow" {
        faults.push(
            &value.span,
            "`allow` is empty",
            "list the permitted senders, or remove `allow` to permit everyone",
        );
    }
    Some(items.iter().filter_map(|item| jid(item, faults)).collect())
}

fn jid(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<BareJid> {
    let text = value.text(faults)?;
    let what = match Jid::new(text).map(Jid::try_into_full) {
        Ok(Err(bare)) => return Some(bare),
        Ok(Ok(_)) => format!("{text:?} has a resource, which changes with each login"),
        Err(error) => format!("{text:?} is not a JID: {error}"),
    };
    faults.push(
        &value.span,
        what,
        "write user@example.org, or example.org for all of its users",
    );
    None
}
