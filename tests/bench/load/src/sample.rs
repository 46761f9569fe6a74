//! A measurement, and the snapshots it is computed from.

use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::histogram::Histogram;
use crate::ledger::Faults;
use crate::machine::Ticks;
use crate::process::{Cpu, Memory};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sample {
    pub peer: String,
    pub scenario: String,
    pub window: u32,
    pub round: u32,
    pub seconds: f64,
    pub stanzas: u64,
    pub per_second: f64,
    /// The rate with a full window, of which a paced run had 90 %.
    pub highest_per_second: Option<f64>,
    /// CPU time of the component per stanza: all threads, user and system.
    pub cpu_us: f64,
    /// Percentage of this time that was spent in the kernel.
    pub kernel_percent: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub p999_us: f64,
    pub rss_start_kib: u64,
    pub rss_end_kib: u64,
    pub rss_peak_kib: u64,
    pub faults: Faults,
    /// CPU usage of the load generator; at 100 it is the bottleneck.
    pub load_busy_percent: f64,
    /// Percentage of the machine used by other processes.
    pub others_percent: f64,
    pub stall: Option<Stall>,
}

/// Result of a flood while the server did not read.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Stall {
    pub seconds: f64,
    pub sent: u64,
    pub answered: u64,
    pub refused: u64,
    pub unanswered: u64,
    /// Number of reconnects of the component.
    pub reconnects: u64,
    /// The flood was stopped early because the component's memory exceeded the limit.
    pub cut_short: bool,
    /// The component still replies afterwards.
    pub alive: bool,
}

/// Snapshot of all counters.
#[derive(Debug)]
pub struct Mark {
    at: Instant,
    cpu: Cpu,
    own: Cpu,
    machine: Ticks,
    answered: u64,
}

/// Resource usage between two snapshots.
#[derive(Debug)]
pub struct Span {
    pub seconds: f64,
    pub answered: u64,
    pub others_percent: f64,
    cpu_nanos: u64,
    kernel_percent: f64,
    load_busy_percent: f64,
}

/// The replies of a run.
#[derive(Debug)]
pub struct Replies<'a> {
    /// Number of stanzas per reply.
    pub weight: u32,
    pub latency: &'a Histogram,
    pub faults: Faults,
}

impl Span {
    /// Returns the CPU time per reply, in microseconds.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu_nanos as f64 / 1e3 / self.answered.max(1) as f64
    }
}

impl Mark {
    pub fn read(pid: u32, answered: u64) -> Result<Self> {
        let own = Cpu::read(std::process::id())?;
        Ok(Self {
            at: Instant::now(),
            cpu: Cpu::read(pid)?,
            own,
            machine: Ticks::read(),
            answered,
        })
    }

    pub fn since(&self, before: &Self) -> Span {
        let seconds = self.at.duration_since(before.at).as_secs_f64();
        let cpu_nanos = self.cpu.since(&before.cpu);
        let own = self.own.since(&before.own);
        Span {
            seconds,
            answered: self.answered - before.answered,
            cpu_nanos,
            kernel_percent: self.cpu.kernel_percent_since(&before.cpu),
            load_busy_percent: own as f64 / seconds / 1e7,
            others_percent: self.machine.others_since(&before.machine, cpu_nanos + own),
        }
    }
}

impl Sample {
    /// Creates a sample of a span, from memory before and after it.
    pub fn new(
        scenario: &str,
        window: u32,
        span: &Span,
        replies: &Replies<'_>,
        memory: (Memory, Memory),
    ) -> Self {
        let stanzas = span.answered * u64::from(replies.weight);
        let micros = |quantile| replies.latency.quantile(quantile) as f64 / 1e3;
        Self {
            peer: String::new(),
            scenario: scenario.to_owned(),
            window,
            round: 0,
            seconds: span.seconds,
            stanzas,
            per_second: stanzas as f64 / span.seconds,
            highest_per_second: None,
            cpu_us: span.cpu_nanos as f64 / 1e3 / (stanzas.max(1)) as f64,
            kernel_percent: span.kernel_percent,
            p50_us: micros(0.5),
            p99_us: micros(0.99),
            p999_us: micros(0.999),
            rss_start_kib: memory.0.now_kib,
            rss_end_kib: memory.1.now_kib,
            rss_peak_kib: memory.1.peak_kib,
            faults: replies.faults,
            load_busy_percent: span.load_busy_percent,
            others_percent: span.others_percent,
            stall: None,
        }
    }
}
