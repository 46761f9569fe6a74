//! Timestamps in the format of XMPP (XEP-0082).

use chrono::{DateTime, Datelike, SecondsFormat};

/// Formats a time, given in microseconds since 1970, in UTC.
#[must_use]
pub fn format(time: i64) -> String {
    DateTime::from_timestamp_micros(time)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Formats a time for people, to the minute: `29 Nov 10:22 UTC`, with the year if it is not that of
/// `now`.
pub(crate) fn short(time: i64, now: i64) -> String {
    let time = DateTime::from_timestamp_micros(time).unwrap_or_default();
    let now = DateTime::from_timestamp_micros(now).unwrap_or_default();
    let pattern = if time.year() == now.year() {
        "%-d %b %H:%M UTC"
    } else {
        "%-d %b %Y %H:%M UTC"
    };
    time.format(pattern).to_string()
}

/// Parses a timestamp into microseconds since 1970. Returns `None` if the text is not a timestamp.
#[must_use]
pub fn parse(text: &str) -> Option<i64> {
    DateTime::parse_from_rfc3339(text.trim())
        .ok()
        .map(|time| time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_round_trip() {
        assert_eq!(format(1_790_000_000_123_456), "2026-09-21T14:13:20.123456Z");
        assert_eq!(
            parse("2026-09-21T14:13:20.123456Z"),
            Some(1_790_000_000_123_456)
        );
        assert_eq!(
            parse("2026-09-21T16:13:20+02:00"),
            Some(1_790_000_000_000_000)
        );
        assert_eq!(parse("yesterday"), None);
    }

    #[test]
    fn short_time_has_the_year_only_where_it_differs() {
        let time = parse("2026-11-09T10:22:43.172991Z").unwrap();
        assert_eq!(short(time, time), "9 Nov 10:22 UTC");
        let later = parse("2027-01-01T00:00:00Z").unwrap();
        assert_eq!(short(time, later), "9 Nov 2026 10:22 UTC");
    }
}
