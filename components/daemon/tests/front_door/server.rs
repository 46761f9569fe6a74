//! A scripted XMPP server for components, on a free loopback port.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Behavior on a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Answer {
    /// Refuses the stream header with an empty id, as Prosody does for an unknown domain.
    HostUnknown,
    /// Answers the handshake with a stream error.
    Refuse(&'static str),
    /// Accepts the handshake, reads everything, and answers the closing tag.
    Mount,
    /// As `Mount`, and sends this stanza with the id `q1` at once; the reply is an event.
    Ask(&'static str),
    /// As `Mount`, and returns everything to the component, such as its pings to itself.
    Route,
    /// As `Mount`, but never answers the closing tag.
    Hold,
}

/// An event on a connection.
#[derive(Debug)]
pub(crate) enum Event {
    /// The answer has been written.
    Answered(Instant),
    /// The component's output up to the reply to `q1`.
    Said(String),
    /// The component's further output, up to the end of its stream or connection.
    Ended(String),
}

/// Starts a server that answers connections in turn; the last answer repeats.
pub(crate) fn start(answers: &'static [Answer]) -> (SocketAddr, Receiver<Event>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    (address, serve(listener, answers))
}

/// As [`start`], on an existing listener.
pub(crate) fn serve(listener: TcpListener, answers: &'static [Answer]) -> Receiver<Event> {
    let (events, happened) = channel();
    std::thread::spawn(move || {
        let last = *answers.last().expect("at least one answer");
        let answers = answers.iter().copied().chain(std::iter::repeat(last));
        for (stream, answer) in listener.incoming().map_while(Result::ok).zip(answers) {
            let events = events.clone();
            std::thread::spawn(move || {
                let ended = connection(stream, answer, &events);
                // The test may be over.
                let _ = events.send(Event::Ended(ended));
            });
        }
    });
    happened
}

/// Waits until an answer has been written, and returns the time.
pub(crate) fn answered(events: &Receiver<Event>) -> Instant {
    loop {
        match events
            .recv_timeout(Duration::from_secs(20))
            .expect("the component connects")
        {
            Event::Answered(at) => return at,
            Event::Ended(_) | Event::Said(_) => {}
        }
    }
}

/// Waits until a component has closed its stream, and returns its output since the answer.
pub(crate) fn ended(events: &Receiver<Event>) -> String {
    loop {
        match events
            .recv_timeout(Duration::from_secs(20))
            .expect("the component closes")
        {
            Event::Ended(bytes) => return bytes,
            Event::Answered(_) | Event::Said(_) => {}
        }
    }
}

/// Waits for the reply to `q1`, and returns it.
pub(crate) fn said(events: &Receiver<Event>) -> String {
    loop {
        match events
            .recv_timeout(Duration::from_secs(20))
            .expect("the component answers")
        {
            Event::Said(text) => return text,
            Event::Answered(_) | Event::Ended(_) => {}
        }
    }
}

fn connection(
    mut stream: TcpStream,
    answer: Answer,
    events: &std::sync::mpsc::Sender<Event>,
) -> String {
    const HEADER: &str = "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
        xmlns:stream='http://etherx.jabber.org/streams'";
    const CONDITIONS: &str = "xmlns='urn:ietf:params:xml:ns:xmpp-streams'";
    let mut read = String::new();
    read_until(&mut stream, &mut read, |text| {
        text.contains("<stream:stream") && text.ends_with('>')
    });
    let refuse = |condition| {
        format!("<stream:error><{condition} {CONDITIONS}/></stream:error></stream:stream>")
    };
    if matches!(answer, Answer::HostUnknown) {
        send(
            &mut stream,
            &format!("{HEADER} version='1.0' id=''>{}", refuse("host-unknown")),
        );
        let _ = events.send(Event::Answered(Instant::now()));
        return String::new();
    }
    send(&mut stream, &format!("{HEADER} from='x' id='3BF96D32'>"));
    read.clear();
    read_until(&mut stream, &mut read, |text| {
        text.ends_with("</handshake>")
    });
    let (words, hold) = match answer {
        Answer::Refuse(condition) => (refuse(condition), false),
        Answer::Ask(stanza) => (format!("<handshake/>{stanza}"), false),
        Answer::Hold => ("<handshake/>".to_owned(), true),
        _ => ("<handshake/>".to_owned(), false),
    };
    send(&mut stream, &words);
    let _ = events.send(Event::Answered(Instant::now()));
    read.clear();
    if matches!(answer, Answer::Ask(_)) {
        read_until(&mut stream, &mut read, |text| {
            // A ping of the component to itself may follow at once.
            text.split_once(" id='q1'")
                .is_some_and(|(_, rest)| rest.contains("/>") || rest.contains("</message>"))
        });
        let _ = events.send(Event::Said(read.clone()));
    }
    if matches!(answer, Answer::Route) {
        send_back(&mut stream, &mut read);
    }
    read_until(&mut stream, &mut read, |text| {
        !hold && text.ends_with("</stream:stream>")
    });
    send(&mut stream, "</stream:stream>");
    read
}

/// Reads until `enough` is satisfied, or the connection ends.
fn read_until(stream: &mut TcpStream, text: &mut String, enough: impl Fn(&str) -> bool) {
    let mut chunk = [0; 4096];
    while !enough(text) {
        match stream.read(&mut chunk) {
            Ok(count) if count > 0 => text.push_str(&String::from_utf8_lossy(&chunk[..count])),
            _ => return,
        }
    }
}

/// Returns everything to the component, until the closing tag or the end of the connection.
fn send_back(stream: &mut TcpStream, text: &mut String) {
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut chunk) {
        text.push_str(&String::from_utf8_lossy(&chunk[..count]));
        if text.ends_with("</stream:stream>") {
            return;
        }
        let _ = stream.write_all(&chunk[..count]);
    }
}

/// Sends a text; the component may have disconnected already.
fn send(stream: &mut TcpStream, text: &str) {
    let _ = stream.write_all(text.as_bytes());
}
