//! Amounts for people.

/// Returns a number of entries and their size, such as `2 entries, 1.5 kB`.
pub(crate) fn amount(entries: u64, bytes: u64) -> String {
    let entries = match entries {
        1 => "1 entry".to_owned(),
        entries => format!("{entries} entries"),
    };
    let size = match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    };
    format!("{entries}, {size}")
}
