//! Durations and sizes with units.

use std::time::Duration;

const TIMES: [(&str, u64); 5] = [
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];
const SIZES: [(&str, usize); 6] = [
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    // Decimal units, as used for disks.
    ("kB", 1000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];

/// Parses a duration: `500ms`, `30s`, `5m`, `1h`, `90d`.
///
/// Returns `None` for a number without a unit, and for fractions.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let (_, milliseconds) = TIMES.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*milliseconds).map(Duration::from_millis)
}

/// Parses a size in bytes: `65536`, `64KiB`, `1MiB`.
#[must_use]
pub fn parse_size(text: &str) -> Option<usize> {
    if let Ok(plain) = text.parse() {
        return Some(plain);
    }
    let (number, unit) = split(text)?;
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit)?;
    usize::try_from(number).ok()?.checked_mul(*bytes)
}

/// Formats a duration in the largest unit that divides it evenly, in quotation marks.
pub(super) fn show_duration(duration: Duration) -> String {
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let (unit, of) = TIMES
        .iter()
        .rev()
        .find(|(_, of)| milliseconds.is_multiple_of(*of))
        .unwrap_or(&TIMES[0]);
    match milliseconds {
        0 => "\"0s\"".to_owned(),
        _ => format!("\"{}{unit}\"", milliseconds / of),
    }
}

/// Formats a duration for people, rounded to two units at most: `220ms`, `1.5s`, `2m 5s`, `3h 0m`,
/// `6d 1h`.
#[must_use]
pub fn rough_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{:.1}s", duration.as_secs_f64()),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// Formats a size in the largest binary unit that divides it evenly, in quotation marks. A size
/// that none divides is a plain number.
#[must_use]
pub fn show_size(size: usize) -> String {
    match SIZES[..3]
        .iter()
        .rev()
        .find(|(_, of)| size.is_multiple_of(*of))
    {
        Some((unit, of)) if size > 0 => format!("\"{}{unit}\"", size / of),
        _ => size.to_string(),
    }
}

/// Splits a text into number and unit.
fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(end);
    Some((number.parse().ok()?, unit.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_and_formatted() {
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("5 m", 300_000),
            ("1h", 3_600_000),
            ("90d", 7_776_000_000),
        ] {
            assert_eq!(
                parse_duration(text),
                Some(Duration::from_millis(milliseconds)),
                "{text}"
            );
        }
        for bad in [
            "",
            "30",
            "s",
            "-1s",
            "1.5s",
            "1s ",
            "30 sec",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(parse_duration(bad), None, "{bad:?}");
        }
        assert_eq!(show_duration(Duration::from_secs(90)), "\"90s\"");
        assert_eq!(show_duration(Duration::from_secs(86_400)), "\"1d\"");
        assert_eq!(show_duration(Duration::ZERO), "\"0s\"");
    }

    #[test]
    fn rough_durations_have_two_units_at_most() {
        for (milliseconds, text) in [
            (0, "0ms"),
            (771, "771ms"),
            (1_500, "1.5s"),
            (125_000, "2m 5s"),
            (10_800_000, "3h 0m"),
            (518_394_000, "5d 23h"),
        ] {
            assert_eq!(rough_duration(Duration::from_millis(milliseconds)), text);
        }
    }

    #[test]
    fn sizes_are_parsed_and_formatted() {
        for (text, bytes) in [
            ("10000", 10_000),
            ("64KiB", 65_536),
            ("1 MiB", 1_048_576),
            ("2kB", 2000),
        ] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for bad in ["", "MiB", "1M", "1mib", "-1", "1.5MiB", "99999999999GiB"] {
            assert_eq!(parse_size(bad), None, "{bad:?}");
        }
        assert_eq!(show_size(10_000), "10000");
        assert_eq!(show_size(1 << 20), "\"1MiB\"");
    }
}
