//! Progress output: a progress bar on a terminal, otherwise a line per finished run.

use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

use crate::sample::Sample;

/// Width of the progress bar.
const BAR: usize = 24;

#[derive(Debug)]
pub struct Progress {
    total: usize,
    done: usize,
    started: Instant,
    terminal: bool,
}

impl Progress {
    pub fn new(total: usize) -> Self {
        Self {
            total,
            done: 0,
            started: Instant::now(),
            terminal: stderr().is_terminal(),
        }
    }

    pub fn begin(&self, what: &str) {
        if self.terminal {
            eprint!(
                "\r\x1b[2K{} {}/{}, {} left: {what} …",
                self.bar(),
                self.done,
                self.total,
                self.left()
            );
            // Progress output is optional.
            let _ = stderr().flush();
        }
    }

    pub fn finish(&mut self, what: &str, result: &anyhow::Result<Sample>) {
        self.done += 1;
        let said = match result {
            Ok(sample) => describe(sample),
            Err(e) => format!("FAILED: {e:#}"),
        };
        let clear = if self.terminal { "\r\x1b[2K" } else { "" };
        eprintln!("{clear}[{}/{}] {what}: {said}", self.done, self.total);
    }

    fn bar(&self) -> String {
        let filled = self.done * BAR / self.total.max(1);
        format!("{}{}", "█".repeat(filled), "░".repeat(BAR - filled))
    }

    fn left(&self) -> String {
        let Some(each) = self.started.elapsed().checked_div(self.done as u32) else {
            return "?".to_owned();
        };
        let left: Duration = each * (self.total - self.done) as u32;
        format!("{}:{:02}", left.as_secs() / 60, left.as_secs() % 60)
    }
}

fn describe(sample: &Sample) -> String {
    if let Some(stall) = sample.stall {
        return format!(
            "{} sent, {} answered ({} rejected), {} unanswered, {} reconnects, peak {:.1} MiB{}{}",
            stall.sent,
            stall.answered,
            stall.refused,
            stall.unanswered,
            stall.reconnects,
            sample.rss_peak_kib as f64 / 1024.0,
            if stall.cut_short { ", cut short" } else { "" },
            if stall.alive {
                ""
            } else {
                ", NO REPLIES AFTERWARDS"
            },
        );
    }
    let clean = sample.faults == crate::ledger::Faults::default();
    format!(
        "{:.0}/s{}, {:.2} µs CPU ({:.0} % kernel), p50 {:.0} p99 {:.0} p99.9 {:.0} µs, {:.1} MiB, load {:.0} %, others {:.0} %{}",
        sample.per_second,
        sample
            .highest_per_second
            .map_or(String::new(), |highest| format!(
                " (highest {highest:.0}/s)"
            )),
        sample.cpu_us,
        sample.kernel_percent,
        sample.p50_us,
        sample.p99_us,
        sample.p999_us,
        sample.rss_peak_kib as f64 / 1024.0,
        sample.load_busy_percent,
        sample.others_percent,
        if clean {
            String::new()
        } else {
            format!(", {:?}", sample.faults)
        },
    )
}
