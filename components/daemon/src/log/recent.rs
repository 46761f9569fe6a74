//! The most recent warnings and errors, for the status page.

use std::collections::VecDeque;
use std::fmt::{Debug, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use parking_lot::{Mutex, MutexGuard};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::escape::Escaped;

/// Number of lines kept.
const MOST: usize = 100;
/// Longest text kept, in characters. Error texts of a server may be long.
const LONGEST: usize = 2000;

/// Keeps the last distinct warnings and errors; repetitions are counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recent {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    lines: Mutex<VecDeque<Line>>,
    errors: AtomicU64,
    warnings: AtomicU64,
}

/// A warning or an error.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) level: Level,
    /// The module that logged it.
    pub(crate) target: &'static str,
    /// Message and fields, with control characters escaped.
    pub(crate) text: String,
    pub(crate) first: SystemTime,
    pub(crate) last: SystemTime,
    pub(crate) times: u64,
}

impl Recent {
    /// Returns the lines, newest first.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let mut lines: Vec<_> = self.lock().iter().cloned().collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.last));
        lines
    }

    /// Returns the numbers of errors and of warnings since the process started.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (
            self.shared.errors.load(Ordering::Relaxed),
            self.shared.warnings.load(Ordering::Relaxed),
        )
    }

    fn add(&self, level: Level, target: &'static str, text: String) {
        let count = if level == Level::ERROR {
            &self.shared.errors
        } else {
            &self.shared.warnings
        };
        count.fetch_add(1, Ordering::Relaxed);
        let mut lines = self.lock();
        let now = SystemTime::now();
        if let Some(known) = lines
            .iter_mut()
            .find(|line| line.target == target && line.text == text)
        {
            (known.last, known.times) = (now, known.times + 1);
            return;
        }
        if lines.len() == MOST {
            lines.pop_front();
        }
        lines.push_back(Line {
            level,
            target,
            text,
            first: now,
            last: now,
            times: 1,
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Line>> {
        self.shared.lines.lock()
    }
}

impl<S: Subscriber> Layer<S> for Recent {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let metadata = event.metadata();
        let mut text = Text::default();
        event.record(&mut text);
        self.add(*metadata.level(), metadata.target(), text.finish());
    }
}

/// The message of an event, followed by its fields.
#[derive(Default)]
struct Text {
    message: String,
    fields: String,
}

impl Text {
    fn finish(self) -> String {
        let text = Escaped(format!("{}{}", self.message, self.fields)).to_string();
        text.chars().take(LONGEST).collect()
    }
}

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_line_is_counted_and_oldest_is_evicted() {
        let recent = Recent::default();
        for _ in 0..3 {
            recent.add(Level::WARN, "a", "again".to_owned());
        }
        assert_eq!((recent.lines().len(), recent.lines()[0].times), (1, 3));
        for number in 0..MOST {
            recent.add(Level::ERROR, "a", number.to_string());
        }
        let lines = recent.lines();
        assert_eq!(lines.len(), MOST);
        assert!(!lines.iter().any(|line| line.text == "again"));
        assert_eq!(recent.counts(), (100, 3));
    }
}
