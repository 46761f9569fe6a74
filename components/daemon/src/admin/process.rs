//! What the kernel knows of this process, under the names that every exporter has for it.

use std::fs;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::text::Text;

/// Ticks of the kernel's clock in a second, as every Linux shows them to programs (`USER_HZ`).
const TICKS: f64 = 100.0;

/// What cannot be read is left out: `/proc` may be hidden, and is not there on other systems.
pub(super) fn add(text: &mut Text, began: Instant) {
    if let Some(spent) = fs::read_to_string("/proc/self/stat")
        .ok()
        .and_then(|stat| spent(&stat))
    {
        text.seconds_spent("process_cpu_seconds_total", "Time of the processors", spent);
    }
    let resident = fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|status| resident(&status));
    if let Some(resident) = resident {
        text.gauge(
            "process_resident_memory_bytes",
            "Memory that is resident",
            &[],
            bytes(resident),
        );
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let name = "process_start_time_seconds";
    let help = "When the process started, in seconds since 1970";
    text.gauge(
        name,
        help,
        &[],
        now.saturating_sub(began.elapsed()).as_secs_f64().round(),
    );
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // Reading the folder takes one itself.
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
            "Open files and sockets there may be",
            &[],
            bytes(most),
        );
    }
}

#[allow(clippy::cast_precision_loss, reason = "no machine has 2^52 bytes")]
fn bytes(count: u64) -> f64 {
    count as f64
}

/// proc(5), fields 14 and 15, counted from 1; the name, in parentheses, may hold anything.
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
    fn what_the_kernel_says_is_read() {
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
