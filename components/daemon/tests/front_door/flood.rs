//! `campanile run` under load: memory with a server that does not read, and a shutdown without
//! unanswered requests.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::process::Running;

const DOMAIN: &str = "echo.example.org";
/// Limit on resident memory.
const MOST_KIB: u64 = 64 * 1024;

fn start(listener: &TcpListener) -> Running {
    let address = listener.local_addr().unwrap();
    let configuration = format!(
        "[[component]]\njid = '{DOMAIN}'\naddress = '{address}'\nsecret = \
        'hunter2'\n[component.echo]\n\
         [component.limits]\nback_off = ['100ms', '200ms']\nslow_retry = ['1s', '1s']\n"
    );
    Running::start(&configuration, &["--log-format", "json"])
}

/// Opens the server's side of one stream. Reads and writes time out after one second.
fn opened(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut read = Vec::new();
    read_until(&mut stream, &mut read, "to='echo.example.org'>");
    let header = "<stream:stream xmlns='jabber:component:accept' \
        xmlns:stream='http://etherx.jabber.org/streams' \
        from='echo.example.org' id='3BF96D32'>";
    stream.write_all(header.as_bytes()).unwrap();
    read_until(&mut stream, &mut read, "</handshake>");
    stream.write_all(b"<handshake/>").unwrap();
    stream
}

/// Reads until the data ends with `end`.
fn read_until(stream: &mut TcpStream, read: &mut Vec<u8>, end: &str) {
    while !read.ends_with(end.as_bytes()) {
        let mut byte = [0];
        match stream.read(&mut byte) {
            Ok(0) => panic!("connection closed: {}", String::from_utf8_lossy(read)),
            Ok(_) => read.push(byte[0]),
            Err(error) if is_timeout(&error) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    // A process that is stopped and continued gets EINTR from a read with a timeout.
    matches!(
        error.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}

fn chat(number: usize) -> String {
    let sender = number % 10_000;
    let localpart = number % 9_973;
    format!(
        "<message from='user{sender}@evil.example/r' to='bot{localpart}@{DOMAIN}' type='chat' \
        id='{number}'>\
         <body>number {number} {}</body></message>",
        "x".repeat(400)
    )
}

/// Writes a text, however long the component takes to read it.
fn write_whole(stream: &mut TcpStream, text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match stream.write(rest) {
            Ok(count) => rest = &rest[count..],
            Err(error) if is_timeout(&error) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Writes messages until the deadline. Returns `false` if the component disconnects.
fn flood(
    stream: &mut TcpStream,
    numbers: &mut impl Iterator<Item = usize>,
    deadline: Instant,
) -> bool {
    while Instant::now() < deadline {
        let batch: String = numbers.by_ref().take(100).map(chat).collect();
        let mut rest = batch.as_bytes();
        while !rest.is_empty() && Instant::now() < deadline {
            match stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if is_timeout(&error) => {}
                Err(_) => return false,
            }
        }
        if !rest.is_empty() {
            return true;
        }
    }
    true
}

#[test]
fn memory_stays_bounded_while_a_server_does_not_read_for_a_minute() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut running = start(&listener);
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut numbers = 0..;
    let mut streams = 0;
    // Half a minute without write progress counts as a dead link, so there is more than one stream.
    while Instant::now() < deadline {
        let mut stream = opened(&listener);
        streams += 1;
        flood(&mut stream, &mut numbers, deadline);
    }
    let stalled = running.peak_kib();
    // The component reconnects, and the server reads again.
    let mut stream = opened(&listener);
    let ping = "<iq from='a@b/r' to='echo.example.org' id='q1' type='get'><ping \
        xmlns='urn:xmpp:ping'/></iq>";
    stream.write_all(ping.as_bytes()).unwrap();
    let mut read = Vec::new();
    read_until(
        &mut stream,
        &mut read,
        "<iq from='echo.example.org' to='a@b/r' id='q1' type='result'/>",
    );
    println!(
        "{} messages written on {streams} unread streams: peak {stalled} KiB, afterwards {} KiB",
        numbers.start,
        running.peak_kib()
    );
    assert!(running.peak_kib() <= MOST_KIB, "{} KiB", running.peak_kib());
    running.signal("TERM");
    read_until(&mut stream, &mut read, "</stream:stream>");
    stream.write_all(b"</stream:stream>").unwrap();
    assert_eq!(running.end().code, Some(0));
}

/// More is read than may be sent, by default 1 MiB and 512 KiB.
#[test]
fn echo_that_is_too_large_is_a_fault_of_its_sender() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut running = start(&listener);
    let mut stream = opened(&listener);
    let body = "x".repeat(700 * 1024);
    let message = format!(
        "<message from='a@b/r' to='{DOMAIN}' type='chat' id='m1'><body>{body}</body></message>"
    );
    write_whole(&mut stream, &message);
    let mut read = Vec::new();
    read_until(&mut stream, &mut read, "</message>");
    let error = "<message from='echo.example.org' to='a@b/r' id='m1' type='error'>\
        <error type='modify'><policy-violation \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
    assert!(String::from_utf8(read).unwrap().ends_with(error));
    running.signal("TERM");
    read_until(&mut stream, &mut Vec::new(), "</stream:stream>");
    write_whole(&mut stream, "</stream:stream>");
    let ended = running.end();
    assert!(!ended.stderr.contains("ERROR"), "{}", ended.stderr);
}

/// Every request read by the component is answered; requests after its closing tag are counted.
#[test]
fn shutdown_under_load_answers_every_request() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut running = start(&listener);
    let mut stream = opened(&listener);
    let mut writing = stream.try_clone().unwrap();
    let (closed, is_closed) = std::sync::mpsc::channel::<()>();
    let asking = std::thread::spawn(move || {
        let mut asked = 0;
        // Continues after the closing tag, as a server does that has not read it yet.
        while is_closed.try_recv().is_err() {
            let batch: String = (asked..asked + 50)
                .map(|n| {
                    format!(
                        "<iq from='user{}@b/r' to='{DOMAIN}' id='n{n}' type='get'><ping \
                        xmlns='urn:xmpp:ping'/></iq>",
                        n % 20
                    )
                })
                .collect();
            write_whole(&mut writing, &batch);
            asked += 50;
        }
        write_whole(&mut writing, "</stream:stream>");
        asked
    });
    let mut read = Vec::new();
    let mut is_stopping = false;
    while !read.ends_with(b"</stream:stream>") {
        let mut chunk = [0; 65536];
        match stream.read(&mut chunk) {
            Ok(0) => panic!("the stream was not closed"),
            Ok(count) => read.extend_from_slice(&chunk[..count]),
            Err(error) => assert!(is_timeout(&error), "{error}"),
        }
        // About ten thousand replies.
        if !is_stopping && read.len() > 700_000 {
            running.signal("TERM");
            is_stopping = true;
        }
    }
    closed.send(()).unwrap();
    let asked = asking.join().unwrap();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let late: usize = ended
        .stderr
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|event| {
            event["message"]
                .as_str()
                .is_some_and(|text| text.contains("after the stream was closed"))
        })
        .filter_map(|event| event["requests"].as_u64())
        .map(|count| usize::try_from(count).unwrap())
        .sum();
    let text = String::from_utf8(read).unwrap();
    let answers: Vec<_> = text
        .split("id='n")
        .skip(1)
        .map(|rest| rest.split_once('\'').unwrap().0)
        .collect();
    let different: std::collections::HashSet<_> = answers.iter().collect();
    println!(
        "{asked} requests, {} replies, {late} after the closing tag",
        answers.len()
    );
    assert_eq!(answers.len(), different.len(), "answered twice");
    assert_eq!(asked - answers.len(), late, "{}", ended.stderr);
}
