//! The archive of a daemon that is killed at any moment: what was acknowledged is there, once; what
//! was not has no receipt; and who was promised to be forgotten is.

use std::collections::HashMap;
use std::net::TcpListener;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::process::{Running, campanile, end};
use crate::stream::Stream;

const DOMAIN: &str = "logger.example.org";
/// How often it is killed; `CAMPANILE_CRASHES` says otherwise.
const CRASHES: u32 = 8;
/// Messages without an answer at a time.
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

/// How often each number is in the archive.
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
fn what_was_acknowledged_survives_any_kill() {
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
        // After some receipts, and then some more time: in the middle of whatever it does then.
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
            assert!(stream.more(), "it ended by itself in round {crash}");
            let (new, errors) = stream.answers();
            answered += u32::try_from(new.len() + errors).unwrap();
            receipts.extend(new);
        }
        let until = Instant::now() + linger;
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        running.kill();
        // What it wrote before it died has come as well.
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
        "something is there twice"
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

/// Which of these texts are in some file of the store, whatever their case.
fn found(store: &Path, texts: &[&'static str]) -> Vec<&'static str> {
    let files = std::fs::read_dir(store.parent().unwrap())
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = files.filter(|file| {
        file.to_string_lossy()
            .starts_with(&*store.to_string_lossy())
    });
    // A file may go between two looks: the log does, at a clean end.
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
fn an_erasure_that_is_killed_is_finished_at_the_next_start() {
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
    stream.write(&format!(
        "<message {from} to='{DOMAIN}' type='chat' id='d'><body>!delete mine</body></message>"
    ));
    // What writes as well takes its turn between the steps: then some entries are erased, and some
    // are not.
    for _ in 0..3 {
        let resume = "<body>!resume</body></message>";
        stream.write(&format!(
            "<message from='user0@example.org/r' to='{DOMAIN}' type='chat' id='r'>{resume}"
        ));
        stream.until("what you write is kept.");
    }
    running.kill();
    stream.close();
    assert!(
        !found(&store, &GONE).is_empty(),
        "it was quicker than the kill"
    );
    let mut running = Running::start(&configuration, &["--log-format", "json"]);
    let stream = Stream::open(&listener, DOMAIN);
    running.logs("that it is finished", |line| {
        line["message"] == "an erasure is finished"
    });
    assert_eq!(found(&store, &GONE), [""; 0]);
    running.signal("TERM");
    stream.close();
    running.end();
    let kept = kept(&store, &configuration);
    assert_eq!(kept.len(), count as usize, "what others wrote stays");
}
