//! Process metrics from `/proc`, under the standard names of Prometheus exporters.

use std::fs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::text::Text;

/// Kernel clock ticks per second as shown to programs (`USER_HZ`), the same on every Linux.
const TICKS: f64 = 100.0;

/// Adds the process metrics.
///
/// Metrics that cannot be read are omitted: `/proc` may be hidden, and exists only on Linux.
pub(super) fn add(text: &mut Text, began: Instant) {
    if let Some(spent) = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| spent(&stat))
    {
        text.seconds_spent("process_cpu_seconds_total", "CPU time used", spent);
    }
    let resident = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| resident(&status));
    if let Some(resident) = resident {
        text.gauge(
            "process_resident_memory_bytes",
            "Resident memory",
            &[],
            bytes(resident),
        );
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let name = "process_start_time_seconds";
    let help = "Start time of the process, in seconds since 1970";
    text.gauge(
        name,
        help,
        &[],
        now.saturating_sub(began.elapsed()).as_secs_f64().round(),
    );
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Reading the directory uses one itself.
        text.size(
            "process_open_fds",
            "Open files and sockets",
            &[],
            open.count().saturating_sub(1),
        );
    }
    if let Some(most) = fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|limits| open_files(&limits))
    {
        text.gauge(
            "process_max_fds",
            "Maximum number of open files and sockets",
            &[],
            bytes(most),
        );
    }
}

#[allow(clippy::cast_precision_loss, reason = "no machine has 2^52 bytes")]
fn bytes(count: u64) -> f64 {
    count as f64
}

/// Parses the CPU time: fields 14 and 15 of proc(5), counted from 1.
///
/// The process name, in parentheses, may contain anything.
fn spent(stat: &str) -> Option<f64> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(bytes(number(11)? + number(12)?) / TICKS)
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

fn open_files(limits: &str) -> Option<u64> {
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_parsed() {
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 500 0 0 0 250 50 0 0 20 0 4 0 1234 99999 321 \
            18446744073709551615 1";
        assert_eq!(spent(stat), Some(3.0));
        assert_eq!(spent("7 (a) S"), None);
        assert_eq!(
            resident("VmHWM:   99 kB\nVmRSS:\t    12 kB\n"),
            Some(12_288)
        );
        assert_eq!(
            open_files("Limit Soft Hard\nMax open files            1024   524288   files\n"),
            Some(1024)
        );
    }
}
