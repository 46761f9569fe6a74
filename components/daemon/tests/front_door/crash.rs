//! The archive of a daemon that is killed at any moment: acknowledged messages are kept exactly
//! once, and erasures are completed.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::process::{Running, campanile, end};
use crate::stream::Stream;

const DOMAIN: &str = "logger.example.org";
/// Number of kills; `CAMPANILE_CRASHES` overrides it.
const CRASHES: u32 = 8;
/// Maximum number of messages without a reply.
const WINDOW: u32 = 1500;

fn configuration(listener: &TcpListener, store: &Path) -> String {
    let address = listener.local_addr().unwrap();
    let store = store.display();
    format!(
        "[[component]]\njid = '{DOMAIN}'\naddress = '{address}'\nsecret = 'hunter2'\n\
         [component.logger]\nstore = 'sqlite:{store}'\n"
    )
}

fn message(number: u32) -> String {
    format!(
        "<message from='user{}@example.org/r' to='{DOMAIN}' type='chat' \
        id='m{number}'><body>n{number} of the words that are \
         kept</body><request xmlns='urn:xmpp:receipts'/></message>",
        number % 50
    )
}

/// Counts the entries of each message number in the archive.
fn kept(store: &Path, configuration: &str) -> HashMap<u32, u32> {
    let (mut command, folder) = campanile(&["archive", "--config", "campanile.toml", "export"]);
    folder.write("campanile.toml", configuration);
    let ended = end(&mut command, "");
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{}",
        store.display()
    );
    let mut kept = HashMap::new();
    for line in ended.stdout.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        if entry["erased"] == true {
            continue;
        }
        let number = entry["body"].as_str().unwrap().split(' ').next().unwrap()[1..]
            .parse()
            .unwrap();
        *kept.entry(number).or_default() += 1;
    }
    kept
}

#[test]
fn acknowledged_messages_survive_a_kill() {
    let crashes = std::env::var("CAMPANILE_CRASHES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(CRASHES);
    let (_, folder) = campanile(&[]);
    let store = folder.path().join("logger.db");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let configuration = configuration(&listener, &store);
    let mut receipts = Vec::new();
    let mut sent = 0;
    let mut random = 0x9e37_79b9_u32;
    for crash in 0..crashes {
        let mut running = Running::start(&configuration, &[]);
        let mut stream = Stream::open(&listener, DOMAIN);
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // Kill it at a random moment after a number of receipts.
        let enough = (random >> 8) % 3000;
        let linger = Duration::from_micros(u64::from(random >> 12) % 20_000);
        let mut answered = 0;
        let first = sent;
        while answered < enough {
            while sent - first < answered + WINDOW {
                let text: String = (sent..sent + 100).map(message).collect();
                stream.write(&text);
                sent += 100;
            }
            assert!(
                stream.more(),
                "the daemon ended on its own in round {crash}"
            );
            let (new, errors) = stream.answers();
            answered += u32::try_from(new.len() + errors).unwrap();
            receipts.extend(new);
        }
        let until = Instant::now() + linger;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        running.kill();
        // Read everything written before the kill.
        while stream.more() {}
        receipts.extend(stream.answers().0);
        stream.close();
    }
    let kept = kept(&store, &configuration);
    let missing: Vec<_> = receipts
        .iter()
        .filter(|number| kept.get(number) != Some(&1))
        .collect();
    assert!(
        missing.is_empty(),
        "{} receipts, wrong in the archive: {missing:?}",
        receipts.len()
    );
    assert!(
        kept.values().all(|count| *count == 1),
        "an entry is in the archive twice"
    );
    assert!(
        receipts.len() > crashes as usize * 100,
        "too little load: {} receipts",
        receipts.len()
    );
    println!(
        "{crashes} kills, {sent} messages, {} receipts, {} kept",
        receipts.len(),
        kept.len()
    );
}

/// Returns those of the texts that occur in a file of the store, ignoring case.
fn found(store: &Path, texts: &[&'static str]) -> Vec<&'static str> {
    let files = std::fs::read_dir(store.parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = files.filter(|file| {
        file.to_string_lossy()
            .starts_with(&*store.to_string_lossy())
    });
    // A file may disappear after it was listed, as the write-ahead log does on shutdown.
    let bytes: Vec<u8> = files
        .filter_map(|file| std::fs::read(file).ok())
        .flatten()
        .collect();
    let bytes = bytes.to_ascii_lowercase();
    let holds = |text: &&&str| {
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    texts.iter().filter(holds).copied().collect()
}

#[test]
fn interrupted_erasure_is_completed_at_the_next_start() {
    const GONE: [&str; 5] = ["quixotry", "wombatish", "zephyrical", "secretary", "alicia"];
    let (_, folder) = campanile(&[]);
    let store = folder.path().join("logger.db");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let configuration = configuration(&listener, &store);
    let mut running = Running::start(&configuration, &[]);
    let mut stream = Stream::open(&listener, DOMAIN);
    let mut answered = 0;
    let count = 3000;
    for number in 0..count {
        stream.write(&format!(
            "<message from='alicia@example.org/r' to='{DOMAIN}' type='chat' \
            id='m{number}'><body>Quixotry WOMBATISH {number}</body>\
             <x xmlns='urn:x'>zephyrical secretary</x><request \
             xmlns='urn:xmpp:receipts'/></message>{}",
            message(1_000_000 + number)
        ));
        while number - answered / 2 > 500 {
            assert!(stream.more());
            answered += stream.answers().0.len() as u32;
        }
    }
    while answered < 2 * count {
        assert!(stream.more());
        answered += stream.answers().0.len() as u32;
    }
    let from = "from='alicia@example.org/r'";
    let say = |command: &str| {
        format!("<message {from} to='{DOMAIN}' type='chat' id='d'><body>{command}</body></message>")
    };
    stream.write(&say("!delete mine"));
    stream.until("send within 5 minutes: ");
    let command = stream.until("</body>");
    stream.write(&say(command.trim_end_matches("</body>")));
    // Writes are interleaved with the steps of an erasure: by then, only some entries are erased.
    for _ in 0..3 {
        let resume = "<body>!resume</body></message>";
        stream.write(&format!(
            "<message from='user0@example.org/r' to='{DOMAIN}' type='chat' id='r'>{resume}"
        ));
        stream.until("what you write is archived again.");
    }
    running.kill();
    stream.close();
    assert!(
        !found(&store, &GONE).is_empty(),
        "the erasure finished before the kill"
    );
    let mut running = Running::start(&configuration, &["--log-format", "json"]);
    let stream = Stream::open(&listener, DOMAIN);
    running.logs("that it is finished", |line| {
        line["message"] == "erasure completed"
    });
    assert_eq!(found(&store, &GONE), [""; 0]);
    running.signal("TERM");
    stream.close();
    running.end();
    let kept = kept(&store, &configuration);
    assert_eq!(
        kept.len(),
        count as usize,
        "messages of other users are kept"
    );
}
