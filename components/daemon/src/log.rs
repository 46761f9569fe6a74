//! Log lines on stderr.

use std::io::{self, IsTerminal, Write};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::cli::LogFormat;
use crate::escape::{Escaped, is_control};

/// Begins to log. What `RUST_LOG` does not decide is logged from `default` on.
///
/// # Errors
/// When `RUST_LOG` cannot be read; the text says how it is written.
pub(crate) fn init(format: LogFormat, default: LevelFilter) -> Result<(), String> {
    let chosen = std::env::var("RUST_LOG").ok().filter(|text| !text.trim().is_empty());
    let filter = match chosen {
        Some(text) => text.parse::<Targets>().map_err(|error| {
            format!("RUST_LOG={text:?} cannot be read ({error}): write a level, or levels by target, as in info,campanile=debug")
        })?,
        None => Targets::new().with_default(default),
    };
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => Box::new(text()),
        LogFormat::Json => Box::new(fmt::layer().json().flatten_event(true).with_writer(|| JsonEscaping(io::stderr()))),
    };
    tracing::subscriber::set_global_default(Registry::default().with(lines.with_filter(filter)))
        .map_err(|error| error.to_string())
}

/// Whether colours may be written on this stream.
pub(crate) fn colours(on: &impl IsTerminal) -> bool {
    // no-color.org: any value that is not empty.
    on.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Lines for people: what the fields hold is escaped, so one event is one line.
fn text<S>() -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'l> LookupSpan<'l>,
{
    let fields = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{:?}", Escaped(value)),
        name => write!(writer, "{name}={:?}", Escaped(value)),
    });
    fmt::layer().fmt_fields(fields.delimited(" ")).with_ansi(colours(&io::stderr())).with_writer(io::stderr)
}

/// JSON escapes C0 by itself; a terminal obeys C1 as well, and bidi controls hide what a line says. They can stand
/// only inside of strings, where `\u` means the same.
struct JsonEscaping<W>(W);

impl<W: Write> Write for JsonEscaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    // The formatter hands over whole events, which are valid UTF-8.
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        let text = String::from_utf8_lossy(bytes);
        if !text.contains(|c| is_control(c) && c != '\n') {
            return self.0.write_all(bytes);
        }
        let escape = |c: char| match c {
            '\n' => "\n".to_owned(),
            // None of them is beyond the Basic Multilingual Plane.
            c if is_control(c) => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        };
        self.0.write_all(text.chars().map(escape).collect::<String>().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_hold_no_control_character() {
        let mut out = Vec::new();
        JsonEscaping(&mut out).write_all("{\"jid\":\"a\u{9b}b\u{202e}c é\"}\n".as_bytes()).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "{\"jid\":\"a\\u009bb\\u202ec é\"}\n");
    }
}
