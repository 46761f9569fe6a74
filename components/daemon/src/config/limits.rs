//! `[component.limits]`: every limit of the framework, under its own name.

use std::ops::RangeInclusive;
use std::time::Duration;

use campanile::limits::Limits;

use super::fault::Faults;
use super::table::Table;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;
const COUNT: RangeInclusive<usize> = 1..=1_000_000;
// RFC 6120 §13.12: a stanza of 10,000 bytes must be accepted.
const STANZA: RangeInclusive<usize> = 10_000..=256 * MIB;

/// Range of timeouts: long enough to be met, short enough for a failure to be noticed.
const WAIT: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(86_400);
/// Range of durations that may be zero.
const SPAN: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(86_400);
/// Range of intervals that would strain a server if they were shorter.
const PAUSE: RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(86_400);

/// Default of `in_flight` with an archive, whose replies wait for a commit, thousands at a time.
const OF_AN_ARCHIVE: usize = 8192;

/// Returns the default limits.
pub(super) fn usual(archive: bool) -> Limits {
    let mut limits = Limits::default();
    if archive {
        limits.in_flight = OF_AN_ARCHIVE;
    }
    limits
}

/// Reads the limits; missing keys keep their defaults.
pub(super) fn read(mut table: Table<'_>, mut limits: Limits, faults: &mut Faults<'_>) -> Limits {
    let mut bounds = Bounds {
        table: &mut table,
        faults,
    };
    bounds.count("in_flight", COUNT, &mut limits.in_flight);
    bounds.count("waiting", COUNT, &mut limits.waiting);
    bounds.size("waiting_bytes", 64 * KIB..=GIB, &mut limits.waiting_bytes);
    bounds.size("outbound", 64 * KIB..=GIB, &mut limits.outbound);
    bounds.count("max_pending_iqs", COUNT, &mut limits.max_pending_iqs);
    bounds.count("unconfirmed", COUNT, &mut limits.unconfirmed);
    bounds.size(
        "unconfirmed_bytes",
        64 * KIB..=GIB,
        &mut limits.unconfirmed_bytes,
    );
    bounds.time("unconfirmed_age", WAIT, &mut limits.unconfirmed_age);
    bounds.count("max_collected", COUNT, &mut limits.max_collected);
    bounds.size(
        "max_collected_bytes",
        64 * KIB..=GIB,
        &mut limits.max_collected_bytes,
    );
    bounds.time("iq_timeout", WAIT, &mut limits.iq_timeout);
    bounds.time("handler_timeout", WAIT, &mut limits.handler_timeout);
    bounds.time(
        "slow_handler",
        Duration::from_millis(1)..=Duration::from_secs(86_400),
        &mut limits.slow_handler,
    );
    bounds.time("shutdown_grace", SPAN, &mut limits.shutdown_grace);
    bounds.size("max_stanza_in", STANZA, &mut limits.max_stanza_in);
    bounds.size("max_stanza_out", STANZA, &mut limits.max_stanza_out);
    // Disco with a form is five levels deep; beyond a thousand the payload parsers would overflow
    // the stack.
    bounds.count("max_depth", 8..=1000, &mut limits.max_depth);
    bounds.time("keepalive", PAUSE, &mut limits.keepalive);
    bounds.time("keepalive_deadline", PAUSE, &mut limits.keepalive_deadline);
    bounds.time("connect_timeout", PAUSE, &mut limits.connect_timeout);
    bounds.time("write_stall", PAUSE, &mut limits.write_stall);
    bounds.time("reply_max_age", SPAN, &mut limits.reply_max_age);
    bounds.pair("back_off", WAIT, &mut limits.back_off);
    bounds.pair("slow_retry", PAUSE, &mut limits.slow_retry);
    bounds.time("stable_after", SPAN, &mut limits.stable_after);
    table.finish(faults);
    limits
}

/// Reads keys into limits, so that each limit above takes one line.
struct Bounds<'b, 't, 'f> {
    table: &'b mut Table<'t>,
    faults: &'b mut Faults<'f>,
}

impl Bounds<'_, '_, '_> {
    fn count(&mut self, key: &'static str, range: RangeInclusive<usize>, bound: &mut usize) {
        let read = self
            .table
            .take(key)
            .and_then(|value| value.count(range, self.faults));
        *bound = read.unwrap_or(*bound);
    }

    fn size(&mut self, key: &'static str, range: RangeInclusive<usize>, bound: &mut usize) {
        let read = self
            .table
            .take(key)
            .and_then(|value| value.size(range, self.faults));
        *bound = read.unwrap_or(*bound);
    }

    fn time(&mut self, key: &'static str, range: RangeInclusive<Duration>, bound: &mut Duration) {
        let read = self
            .table
            .take(key)
            .and_then(|value| value.duration(range, self.faults));
        *bound = read.unwrap_or(*bound);
    }

    /// Reads the first and the longest delay of a growing backoff.
    fn pair(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
        bound: &mut (Duration, Duration),
    ) {
        let Some(value) = self.table.take(key) else {
            return;
        };
        let remedy = "write the first and the longest delay, such as [\"1s\", \"60s\"]";
        let Some(items) = value.list("two durations", self.faults) else {
            return;
        };
        let [first, longest] = items.as_slice() else {
            return self
                .faults
                .push(&value.span, format!("`{key}` needs two durations"), remedy);
        };
        let read = (
            first.duration(range.clone(), self.faults),
            longest.duration(range, self.faults),
        );
        match read {
            (Some(first), Some(longest)) if first <= longest => *bound = (first, longest),
            (Some(_), Some(_)) => {
                self.faults.push(
                    &value.span,
                    format!("`{key}`: the first delay exceeds the longest"),
                    remedy,
                );
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

    use super::super::source::Source;
    use super::*;

    const SAMPLE: &str = include_str!("../../../../deploy/campanile.toml");

    #[test]
    fn sample_shows_every_limit_with_its_default() {
        let text = SAMPLE.split_once("#[component.limits]").unwrap().1;
        // Another component follows it.
        let text = text.split("\n#[[").next().unwrap();
        let settings = text
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|line| !line.starts_with(' '));
        let settings = settings.collect::<Vec<_>>().join("\n");
        let document = DeTable::parse(&settings).unwrap();
        let source = Source::built_in("sample", &settings);
        let mut faults = Faults::new(&source, &settings);
        let limits = read(
            Table::new("[component.limits]", 0..0, document.get_ref()),
            usual(false),
            &mut faults,
        );
        assert_eq!(faults.finish(), (Vec::new(), Vec::new()));
        assert_eq!(limits, Limits::default());
        // A limit added to the framework must be readable here.
        let debug = format!("{limits:#?}");
        let fields = debug
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| !line.starts_with([' ', ')']));
        for field in fields
            .filter_map(|line| line.split_once(':'))
            .map(|(name, _)| name)
        {
            assert!(
                document.get_ref().contains_key(field),
                "{field} cannot be set"
            );
        }
    }
}
