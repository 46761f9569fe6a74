//! What only reads: search, tail, stats, export.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use campanile_logger::export;
use campanile_logger::store::{Backend, Entry, Query};
use campanile_logger::time;

use super::filter::Filter;
use super::progress::Progress;
use super::{Failure, Format};
use crate::escape::Escaped;

/// Entries read at a time.
const PAGE: usize = 1000;
/// How often a follower looks for what is new.
const EVERY: Duration = Duration::from_millis(200);

/// The newest that fit, in the order of time.
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

/// The last ones, and what comes after them.
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
            std::thread::sleep(EVERY);
        }
    }
}

pub(super) fn stats(backend: &mut dyn Backend) -> Result<(), Failure> {
    let stats = backend.usage(None)?;
    let mut out = io::stdout().lock();
    writeln!(out, "{} entries, {} bytes", stats.entries, stats.bytes)?;
    if let Some((first, last)) = stats.span {
        writeln!(
            out,
            "from {} to {}",
            time::format(first),
            time::format(last)
        )?;
    }
    for (sender, entries, bytes) in &stats.senders {
        writeln!(out, "{}: {entries} entries, {bytes} bytes", Escaped(sender))?;
    }
    Ok(out.flush()?)
}

/// All that fit, from the first on.
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
        Some(path) => Box::new(File::create(path)?),
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

/// Entries, written one by one.
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
