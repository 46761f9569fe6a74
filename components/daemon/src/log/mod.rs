//! Logging to stderr: filter, format, and changes at run time.

mod format;
mod recent;
mod throttle;

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use parking_lot::Mutex;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{Filtered, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{FmtSpan, debug_fn};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, fmt, reload};

pub(crate) use self::format::LogFormat;
pub(crate) use self::recent::{Line, Recent};
use self::throttle::Throttled;
pub(crate) use self::throttle::{Suppressed, Throttle};
use crate::escape::{Escaped, is_control};

/// The log of this process.
static LOG: OnceLock<Log> = OnceLock::new();

/// The subscriber below the formatting layer, which keeps recent warnings and errors.
///
/// The layers are stacked and not joined by `and_then`, which would apply the most verbose level
/// hint of one layer and ignore the other's.
type Below = Layered<Filtered<Recent, LevelFilter, Registry>, Registry>;

/// Changes the log filter at run time, and gives access to recent warnings and errors.
#[derive(Debug)]
pub(crate) struct Log {
    filter: reload::Handle<Targets, Below>,
    /// The initial filter and the current one, as text.
    words: (String, Mutex<String>),
    throttle: Throttle,
    recent: Recent,
}

/// Starts logging at the levels in `RUST_LOG`, or at `default` if the variable is not set.
///
/// # Errors
/// Fails if `RUST_LOG` is invalid; the text explains its syntax.
pub(crate) fn init(format: LogFormat, default: LevelFilter) -> Result<(), String> {
    let chosen = std::env::var("RUST_LOG")
        .ok()
        .filter(|text| !text.trim().is_empty());
    let (filter, words) = match chosen {
        Some(text) => (
            targets(&text).map_err(|why| format!("RUST_LOG={text:?} {why}"))?,
            text,
        ),
        None => (Targets::new().with_default(default), default.to_string()),
    };
    let (filter, handle) = reload::Layer::new(filter);
    let throttle = Throttle::default();
    let recent = Recent::default();
    let lines: Box<dyn Layer<Below> + Send + Sync> = match format {
        LogFormat::Text => Box::new(text(throttle.clone(), io::stderr)),
        LogFormat::Json => Box::new(json(throttle.clone(), || JsonEscaping(io::stderr()))),
    };
    let kept = recent.clone().with_filter(default.min(LevelFilter::WARN));
    let subscriber = Registry::default()
        .with(kept)
        .with(lines.with_filter(filter));
    tracing::subscriber::set_global_default(subscriber).map_err(|error| error.to_string())?;
    // Unset so far: a second subscriber would have been rejected above.
    let _ = LOG.set(Log {
        filter: handle,
        words: (words.clone(), Mutex::new(words)),
        throttle,
        recent,
    });
    Ok(())
}

/// Returns the log of this process once [`init`] has succeeded.
pub(crate) fn log() -> Option<&'static Log> {
    LOG.get()
}

/// Parses levels by target, in the syntax of `RUST_LOG`.
///
/// A word alone must be a level: otherwise a typing error such as `verbose` would be a target at
/// TRACE, and silence everything else.
fn targets(text: &str) -> Result<Targets, String> {
    let words = text.split(',').map(str::trim);
    let mut alone = words.filter(|word| !word.is_empty() && !word.contains('='));
    if let Some(word) = alone.find(|word| word.parse::<LevelFilter>().is_err()) {
        return Err(format!(
            "is invalid ({word:?} is not a level): write error, warn, info, debug, trace or off, \
             or a level for a target, such as {word}=debug"
        ));
    }
    text.trim().parse().map_err(|error| {
        format!(
            "is invalid ({error}): write a level, or levels by target, such as \
            info,campanile=debug"
        )
    })
}

impl Log {
    /// Changes the log filter; `None` restores the initial one.
    pub(crate) fn change(&self, text: Option<&str>) -> Result<(), String> {
        let text = text.unwrap_or(&self.words.0);
        let filter = targets(text)?;
        self.filter
            .reload(filter)
            .map_err(|error| error.to_string())?;
        text.clone_into(&mut self.words.1.lock());
        Ok(())
    }

    /// Returns the current filter, in the syntax of [`change`](Self::change).
    pub(crate) fn filter(&self) -> String {
        self.words.1.lock().clone()
    }

    /// Returns the last warnings and errors.
    pub(crate) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Returns what was suppressed since the last call.
    pub(crate) fn take_suppressed(&self) -> Vec<Suppressed> {
        self.throttle.take()
    }

    /// Returns the number of events suppressed because the same line was logged too often.
    pub(crate) fn suppressed(&self) -> u64 {
        self.throttle.suppressed()
    }
}

/// Returns `true` if colors may be written to this stream.
pub(crate) fn colors(on: &impl IsTerminal) -> bool {
    // no-color.org: any value that is not empty disables colors.
    on.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Formats one JSON object per event, and at DEBUG one per stanza when its span closes.
fn json<S, W>(throttle: Throttle, writer: W) -> impl Layer<S> + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    S: Subscriber + for<'l> LookupSpan<'l>,
{
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_events(FmtSpan::CLOSE);
    lines
        .with_writer(writer)
        .map_event_format(|inner| Throttled::new(inner, throttle))
}

/// Formats one text line per event. Fields are escaped, so that an event cannot span lines.
fn text<S, W>(throttle: Throttle, writer: W) -> impl Layer<S> + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    S: Subscriber + for<'l> LookupSpan<'l>,
{
    let fields = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{:?}", Escaped(value)),
        name => write!(writer, "{name}={:?}", Escaped(value)),
    });
    let lines = fmt::layer()
        .fmt_fields(fields.delimited(" "))
        .with_span_events(FmtSpan::CLOSE);
    let lines = lines.with_ansi(colors(&io::stderr())).with_writer(writer);
    lines.map_event_format(|inner| Throttled::new(inner, throttle))
}

/// Escapes control characters that JSON leaves as they are.
///
/// JSON escapes C0, but terminals also interpret C1, and bidi controls can disguise a line. They
/// occur only inside strings, where a `\u` escape is equivalent.
struct JsonEscaping<W>(W);

impl<W: Write> Write for JsonEscaping<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    // The formatter writes whole events, which are valid UTF-8.
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
        self.0
            .write_all(text.chars().map(escape).collect::<String>().as_bytes())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing_subscriber::fmt::writer::BoxMakeWriter;

    use super::*;

    #[test]
    fn suppressed_event_does_not_affect_other_events() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let throttle = Throttle::default();
        let writer = lines.clone();
        let writer = BoxMakeWriter::new(move || Writing(writer.clone()));
        let kept = Recent::default().with_filter(LevelFilter::WARN);
        let shown = json(throttle.clone(), writer)
            .with_filter(Targets::new().with_default(LevelFilter::INFO));
        tracing::subscriber::with_default(Registry::default().with(kept).with(shown), || {
            for _ in 0..1100 {
                tracing::info!("often");
            }
            tracing::info!("once");
            tracing::warn!("and again");
        });
        let text = String::from_utf8(lines.lock().clone()).unwrap();
        assert_eq!(
            (text.matches("often").count(), throttle.suppressed()),
            (1000, 100)
        );
        assert!(
            text.contains("once") && text.contains("and again"),
            "{}",
            text.len()
        );
    }

    struct Writing(Arc<Mutex<Vec<u8>>>);

    impl Write for Writing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_lines_contain_no_control_characters() {
        let mut out = Vec::new();
        JsonEscaping(&mut out)
            .write_all("{\"jid\":\"a\u{9b}b\u{202e}c é\"}\n".as_bytes())
            .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "{\"jid\":\"a\\u009bb\\u202ec é\"}\n"
        );
    }
}
