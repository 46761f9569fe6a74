//! Captured output of a process, by line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Maximum number of lines kept. Older lines are dropped.
const LINES: usize = 20_000;

/// Captured lines, shared between reading threads and tests. Clones share the same lines.
#[derive(Debug, Clone)]
pub struct Output {
    lines: Arc<Mutex<VecDeque<String>>>,
    written: watch::Sender<u64>,
}

impl Default for Output {
    fn default() -> Self {
        Self {
            lines: Arc::default(),
            written: watch::Sender::new(0),
        }
    }
}

impl Output {
    /// Reads `from` to its end in a thread.
    pub fn collect(&self, from: impl Read + Send + 'static) {
        let output = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                output.push(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }

    /// Returns all lines kept.
    pub fn lines(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// Returns the last 30 lines, for failure messages.
    pub fn tail(&self) -> String {
        let lines = self.lock();
        let skipped = lines.len().saturating_sub(30);
        lines
            .iter()
            .skip(skipped)
            .fold(String::new(), |text, line| text + "  | " + line + "\n")
    }

    /// Waits for the first line, past or future, that satisfies `matches`.
    ///
    /// # Errors
    /// Returns an error if there is none in time.
    pub async fn line(
        &self,
        within: Duration,
        matches: impl Fn(&str) -> bool,
    ) -> Result<String, String> {
        let mut written = self.written.subscribe();
        let search = async {
            loop {
                written.mark_unchanged();
                if let Some(line) = self.lock().iter().find(|line| matches(line)).cloned() {
                    return line;
                }
                // Cannot fail: the sender lives in `self`.
                let _ = written.changed().await;
            }
        };
        timeout(within, search)
            .await
            .map_err(|_| format!("no matching line within {within:?}"))
    }

    /// Appends a line.
    pub fn push(&self, line: String) {
        let mut lines = self.lock();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
        drop(lines);
        self.written.send_modify(|count| *count += 1);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
