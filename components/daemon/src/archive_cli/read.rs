//! Commands that read: search, tail, stats, export.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::Duration;

use campanile_logger::export;
use campanile_logger::store::{Backend, Entry, Query};
use campanile_logger::time;

use super::filter::Filter;
use super::progress::Progress;
use super::{Failure, Format, counted, named};
use crate::escape::Escaped;

/// Number of entries read at a time.
const PAGE: usize = 1000;
/// Polling interval of `tail --follow`.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// Writes the newest matching entries in chronological order.
pub(super) fn search(
    backend: &mut dyn Backend,
    words: &str,
    filter: &Filter,
    limit: usize,
    format: Format,
) -> Result<(), Failure> {
    let query = Query {
        words: words.to_owned(),
        from_end: true,
        limit,
        ..filter.query()?
    };
    let mut out = Lines::new(io::stdout().lock(), format);
    backend
        .page(&query)?
        .entries
        .iter()
        .try_for_each(|entry| out.write(entry))?;
    Ok(out.finish()?)
}

/// Writes the last entries, and with `follow` new ones as they arrive.
pub(super) fn tail(
    backend: &mut dyn Backend,
    filter: &Filter,
    limit: usize,
    follow: bool,
    format: Format,
) -> Result<(), Failure> {
    let base = filter.query()?;
    let last = backend.page(&Query {
        from_end: true,
        limit,
        ..base.clone()
    })?;
    let newest = backend.page(&Query {
        from_end: true,
        limit: 1,
        ..Query::default()
    })?;
    let mut after = newest.entries.last().map(|entry| entry.place);
    let mut out = Lines::new(io::stdout().lock(), format);
    last.entries.iter().try_for_each(|entry| out.write(entry))?;
    out.flush()?;
    if !follow {
        return Ok(out.finish()?);
    }
    loop {
        let page = backend.page(&Query {
            after,
            limit: PAGE,
            ..base.clone()
        })?;
        page.entries.iter().try_for_each(|entry| out.write(entry))?;
        out.flush()?;
        after = page.entries.last().map(|entry| entry.place).or(after);
        if !page.more {
            std::thread::sleep(POLL_INTERVAL);
        }
    }
}

pub(super) fn stats(backend: &mut dyn Backend) -> Result<(), Failure> {
    let stats = backend.usage(None)?;
    let mut out = io::stdout().lock();
    let total = counted(stats.entries);
    writeln!(out, "{total}, {} bytes", stats.bytes)?;
    if let Some((first, last)) = stats.span {
        writeln!(
            out,
            "from {} to {}",
            time::format(first),
            time::format(last)
        )?;
    }
    for (sender, entries, bytes) in &stats.senders {
        let entries = counted(*entries);
        writeln!(out, "{}: {entries}, {bytes} bytes", Escaped(sender))?;
    }
    Ok(out.flush()?)
}

/// Writes all matching entries, oldest first.
pub(super) fn export(
    backend: &mut dyn Backend,
    filter: &Filter,
    format: Format,
    output: Option<&Path>,
) -> Result<(), Failure> {
    let query = Query {
        limit: PAGE,
        ..filter.query()?
    };
    let progress = Progress::counting(backend.count(&query, u64::from(u32::MAX))?);
    let to: Box<dyn Write> = match output {
        Some(path) => Box::new(private(path).map_err(|error| named(path, &error))?),
        None => Box::new(io::stdout().lock()),
    };
    let mut out = Lines::new(to, format);
    let mut after = None;
    loop {
        let page = backend.page(&Query {
            after,
            ..query.clone()
        })?;
        page.entries.iter().try_for_each(|entry| out.write(entry))?;
        progress.advance(page.entries.len() as u64);
        after = page.entries.last().map(|entry| entry.place).or(after);
        if !page.more {
            break;
        }
    }
    out.finish()?;
    progress.finish();
    Ok(())
}

/// Creates or empties a file that only its owner may read: it holds what people wrote.
fn private(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    // A pipe or a terminal keeps its mode.
    if file.metadata()?.is_file() {
        file.set_permissions(Permissions::from_mode(0o600))?;
    }
    Ok(file)
}

/// Writes entries in one of the output formats.
struct Lines<W: Write> {
    out: BufWriter<W>,
    format: Format,
    empty: bool,
}

impl<W: Write> Lines<W> {
    fn new(out: W, format: Format) -> Self {
        Self {
            out: BufWriter::new(out),
            format,
            empty: true,
        }
    }

    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        if std::mem::take(&mut self.empty) && self.format == Format::Csv {
            write!(self.out, "{}\r\n", export::CSV_HEAD)?;
        }
        match self.format {
            Format::Text => writeln!(self.out, "{}", export::text(entry)),
            Format::Ndjson => writeln!(self.out, "{}", export::json(entry)),
            // RFC 4180 §2.1
            Format::Csv => write!(self.out, "{}\r\n", export::csv(entry)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush()
    }
}
