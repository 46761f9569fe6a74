//! The cost of reading a stanza from the stream, compared with rxml, which only produces events.
//!
//! `cargo bench --bench reader` prints nanoseconds (the best of several rounds) and, if valgrind is
//! installed, instructions per stanza.

#![allow(clippy::expect_used, reason = "benchmarks may panic")]

use std::hint::black_box;
use std::process::Command;
use std::time::Instant;

use campanile_stanza::reader::{Event, Reader};
use rxml::Parse;

const HEADER: &str = "<stream:stream xmlns='jabber:component:accept' \
    xmlns:stream='http://etherx.jabber.org/streams' id='1' from='echo.localhost'>";
/// The usual size of one read from a socket.
const CHUNK: usize = 16 * 1024;
const ROUNDS: usize = 200;

type Run = fn(&str, usize) -> usize;

const READERS: [(&str, Run); 2] = [("reader", reader), ("rxml", rxml)];

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, name, scenario, times] = &arguments[..] {
        // Under valgrind: one reader and one scenario, repeated.
        let run = READERS
            .iter()
            .find(|(known, _)| known == name)
            .expect("the reader must exist")
            .1;
        run(
            &scenarios(scenario),
            times.parse().expect("the repetitions must be a number"),
        );
        return;
    }
    println!(
        "{:<8} {:<10} {:>6} {:>10} {:>14}",
        "reader", "stanza", "bytes", "ns", "instructions"
    );
    for scenario in ["chat", "chat-3", "body-4k", "typing", "iq", "prefixed"] {
        let stanza = scenarios(scenario);
        for (name, run) in READERS {
            let nanoseconds = nanoseconds(run, &stanza);
            let instructions =
                instructions(name, scenario).map_or("-".to_owned(), |count| count.to_string());
            println!(
                "{name:<8} {scenario:<10} {:>6} {nanoseconds:>10.0} {instructions:>14}",
                stanza.len()
            );
        }
    }
}

fn scenarios(name: &str) -> String {
    let message = |children: &str| {
        format!(
            "<message from='alice@localhost/r' to='bot@echo.localhost' id='a1b2' \
            type='chat'>{children}</message>"
        )
    };
    match name {
        "chat" => message(
            "<body>hello there</body><active xmlns='http://jabber.org/protocol/chatstates'/>",
        ),
        "chat-3" => message(
            "<active xmlns='http://jabber.org/protocol/chatstates'/><request \
            xmlns='urn:xmpp:receipts'/>\
             <body>hello there</body>",
        ),
        "body-4k" => message(&format!(
            "<body>{}</body>",
            "the quick brown fox ".repeat(205)
        )),
        "typing" => message(&format!(
            "<body>{}</body>",
            "über die Brücke – jetzt. ".repeat(8)
        )),
        "iq" => "<iq from='alice@localhost/r' to='echo.localhost' id='disco-77' type='get'>\
             <query xmlns='http://jabber.org/protocol/disco#info'/></iq>"
            .to_owned(),
        "prefixed" => message("<c:body xmlns:c='jabber:component:accept'>hello there</c:body>"),
        other => panic!("unknown scenario: {other}"),
    }
}

/// Returns the time per stanza in the best round, because other processes can only make a round
/// slower.
fn nanoseconds(run: Run, stanza: &str) -> f64 {
    // Rounds are short, so that some of them run undisturbed on a busy machine.
    let times = 400_000 / stanza.len();
    let round = || {
        let start = Instant::now();
        black_box(run(black_box(stanza), times));
        start.elapsed().as_nanos() as f64 / times as f64
    };
    (0..ROUNDS).map(|_| round()).fold(f64::INFINITY, f64::min)
}

/// Returns the instructions per stanza, from the difference of two runs under valgrind, so that
/// setup and teardown do not count.
fn instructions(name: &str, scenario: &str) -> Option<u64> {
    let count = |times: u64| {
        let out = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe().ok()?)
            .args([name, scenario, &times.to_string()])
            .output()
            .ok()?;
        let log = String::from_utf8_lossy(&out.stderr).into_owned();
        log.lines()
            .find_map(|line| line.split_once("Collected :")?.1.trim().parse::<u64>().ok())
    };
    Some((count(2000)? - count(1000)?) / 1000)
}

fn reader(stanza: &str, times: usize) -> usize {
    let mut reader = Reader::default();
    let mut found = 0;
    feed(stanza, times, |chunk| {
        reader.buffer().extend_from_slice(chunk);
        while let Some(event) = reader.next().expect("well-formed") {
            found += usize::from(matches!(black_box(event), Event::Stanza(_)));
        }
    });
    assert_eq!(found, times);
    found
}

fn rxml(stanza: &str, times: usize) -> usize {
    let mut parser = rxml::Parser::default();
    let mut events = 0;
    feed(stanza, times, |mut chunk| {
        while let Ok(Some(event)) = parser.parse(&mut chunk, false) {
            events += usize::from(matches!(black_box(event), rxml::Event::EndElement(_)));
        }
    });
    events
}

/// Passes the header and `times` stanzas to `give`, in chunks like those of a socket.
fn feed(stanza: &str, times: usize, mut give: impl FnMut(&[u8])) {
    give(HEADER.as_bytes());
    let repeat = CHUNK.div_ceil(stanza.len()) + 1;
    let block = stanza.repeat(repeat);
    let mut left = times * stanza.len();
    let mut at = 0;
    while left > 0 {
        let length = CHUNK.min(left);
        give(&block.as_bytes()[at..at + length]);
        left -= length;
        at = (at + length) % stanza.len();
    }
}
