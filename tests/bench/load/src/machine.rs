//! The machine, and the CPU time used by other processes.

use std::fs;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub kernel: String,
    pub load_average: String,
}

/// CPU time of the machine, in ticks.
#[derive(Debug, Clone, Copy)]
pub struct Ticks {
    busy: u64,
    steal: u64,
    all: u64,
}

impl Machine {
    pub fn read() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
        let read = |path| {
            fs::read_to_string(path)
                .unwrap_or_default()
                .trim()
                .to_owned()
        };
        Self {
            cpu: model.map_or("unknown", |(_, name)| name.trim()).to_owned(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: read("/proc/sys/kernel/osrelease"),
            load_average: read("/proc/loadavg"),
        }
    }
}

impl Ticks {
    pub fn read() -> Self {
        let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = stat.lines().next().unwrap_or_default();
        let fields: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .filter_map(|field| field.parse().ok())
            .collect();
        let at = |i: usize| fields.get(i).copied().unwrap_or(0);
        // Fields: user nice system idle iowait irq softirq steal; later ones are included in user
        // and nice.
        let busy = at(0) + at(1) + at(2) + at(5) + at(6);
        Self {
            busy,
            steal: at(7),
            all: busy + at(3) + at(4) + at(7),
        }
    }

    /// Returns the percentage of the machine used by other processes since `before`, where `ours`
    /// is the CPU time of the measured ones in nanoseconds.
    pub fn others_since(&self, before: &Self, ours: u64) -> f64 {
        let all = self.all.saturating_sub(before.all) as f64;
        let used = (self.busy + self.steal).saturating_sub(before.busy + before.steal) as f64;
        ((used - ours as f64 / 1e7) / all.max(1.0) * 100.0).max(0.0)
    }
}
