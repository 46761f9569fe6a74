//! Timestamps in the format of XMPP (XEP-0082).

use chrono::{DateTime, SecondsFormat};

/// Formats a time, given in microseconds since 1970, in UTC.
#[must_use]
pub fn format(time: i64) -> String {
    DateTime::from_timestamp_micros(time)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Micros, true)
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
}
