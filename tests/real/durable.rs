//! A receipt is sent only after the entry has been synced to disk, verified by strace.

use campanile_tests::{Daemon, RawServer};

const LOGGER: &str = "logger.localhost";
const MESSAGES: usize = 600;
/// Number of messages sent at once; they are committed in groups.
const BURST: usize = 150;
const CALLS: &str = "write,writev,sendto,sendmsg,pwrite64,fdatasync,fsync";

fn message(number: usize) -> String {
    format!(
        "<message from='alice@localhost/x' to='{LOGGER}' type='chat' \
        id='m{number}-'><body>word{number}</body>\
         <request xmlns='urn:xmpp:receipts'/></message>"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receipt_follows_fdatasync() {
    let server = RawServer::listen().await;
    let configuration = format!(
        "[[component]]\njid = \"{LOGGER}\"\naddress = \"{}\"\nsecret = \"a secret for tests\"\n\
         [component.logger]\nstore = \"sqlite:logger.db\"\n",
        server.address()
    );
    let mut daemon = Daemon::start_traced(&configuration, CALLS);
    let mut component = server.accept().await;
    for first in (0..MESSAGES).step_by(BURST) {
        component
            .write(&(first..first + BURST).map(message).collect::<String>())
            .await;
        for _ in 0..BURST {
            let receipt = component.next().await.expect("the stream is open");
            assert!(
                receipt.elements().any(|child| child.name == "received"),
                "{}",
                receipt.canonical()
            );
        }
    }
    daemon.signal("TERM");
    assert!(component.next().await.is_none());
    assert!(daemon.wait(campanile_tests::wait::TIMEOUT).await.success());

    let trace = Trace::read(&daemon.trace().await);
    for number in 0..MESSAGES {
        let kept = format!("<body>word{number}</body>");
        let sent = format!("id='m{number}-'");
        let kept = trace
            .kept
            .iter()
            .find(|(_, bytes)| bytes.contains(&kept))
            .map(|(at, _)| *at);
        let kept = kept.unwrap_or_else(|| panic!("message {number} is not in the write-ahead log"));
        let synced = *trace
            .synced
            .iter()
            .find(|at| **at > kept)
            .expect("the write-ahead log is synced");
        let sent = trace
            .sent
            .iter()
            .find(|(_, bytes)| bytes.contains(&sent))
            .map(|(at, _)| *at);
        let sent =
            sent.unwrap_or_else(|| panic!("the receipt of message {number} is not in the trace"));
        assert!(
            kept < synced && synced < sent,
            "message {number}: {kept} {synced} {sent}"
        );
    }
    println!(
        "{MESSAGES} receipts in {} writes, {} times fdatasync",
        trace.sent.len(),
        trace.synced.len()
    );
}

/// Relevant calls in the trace, with their line numbers.
#[derive(Default)]
struct Trace {
    /// Writes to the write-ahead log.
    kept: Vec<(usize, String)>,
    /// Completed syncs of the write-ahead log.
    synced: Vec<usize>,
    /// Writes to the server that contain receipts, when the call starts.
    sent: Vec<(usize, String)>,
}

impl Trace {
    fn read(lines: &[String]) -> Self {
        let mut trace = Self::default();
        // Threads in an unfinished sync call, which ends on another line.
        let mut syncing = Vec::new();
        for (at, line) in lines.iter().enumerate() {
            let (thread, call) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            let call = call.trim_start();
            let syncs = call.starts_with("fdatasync(") || call.starts_with("fsync(");
            if syncs && call.contains("logger.db-wal>") {
                match call.contains("<unfinished") {
                    true => syncing.push(thread),
                    false => trace.synced.push(at),
                }
            } else if call.starts_with("<... fdatasync resumed>")
                || call.starts_with("<... fsync resumed>")
            {
                if syncing.contains(&thread) {
                    syncing.retain(|other| *other != thread);
                    trace.synced.push(at);
                }
            } else if call.starts_with("pwrite64(") && call.contains("logger.db-wal>") {
                trace.kept.push((at, call.to_owned()));
            } else if call.contains("<received ") {
                trace.sent.push((at, call.to_owned()));
            }
        }
        trace
    }
}
