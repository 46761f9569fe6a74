//! A full disk: senders get an error, no receipt is false, and the logger recovers once space is
//! available.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use campanile_tests::folder::Folder;
use campanile_tests::raw_server::AttachedComponent;
use campanile_tests::tree::Tree;
use campanile_tests::{Daemon, RawServer, daemon};

const LOGGER: &str = "logger.localhost";
const BURST: usize = 50;

fn configuration(server: &RawServer, store: &str) -> String {
    format!(
        "[[component]]\njid = \"{LOGGER}\"\naddress = \"{}\"\nsecret = \"a secret for tests\"\n\
         [component.logger]\nstore = \"sqlite:{store}\"\n",
        server.address()
    )
}

/// A small tmpfs.
struct SmallDisk(Folder);

impl SmallDisk {
    /// Mounts the file system. Returns `None` if mounting is not permitted.
    fn mount(megabytes: u32) -> Option<Self> {
        let folder = Folder::new("disk");
        let size = format!("size={megabytes}m");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &size, "campanile-tests"])
            .arg(folder.path());
        mount
            .output()
            .is_ok_and(|output| output.status.success())
            .then_some(Self(folder))
    }

    fn grow(&self, megabytes: u32) {
        let size = format!("remount,size={megabytes}m");
        let grown = Command::new("mount")
            .args(["-o", &size])
            .arg(self.0.path())
            .status();
        assert!(
            grown.is_ok_and(|status| status.success()),
            "cannot enlarge the disk"
        );
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let gone = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .status();
        if !gone.is_ok_and(|status| status.success()) {
            eprintln!("could not unmount {}", self.0.path().display());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logger_recovers_from_full_disk() {
    let Some(disk) = SmallDisk::mount(4) else {
        println!("mounting is not permitted here; only the file size limit is tested");
        return;
    };
    let server = RawServer::listen().await;
    let configuration = configuration(&server, &disk.0.at("logger.db"));
    let daemon = Daemon::start(&configuration);
    fills_up_and_heals(&server, daemon, || disk.grow(64)).await;
}

/// The same without mounting: the process has a file size limit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logger_recovers_from_file_size_limit() {
    let folder = Folder::new("bounded");
    let server = RawServer::listen().await;
    let configuration = configuration(&server, &folder.at("logger.db"));
    // SIGXFSZ would kill the process.
    let mut daemon = Daemon::start_behind(
        &["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"],
        &configuration,
    );
    let pid = daemon.process().pid().to_string();
    let bound = move |bytes: &str| {
        let bounded = Command::new("prlimit")
            .args(["--pid", &pid, &format!("--fsize={bytes}:")])
            .status();
        assert!(
            bounded.is_ok_and(|status| status.success()),
            "cannot set the file size limit"
        );
    };
    bound("1000000");
    fills_up_and_heals(&server, daemon, || bound("unlimited")).await;
}

async fn fills_up_and_heals(server: &RawServer, mut daemon: Daemon, make_room: impl FnOnce()) {
    let mut component = server.accept().await;
    let mut replies = Replies::default();
    while replies.refused.len() < 3 * BURST {
        replies.send(&mut component, BURST).await;
        assert!(
            replies.next < 100_000,
            "the disk never fills up\n{}",
            daemon.output().tail()
        );
    }
    assert!(
        replies.kept.len() > BURST,
        "the disk is full from the start: {}",
        replies.kept.len()
    );
    check(&daemon, &replies);
    let full = replies.kept.len();
    make_room();
    let started = Instant::now();
    while replies.kept.len() < full + 3 * BURST {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "the logger does not recover\n{}",
            daemon.output().tail()
        );
        replies.send(&mut component, BURST).await;
    }
    check(&daemon, &replies);
    println!(
        "{} receipts, {} refusals",
        replies.kept.len(),
        replies.refused.len()
    );
    daemon.signal("TERM");
    assert!(component.next().await.is_none());
    assert!(daemon.wait(campanile_tests::wait::TIMEOUT).await.success());
}

/// Replies to senders, by message number.
#[derive(Default)]
struct Replies {
    next: usize,
    kept: BTreeSet<usize>,
    refused: BTreeSet<usize>,
}

impl Replies {
    /// Sends messages and waits for the reply to each.
    async fn send(&mut self, component: &mut AttachedComponent, count: usize) {
        let message = |number: usize| {
            // From different senders, because replies are limited per sender.
            format!(
                "<message from='u{number}@localhost/x' to='{LOGGER}' type='chat' \
                id='{number}'><body>n{number} {}</body>\
                 <request xmlns='urn:xmpp:receipts'/></message>",
                "of many words ".repeat(100)
            )
        };
        component
            .write(
                &(self.next..self.next + count)
                    .map(message)
                    .collect::<String>(),
            )
            .await;
        self.next += count;
        for _ in 0..count {
            let answer = component.next().await.expect("the stream is open");
            self.take(&answer);
        }
    }

    fn take(&mut self, answer: &Tree) {
        let number = answer
            .attribute("id")
            .parse()
            .unwrap_or_else(|_| panic!("{}", answer.canonical()));
        if answer.elements().any(|child| child.name == "received") {
            assert!(self.kept.insert(number), "{number} has two receipts");
            return;
        }
        let error = answer
            .elements()
            .find(|child| child.name == "error")
            .expect("a receipt or an error");
        let conditions: Vec<_> = error.elements().map(|child| child.name.as_str()).collect();
        assert_eq!(
            (error.attribute("type"), conditions),
            ("wait", vec!["resource-constraint", "text"])
        );
        let text = error
            .elements()
            .find(|child| child.name == "text")
            .map(Tree::text);
        assert_eq!(
            text.as_deref(),
            Some("the archive is unavailable; try again later")
        );
        assert!(self.refused.insert(number), "{number} has two errors");
    }
}

/// Asserts that every message with a receipt is archived exactly once, and no rejected one is.
fn check(daemon: &Daemon, replies: &Replies) {
    let mut export = Command::new(daemon::binary());
    export.args([
        "archive",
        "--config",
        &daemon.folder().at("campanile.toml"),
        "export",
    ]);
    let output = export.output().expect("it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let lines = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let body = |line: &str| {
        serde_json::from_str::<serde_json::Value>(line).ok()?["body"]
            .as_str()
            .map(str::to_owned)
    };
    let number = |line: &str| {
        body(line)?
            .strip_prefix('n')?
            .split(' ')
            .next()?
            .parse()
            .ok()
    };
    let there: Vec<usize> = lines
        .lines()
        .map(|line| number(line).expect("a test message"))
        .collect();
    let once: BTreeSet<usize> = there.iter().copied().collect();
    assert_eq!(once.len(), there.len(), "an entry is archived twice");
    assert_eq!(once, replies.kept);
}
