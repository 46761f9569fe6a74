//! CPU time and memory of a process, from /proc.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Context, Result};

/// Unit of utime and stime in /proc/PID/stat, in nanoseconds (USER_HZ = 100).
const TICK: u64 = 10_000_000;

/// CPU time of a process at one instant.
#[derive(Debug, Clone)]
pub struct Cpu {
    /// CPU time of each live thread, in nanoseconds.
    threads: BTreeMap<u32, u64>,
    /// User and system time of the whole process, including ended threads, in coarse ticks.
    user_ticks: u64,
    system_ticks: u64,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Memory {
    pub now_kib: u64,
    pub peak_kib: u64,
    /// Heap and stacks, without mapped files.
    pub anonymous_kib: u64,
    pub threads: u64,
}

impl Cpu {
    pub fn read(pid: u32) -> Result<Self> {
        let mut threads = BTreeMap::new();
        for task in fs::read_dir(format!("/proc/{pid}/task"))
            .context("the component's process has ended")?
        {
            let path = task?.path();
            let Some(tid) = path
                .file_name()
                .and_then(|n| n.to_str())
                .and_then(|n| n.parse().ok())
            else {
                continue;
            };
            // A thread may end between listing and reading.
            let Ok(text) = fs::read_to_string(path.join("schedstat")) else {
                continue;
            };
            if let Some(nanos) = text.split_whitespace().next().and_then(|n| n.parse().ok()) {
                threads.insert(tid, nanos);
            }
        }
        let (user_ticks, system_ticks) = ticks(pid)?;
        Ok(Self {
            threads,
            user_ticks,
            system_ticks,
        })
    }

    /// Returns the CPU time used since `before`, in nanoseconds: exact unless a thread ended in
    /// between.
    pub fn since(&self, before: &Self) -> u64 {
        if before
            .threads
            .keys()
            .any(|tid| !self.threads.contains_key(tid))
        {
            let (user, system) = self.ticks_since(before);
            return (user + system) * TICK;
        }
        let spent = |(tid, nanos): (&u32, &u64)| {
            nanos.saturating_sub(before.threads.get(tid).copied().unwrap_or(0))
        };
        self.threads.iter().map(spent).sum()
    }

    /// Returns the percentage of the CPU time since `before` that was spent in the kernel.
    pub fn kernel_percent_since(&self, before: &Self) -> f64 {
        let (user, system) = self.ticks_since(before);
        system as f64 * 100.0 / (user + system).max(1) as f64
    }

    fn ticks_since(&self, before: &Self) -> (u64, u64) {
        (
            self.user_ticks.saturating_sub(before.user_ticks),
            self.system_ticks.saturating_sub(before.system_ticks),
        )
    }
}

impl Memory {
    pub fn read(pid: u32) -> Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))
            .context("the component's process has ended")?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Ok(Self {
            now_kib: field("VmRSS:").context("no VmRSS")?,
            peak_kib: field("VmHWM:").context("no VmHWM")?,
            anonymous_kib: field("RssAnon:").context("no RssAnon")?,
            threads: field("Threads:").context("no Threads")?,
        })
    }
}

/// Returns user and system time of a process.
fn ticks(pid: u32) -> Result<(u64, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the name in parentheses, which may contain spaces; utime and stime are
    // fields 14 and 15.
    let after = stat
        .rsplit_once(')')
        .context("unexpected /proc/PID/stat")?
        .1;
    let mut fields = after.split_whitespace().skip(11);
    let mut next = || {
        fields
            .next()
            .and_then(|field| field.parse::<u64>().ok())
            .context("unexpected /proc/PID/stat")
    };
    Ok((next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_and_memory_of_own_process_are_read() {
        let pid = std::process::id();
        let before = Cpu::read(pid).unwrap();
        // Works until the CPU time is measurable, at any optimization level.
        let shows = (0..10_000).any(|_| {
            std::hint::black_box((0..1_000_000_u64).fold(0, |a, b| std::hint::black_box(a ^ b)));
            Cpu::read(pid).unwrap().since(&before) > 100_000
        });
        assert!(shows);
        let memory = Memory::read(pid).unwrap();
        assert!(memory.now_kib > 0 && memory.peak_kib >= memory.now_kib);
    }
}
