//! Log lines on stderr: which ones, how they are written, and what changes while the process runs.

mod recent;
mod throttle;

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::filter::{Filtered, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{FmtSpan, debug_fn};
use tracing_subscriber::layer::{Layered, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry, fmt, reload};

pub(crate) use self::recent::{Line, Recent};
use self::throttle::{Throttle, Throttled};
use crate::cli::LogFormat;
use crate::escape::{Escaped, is_control};

/// The log of this process.
static LOG: OnceLock<Log> = OnceLock::new();

/// What stands below the lines: the warnings and errors that are kept. One on the other, and not
/// joined by `and_then`: that would look at the most that one of them wants, and forget the other.
type Below = Layered<Filtered<Recent, LevelFilter, Registry>, Registry>;

/// What is logged can be changed, and what was said lately can be read.
#[derive(Debug)]
pub(crate) struct Log {
    filter: reload::Handle<Targets, Below>,
    /// As it was at the start, and as it is now, in words.
    words: (String, Mutex<String>),
    throttle: Throttle,
    recent: Recent,
}

/// Begins to log. What `RUST_LOG` does not decide is logged from `default` on.
///
/// # Errors
/// When `RUST_LOG` cannot be read; the text says how it is written.
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
    let ((filter, handle), throttle, recent) = (
        reload::Layer::new(filter),
        Throttle::default(),
        Recent::default(),
    );
    let lines: Box<dyn Layer<Below> + Send + Sync> = match format {
        LogFormat::Text => Box::new(text(throttle.clone(), io::stderr)),
        LogFormat::Json => Box::new(json(throttle.clone(), || JsonEscaping(io::stderr()))),
    };
    let kept = recent.clone().with_filter(default.min(LevelFilter::WARN));
    let subscriber = Registry::default()
        .with(kept)
        .with(lines.with_filter(filter));
    tracing::subscriber::set_global_default(subscriber).map_err(|error| error.to_string())?;
    // Set once: a second subscriber would have been refused above.
    let _ = LOG.set(Log {
        filter: handle,
        words: (words.clone(), Mutex::new(words)),
        throttle,
        recent,
    });
    Ok(())
}

/// The log, once there is one.
pub(crate) fn log() -> Option<&'static Log> {
    LOG.get()
}

/// Levels by target, as `RUST_LOG` has them.
fn targets(text: &str) -> Result<Targets, String> {
    text.trim().parse().map_err(|error| {
        format!(
            "cannot be read ({error}): write a level, or levels by target, as in \
            info,campanile=debug"
        )
    })
}

impl Log {
    /// Changes what is logged from now on; `None` is what it was at the start.
    pub(crate) fn change(&self, text: Option<&str>) -> Result<(), String> {
        let text = text.unwrap_or(&self.words.0);
        let filter = targets(text)?;
        self.filter
            .reload(filter)
            .map_err(|error| error.to_string())?;
        text.clone_into(&mut self.words.1.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// What is logged, as [`change`](Self::change) takes it.
    pub(crate) fn filter(&self) -> String {
        self.words
            .1
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The last warnings and errors.
    pub(crate) fn recent(&self) -> &Recent {
        &self.recent
    }

    /// Events that were left out because the same line came too often.
    pub(crate) fn suppressed(&self) -> u64 {
        self.throttle.suppressed()
    }
}

/// Whether colours may be written on this stream.
pub(crate) fn colours(on: &impl IsTerminal) -> bool {
    // no-color.org: any value that is not empty.
    on.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// One object for each event, and at DEBUG one for each stanza, when its span is over.
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

/// Lines for people: what the fields hold is escaped, so one event is one line.
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
    let lines = lines.with_ansi(colours(&io::stderr())).with_writer(writer);
    lines.map_event_format(|inner| Throttled::new(inner, throttle))
}

/// JSON escapes C0 by itself; a terminal obeys C1 as well, and bidi controls hide what a line says.
/// They can stand only inside of strings, where `\u` means the same.
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
    fn what_is_left_out_takes_nothing_else_with_it() {
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
        let text = String::from_utf8(lines.lock().unwrap().clone()).unwrap();
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
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn json_lines_hold_no_control_character() {
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
