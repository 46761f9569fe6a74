//! What a process writes, line by line.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Older lines are forgotten beyond this.
const LINES: usize = 20_000;

/// Shared by the threads that read and the tests that look. Clones are the same log.
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
    /// Collects `from` in a thread until its end.
    pub fn collect(&self, from: impl Read + Send + 'static) {
        let output = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(from).split(b'\n').map_while(Result::ok) {
                output.push(String::from_utf8_lossy(&line).into_owned());
            }
        });
    }

    /// All lines that are kept.
    pub fn lines(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    /// The last lines, for failure messages.
    pub fn tail(&self) -> String {
        let lines = self.lock();
        let skipped = lines.len().saturating_sub(30);
        lines
            .iter()
            .skip(skipped)
            .fold(String::new(), |text, line| text + "  | " + line + "\n")
    }

    /// The first line, old or new, for which `matches` holds.
    ///
    /// # Errors
    /// When none came in time.
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
                // The sender lives in `self`: this cannot fail.
                let _ = written.changed().await;
            }
        };
        timeout(within, search)
            .await
            .map_err(|_| format!("no such line within {within:?}"))
    }

    /// Adds a line of our own.
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
