//! `allow`, `deny` and `[component.rate]`: permissions and rate limits of a component.

use std::time::Duration;

use campanile::jid::BareJid;
use campanile::settings::{invalid, parse_duration, text};
use serde::{Deserialize, Deserializer};

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

/// Rate limits of a component.
#[derive(Debug, Default, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Rates {
    /// Stanzas per sender, such as `20/s` or `1000/10s`.
    pub(super) per_sender: Option<Rate>,
    /// Stanzas of all senders of one domain together.
    pub(super) per_domain: Option<Rate>,
}

/// A number of stanzas per period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) burst: u32,
    pub(crate) per: Duration,
}

impl Rate {
    /// Parses a rate: `20/s`, `1000/10s`.
    fn parse(text: &str) -> Option<Self> {
        let (burst, per) = text.split_once('/')?;
        let burst = burst.trim().parse().ok().filter(|burst| *burst > 0)?;
        let per = parse_duration(per).or_else(|| parse_duration(&format!("1{per}")))?;
        let is_sound = (Duration::from_millis(1)..=DAY).contains(&per);
        is_sound.then_some(Self { burst, per })
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text(deserializer, "a string in quotation marks", |text| {
            Self::parse(text).ok_or_else(|| {
                invalid(
                    format_args!("the value cannot be {text:?}"),
                    "write a rate, such as \"20/s\" or \"1000/10s\"",
                )
            })
        })
    }
}

impl schemars::JsonSchema for Rate {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9]+ */ *([0-9]+ *)?(ms|s|m|h|d)$" })
    }
}
