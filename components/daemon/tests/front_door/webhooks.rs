//! `check --connect`: whether anything listens at the webhooks of bots.

use std::io::Read;
use std::net::TcpListener;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::process::{campanile, end};
use crate::server::{self, Answer};

#[test]
fn webhook_that_cannot_be_reached_is_a_note() {
    let (server, _events) = server::start(&[Answer::Route]);
    let handler = TcpListener::bind("127.0.0.1:0").unwrap();
    let up = handler.local_addr().unwrap();
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for mut stream in handler.incoming().map_while(Result::ok) {
            let mut bytes = [0; 3];
            let count = stream.read(&mut bytes).unwrap();
            // The test may be over.
            let _ = sender.send(bytes[..count].to_vec());
        }
    });
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let down = unused.local_addr().unwrap();
    drop(unused);
    let configuration = format!(
        "[[component]]\njid = 'bridge.localhost'\naddress = '{server}'\nsecret = 'hunter2'\n\
         [component.json_bridge]\nwebhook = {{ url = 'http://{down}/any?key=hunter3' }}\n\
         outbox = false\n\
         [component.json_bridge.bots]\n\
         plain = {{ webhook = {{ url = 'http://{up}/hook' }} }}\n\
         same = {{ webhook = {{ url = 'http://{down}/other' }} }}\n\
         tls = {{ webhook = {{ url = 'https://{up}/hook' }} }}\n"
    );
    let (mut command, _folder) = campanile(&["check", "--config", "-", "--connect"]);
    let ended = end(&mut command, &configuration);
    let patience = Duration::from_secs(30);
    let mut received = [0; 2].map(|_| received.recv_timeout(patience).unwrap());
    received.sort();
    // Nothing, and the start of a TLS handshake.
    assert_eq!(received, [vec![], vec![0x16, 3, 1]]);
    let bridge = "bridge.localhost: note: json-bridge: ";
    let notes: Vec<_> = ended
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix(bridge))
        .collect();
    let [refused, closed] = notes[..] else {
        panic!("{}", ended.stdout)
    };
    assert_eq!(
        refused,
        format!(
            "nothing listens at http://{down}/other (bot same and 1 more); start its handler, or \
             correct `url`"
        )
    );
    let start = format!("cannot connect to https://{up}/hook (bot tls): ");
    assert!(closed.starts_with(&start), "{closed}");
    let fault = "FAULT: json-bridge";
    assert!(!ended.stdout.contains(fault), "{}", ended.stdout);
}
