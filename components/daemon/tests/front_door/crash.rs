//! The archive of a daemon that is killed at any moment, and of one whose disk is full: what was acknowledged is there,
//! once; what was not has no receipt.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::process::{Running, campanile, end};

const DOMAIN: &str = "logger.example.org";
/// How often it is killed; `CAMPANILE_CRASHES` says otherwise.
const CRASHES: u32 = 8;
/// Messages without an answer at a time.
const WINDOW: u32 = 1500;

fn configuration(listener: &TcpListener, store: &Path) -> String {
    let (address, store) = (listener.local_addr().unwrap(), store.display());
    format!(
        "[[component]]\njid = '{DOMAIN}'\naddress = '{address}'\nsecret = 'hunter2'\n\
         [component.logger]\nstore = 'sqlite:{store}'\n"
    )
}

/// The server's side of one stream.
struct Stream {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Stream {
    fn open(listener: &TcpListener) -> Self {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut this = Self { stream, read: Vec::new() };
        this.until(&format!("to='{DOMAIN}'>"));
        this.write(
            "<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' id='1'>",
        );
        this.until("</handshake>");
        this.write("<handshake/>");
        this
    }

    fn write(&mut self, text: &str) {
        // It may have been killed.
        let _ = self.stream.write_all(text.as_bytes());
    }

    /// What comes up to this, which is taken as well.
    fn until(&mut self, end: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let found = self.read.windows(end.len()).position(|window| window == end.as_bytes());
            if let Some(at) = found {
                let taken = self.read.drain(..at + end.len()).collect();
                return String::from_utf8(taken).unwrap();
            }
            assert!(self.more() && Instant::now() < deadline, "no {end} in {}", String::from_utf8_lossy(&self.read));
        }
    }

    /// Reads what is there; false when nothing more will come.
    fn more(&mut self) -> bool {
        let mut chunk = [0; 65_536];
        match self.stream.read(&mut chunk) {
            Ok(count) if count > 0 => self.read.extend_from_slice(&chunk[..count]),
            _ => return false,
        }
        true
    }

    /// The numbers of the receipts, and of the errors, that have come whole.
    fn answers(&mut self) -> (Vec<u32>, usize) {
        let text = String::from_utf8_lossy(&self.read).into_owned();
        let Some(end) = text.rfind("</message>") else { return (Vec::new(), 0) };
        let whole = &text[..end + "</message>".len()];
        self.read.drain(..whole.len());
        let receipts = whole.split("<received ").skip(1);
        let number = |text: &str| text.split("id='m").nth(1)?.split('\'').next()?.parse().ok();
        (receipts.filter_map(number).collect(), whole.matches("type='error'").count())
    }
}

fn message(number: u32) -> String {
    format!(
        "<message from='user{}@example.org/r' to='{DOMAIN}' type='chat' id='m{number}'><body>n{number} of the words that are \
         kept</body><request xmlns='urn:xmpp:receipts'/></message>",
        number % 50
    )
}

/// How often each number is in the archive.
fn kept(store: &Path, configuration: &str) -> HashMap<u32, u32> {
    let (mut command, folder) = campanile(&["log", "--config", "campanile.toml", "export"]);
    folder.write("campanile.toml", configuration);
    let ended = end(&mut command, "");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{}", store.display());
    let mut kept = HashMap::new();
    for line in ended.stdout.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let number = entry["body"].as_str().unwrap().split(' ').next().unwrap()[1..].parse().unwrap();
        *kept.entry(number).or_default() += 1;
    }
    kept
}

#[test]
fn what_was_acknowledged_survives_any_kill() {
    let crashes = std::env::var("CAMPANILE_CRASHES").ok().and_then(|text| text.parse().ok()).unwrap_or(CRASHES);
    let (_, folder) = campanile(&[]);
    let store = folder.path().join("logger.db");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let configuration = configuration(&listener, &store);
    let (mut receipts, mut sent, mut random) = (Vec::new(), 0, 0x9e37_79b9_u32);
    for crash in 0..crashes {
        let mut running = Running::start(&configuration, &[]);
        let mut stream = Stream::open(&listener);
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // After some receipts, and then some more time: in the middle of whatever it does then.
        let (enough, linger) = ((random >> 8) % 3000, Duration::from_micros(u64::from(random >> 12) % 20_000));
        let (mut answered, first) = (0, sent);
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
        let _ = stream.stream.shutdown(Shutdown::Both);
    }
    let kept = kept(&store, &configuration);
    let missing: Vec<_> = receipts.iter().filter(|number| kept.get(number) != Some(&1)).collect();
    assert!(missing.is_empty(), "{} receipts, wrong in the archive: {missing:?}", receipts.len());
    assert!(kept.values().all(|count| *count == 1), "something is there twice");
    assert!(receipts.len() > crashes as usize * 100, "too little load: {} receipts", receipts.len());
    println!("{crashes} kills, {sent} messages, {} receipts, {} kept", receipts.len(), kept.len());
}
