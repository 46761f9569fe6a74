//! Functions for `#[serde(deserialize_with = "…")]`: durations, sizes and counts with bounds.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, SeqAccess, Visitor};

use super::fault::HAS_NO;
use super::units::{parse_duration, parse_size, show_duration, show_size};

/// Returns an error with a cause and a remedy.
///
/// A cause that begins with `the value` or `the table` gets the name of the key or table.
pub fn invalid<E: Error>(cause: impl fmt::Display, remedy: impl fmt::Display) -> E {
    E::custom(format_args!("{cause}\n{remedy}"))
}

/// Reads a duration with its unit, such as `"30s"`, between `MIN` and `MAX` milliseconds.
///
/// # Errors
/// If the value is not a duration, or out of range.
pub fn duration<'de, D, T, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: From<Duration>,
{
    let read = DurationIn::<MIN, MAX>.deserialize(deserializer)?;
    Ok(T::from(read))
}

/// Reads the first and the longest delay of a growing back-off, each between `MIN` and `MAX`
/// milliseconds.
///
/// # Errors
/// If the value is not a list of two durations in range, the first of which is not longer than the
/// second.
pub fn delays<'de, D, const MIN: u64, const MAX: u64>(
    deserializer: D,
) -> Result<(Duration, Duration), D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(Delays::<MIN, MAX>)
}

/// Reads a size in bytes, such as `65536` or `"64KiB"`, between `MIN` and `MAX` bytes.
///
/// # Errors
/// If the value is not a size, or out of range.
pub fn size<'de, D, T, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let visitor = NumberIn {
        wanted: "a size, such as 65536, \"64KiB\" or \"1MiB\"",
        min: MIN,
        max: MAX,
        parse: |text| parse_size(text).and_then(|size| u64::try_from(size).ok()),
        show: |size| usize::try_from(size).map_or_else(|_| size.to_string(), show_size),
        into: PhantomData,
    };
    deserializer.deserialize_any(visitor)
}

/// Reads a whole number between `MIN` and `MAX`.
///
/// # Errors
/// If the value is not a whole number, or out of range.
pub fn count<'de, D, T, const MIN: u64, const MAX: u64>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let visitor = NumberIn {
        wanted: "a whole number",
        min: MIN,
        max: MAX,
        parse: |_| None,
        show: |number| number.to_string(),
        into: PhantomData,
    };
    deserializer.deserialize_any(visitor)
}

/// Reads a string, and converts it with `parse`, which returns an error made by [`invalid`].
///
/// `wanted` describes the value, as in "write `wanted`".
///
/// # Errors
/// If the value is not a string, or `parse` fails.
pub fn text<'de, D, T>(
    deserializer: D,
    wanted: &'static str,
    parse: impl FnOnce(&str) -> Result<T, D::Error>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let text = deserializer.deserialize_str(Text(wanted))?;
    parse(&text)
}

/// Reads a string that must be present: a table without the key fails with `remedy`.
///
/// For the `Deserialize` implementation of a type of its own; serde does not call functions of
/// `deserialize_with` for missing keys.
///
/// # Errors
/// If the value is missing or not a string, or `parse` fails.
pub fn required<'de, D, T>(
    deserializer: D,
    key: &'static str,
    remedy: &'static str,
    parse: impl FnOnce(&str) -> Result<T, D::Error>,
) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
{
    let text = deserializer.deserialize_option(Required { key, remedy })?;
    parse(&text)
}

/// 90 days, in milliseconds.
const QUARTER: u64 = 90 * 86_400_000;

struct DurationIn<const MIN: u64, const MAX: u64>;

impl<'de, const MIN: u64, const MAX: u64> DeserializeSeed<'de> for DurationIn<MIN, MAX> {
    type Value = Duration;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<const MIN: u64, const MAX: u64> Visitor<'_> for DurationIn<MIN, MAX> {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The examples should be in range.
        f.write_str(if MAX >= QUARTER {
            "a duration with its unit, such as \"30s\", \"5m\", \"1h\" or \"90d\""
        } else {
            "a duration with its unit, such as \"500ms\", \"30s\", \"5m\" or \"1h\""
        })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
        let duration =
            parse_duration(text).ok_or_else(|| cannot_be(format_args!("{text:?}"), &self))?;
        let min = Duration::from_millis(MIN);
        let max = Duration::from_millis(MAX);
        if (min..=max).contains(&duration) {
            Ok(duration)
        } else {
            Err(out_of_range(&show_duration(min), &show_duration(max)))
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Duration, E> {
        Err(cannot_be(number, &self))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Duration, E> {
        Err(cannot_be(number, &self))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Duration, E> {
        Err(cannot_be(number, &self))
    }
}

struct Delays<const MIN: u64, const MAX: u64>;

impl<'de, const MIN: u64, const MAX: u64> Visitor<'de> for Delays<MIN, MAX> {
    type Value = (Duration, Duration);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of two durations")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let remedy = "write the first and the longest delay, such as [\"1s\", \"60s\"]";
        let first = items.next_element_seed(DurationIn::<MIN, MAX>)?;
        let longest = items.next_element_seed(DurationIn::<MIN, MAX>)?;
        let further = items.next_element_seed(DurationIn::<MIN, MAX>)?;
        match (first, longest, further) {
            (Some(first), Some(longest), None) if first <= longest => Ok((first, longest)),
            (Some(_), Some(_), None) => Err(invalid(
                "the value: the first delay exceeds the longest",
                remedy,
            )),
            _ => Err(invalid("the value needs two durations", remedy)),
        }
    }
}

struct NumberIn<T> {
    wanted: &'static str,
    min: u64,
    max: u64,
    parse: fn(&str) -> Option<u64>,
    show: fn(u64) -> String,
    into: PhantomData<T>,
}

impl<T: TryFrom<u64>> Visitor<'_> for NumberIn<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        match (self.parse)(text) {
            Some(number) => self.visit_u64(number),
            None => Err(cannot_be(format_args!("{text:?}"), &self)),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        let range = || out_of_range(&(self.show)(self.min), &(self.show)(self.max));
        if !(self.min..=self.max).contains(&number) {
            return Err(range());
        }
        T::try_from(number).map_err(|_| range())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        match u64::try_from(number) {
            Ok(number) => self.visit_u64(number),
            Err(_) => Err(cannot_be(number, &self)),
        }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        Err(cannot_be(number, &self))
    }
}

struct Text(&'static str);

impl Visitor<'_> for Text {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }
}

struct Required {
    key: &'static str,
    remedy: &'static str,
}

impl<'de> Visitor<'de> for Required {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string in quotation marks")
    }

    fn visit_none<E: Error>(self) -> Result<String, E> {
        Err(invalid(format_args!("{HAS_NO}{}", self.key), self.remedy))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        String::deserialize(deserializer)
    }
}

/// Reports a number, duration or size that cannot be parsed. Such values are no secrets, so they
/// are quoted.
fn cannot_be<E: Error>(found: impl fmt::Display, wanted: &dyn serde::de::Expected) -> E {
    invalid(
        format_args!("the value cannot be {found}"),
        format_args!("write {wanted}"),
    )
}

fn out_of_range<E: Error>(min: &str, max: &str) -> E {
    invalid(
        "the value is out of range",
        format_args!("write a value from {min} to {max}"),
    )
}
