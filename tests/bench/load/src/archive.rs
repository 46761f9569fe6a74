//! Measurements of an archive with a million entries: throughput while it fills, memory, and query
//! latency.

use std::fmt::Write as _;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::cli::Cli;
use crate::flow::{Flow, Pace};
use crate::peer::{ADMIN, Addresses, Peer};
use crate::process::Memory;
use crate::rounds::CONNECTS_WITHIN;
use crate::sample::Mark;
use crate::scenario;
use crate::server::{JID, Server};
use crate::stanza::ID_LEN;

const WINDOW: u32 = 4096;
/// Number of parts in which filling is measured.
const PARTS: u64 = 10;
/// Number of repetitions of each query, with different parameters.
const ASKED: u32 = 40;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);
/// Start positions of pages within the archive, in percent.
const DEPTHS: [u64; 3] = [10, 50, 90];
/// Word contained in every message.
const COMMON: &str = "noon";
const MAM: &str = "urn:xmpp:mam:2";
const ENDS_WITHIN: Duration = Duration::from_secs(20);

/// Fills and queries the archive of each peer that has one. Returns `true` if anything was
/// measured.
pub fn measure(cli: &Cli, peers: &[Peer]) -> Result<bool> {
    let mut text = String::new();
    for peer in peers
        .iter()
        .filter(|peer| peer.answers("logger") && peer.is_available(&cli.bench_dir))
    {
        let server = Server::bind(0)?;
        let mut running = peer.start(&cli.bench_dir, &Addresses::of(server.port), &[])?;
        let stream = server.accept(&mut running.child, CONNECTS_WITHIN)?;
        let mut flow = Flow::new(vec![stream], running.pid(), &scenario::FILL, WINDOW)?;
        let done = fill(&mut flow, cli.entries()).and_then(|filled| {
            let asked = questions(
                &mut Asker {
                    flow: &mut flow,
                    asked: 0,
                },
                cli.entries(),
            )?;
            Ok(format!("{}\n\n{filled}\n{asked}", peer.title))
        });
        text += &done.with_context(|| format!("last log lines: {}", running.log_tail()))?;
        let memory = Memory::read(flow.pid)?;
        writeln!(
            text,
            "\nMemory afterwards: {} MiB, peak {} MiB.\n",
            memory.now_kib >> 10,
            memory.peak_kib >> 10
        )?;
        drop(flow);
        running.stop(ENDS_WITHIN)?;
    }
    println!("{text}");
    if let Some(file) = &cli.markdown {
        fs::write(file, &text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(!text.is_empty())
}

/// Fills the archive. Returns a table with a row for each part.
fn fill(flow: &mut Flow, entries: u64) -> Result<String> {
    let mut table = "| entries | messages/s | CPU of the component | others used | memory |\n\
        |---|---|---|---|---|\n"
        .to_owned();
    for part in 1..=PARTS {
        let before = Mark::read(flow.pid, flow.ledger.answered)?;
        flow.run_count(entries / PARTS, Pace::Rolling)?;
        let span = Mark::read(flow.pid, flow.ledger.answered)?.since(&before);
        let memory = Memory::read(flow.pid)?.now_kib >> 10;
        let rate = span.answered as f64 / span.seconds;
        let cpu = span.cpu_micros();
        let others = span.others_percent;
        writeln!(
            table,
            "| {} | {rate:.0} | {cpu:.1} µs | {others:.0} % | {memory} MiB |",
            part * entries / PARTS
        )?;
    }
    let faults = flow.ledger.faults;
    ensure!(
        flow.ledger.open == 0 && faults.errors == 0 && faults.wrong == 0,
        "not all messages are archived: {faults:?}"
    );
    Ok(table)
}

/// Runs the queries. Returns a table with a row for each.
fn questions(asker: &mut Asker<'_>, entries: u64) -> Result<String> {
    let mut table =
        "| page of 50 | asked by | entries | median | slowest |\n|---|---|---|---|---|\n"
            .to_owned();
    let senders = scenario::FILL.senders;
    let user = |number: u32| format!("u{:05}@localhost/bench", number * 997 % senders);
    // The unique word of the same user's first message.
    let own = |number: u32| format!("m{:08x}", number * 997 % senders);
    let first = "<max>50</max>";
    let last = "<max>50</max><before/>";
    let ids: Vec<String> = DEPTHS
        .into_iter()
        .map(|percent| asker.id_of(entries * percent / 100))
        .collect::<Result<_>>()?;
    let mut row = |what: &str,
                   who: &dyn Fn(u32) -> String,
                   words: &dyn Fn(u32) -> String,
                   set: &dyn Fn(u32) -> String| {
        let mut times = Vec::new();
        let mut found = 0;
        for number in 0..ASKED {
            let page = asker.ask(&who(number), &form(&words(number), ""), &set(number))?;
            times.push(page.took);
            found = page.entries;
        }
        times.sort_unstable();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        let median = ms(times[times.len() / 2]);
        let slowest = ms(times[times.len() - 1]);
        let by = if who(0) == ADMIN {
            "an admin"
        } else {
            "a user with few entries"
        };
        writeln!(
            table,
            "| {what} | {by} | {found} | {median:.1} ms | {slowest:.1} ms |"
        )?;
        anyhow::Ok(())
    };
    let (admin, common): (&dyn Fn(u32) -> String, &dyn Fn(u32) -> String) =
        (&|_| ADMIN.to_owned(), &|_| COMMON.to_owned());
    let (to_first, to_last): (&dyn Fn(u32) -> String, &dyn Fn(u32) -> String) =
        (&|_| first.to_owned(), &|_| last.to_owned());
    for who in [admin, &user] {
        row("a word of every message, first", who, common, to_first)?;
        row("a word of every message, last", who, common, to_last)?;
        row("a word of one message", who, &own, to_first)?;
        row(
            "two words, one of them rare",
            who,
            &|number| format!("{COMMON} {}", own(number)),
            to_first,
        )?;
        row(
            "a word of no message",
            who,
            &|_| "nowhere".to_owned(),
            to_first,
        )?;
        row("all, first", who, &|_| String::new(), to_first)?;
        row("all, last", who, &|_| String::new(), to_last)?;
    }
    for (percent, id) in DEPTHS.into_iter().zip(ids) {
        let after = |_| format!("<max>50</max><after>{id}</after>");
        let before = |_| format!("<max>50</max><before>{id}</before>");
        row(
            &format!("a word of every message, behind {percent} %"),
            admin,
            common,
            &after,
        )?;
        row(
            &format!("a word of every message, before {percent} %"),
            admin,
            common,
            &before,
        )?;
        row(
            &format!("all, behind {percent} %"),
            admin,
            &|_| String::new(),
            &after,
        )?;
    }
    Ok(table)
}

fn form(words: &str, more: &str) -> String {
    let field =
        |var: &str, value: &str| format!("<field var='{var}'><value>{value}</value></field>");
    let words = if words.is_empty() {
        String::new()
    } else {
        field("{urn:xmpp:fulltext:0}fulltext", words)
    };
    format!(
        "<x xmlns='jabber:x:data' type='submit'>{}{words}{more}</x>",
        field("FORM_TYPE", MAM)
    )
}

struct Asker<'f> {
    flow: &'f mut Flow,
    asked: u32,
}

struct Page {
    took: Duration,
    entries: u32,
    end: String,
}

impl Asker<'_> {
    /// Requests one page and measures the time from the first byte of the query to the last of the
    /// response.
    fn ask(&mut self, who: &str, form: &str, set: &str) -> Result<Page> {
        self.asked += 1;
        let id = format!("q{}", self.asked);
        let link = self.flow.links.stream(0);
        let set = format!("<set xmlns='http://jabber.org/protocol/rsm'>{set}</set>");
        let query = format!("<query xmlns='{MAM}'>{form}{set}</query>");
        link.out.extend_from_slice(
            format!("<iq type='set' from='{who}' to='{JID}' id='{id}'>{query}</iq>").as_bytes(),
        );
        let started = Instant::now();
        let mut entries = 0;
        let mut end = None;
        while end.is_none() {
            ensure!(
                started.elapsed() < ANSWER_TIMEOUT,
                "no response to {query} of {who}"
            );
            link.flush()?;
            link.wait(true, ANSWER_TIMEOUT)?;
            let ledger = &mut self.flow.ledger;
            link.read(|stanza, out| {
                if stanza.attributes().id == id.as_bytes() {
                    end = Some(String::from_utf8_lossy(stanza.raw).into_owned());
                } else if stanza.name() == b"message"
                    && memchr::memmem::find(stanza.content, b"<result ").is_some()
                {
                    entries += 1;
                } else {
                    ledger.came(stanza, 0, out);
                }
            })?;
        }
        let took = started.elapsed();
        let end = end.unwrap_or_default();
        ensure!(end.contains("<fin "), "{query} of {who}: {end}");
        Ok(Page { took, entries, end })
    }

    /// Returns the archive id of a message by its number.
    fn id_of(&mut self, number: u64) -> Result<String> {
        let word = format!("m{number:08x}");
        ensure!(word.len() == ID_LEN, "no such message");
        let page = self.ask(ADMIN, &form(&word, ""), "<max>1</max>")?;
        let id = page
            .end
            .split_once("<last>")
            .and_then(|(_, rest)| rest.split_once("</last>"));
        Ok(id
            .with_context(|| format!("{word} is not found: {}", page.end))?
            .0
            .to_owned())
    }
}
