//! `check --connect`: reachability of a component from other servers.

use std::net::{SocketAddr, UdpSocket};

use crate::process::{campanile, end};
use crate::server::{self, Answer};

/// Behavior of a DNS server.
#[derive(Debug, Clone, Copy)]
enum Dns {
    /// Never responds.
    Silence,
    /// Responds with NXDOMAIN to every query.
    NoSuchName,
    /// Returns this address for each name, and no SRV record.
    Address([u8; 4]),
    /// Returns an SRV record with this port of `xmpp.example.org`, which has this address.
    Service(u16, [u8; 4]),
}

/// Starts a DNS server on loopback; it ends with the test process.
fn dns(says: Dns) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((length, from)) = socket.recv_from(&mut question) {
            if let Some(answer) = answer(&question[..length], says) {
                // The client may have closed its socket.
                let _ = socket.send_to(&answer, from);
            }
        }
    });
    address
}

fn answer(question: &[u8], says: Dns) -> Option<Vec<u8>> {
    let kind = question[question.len() - 3];
    let text = String::from_utf8_lossy(question).into_owned();
    let data = match (says, kind) {
        (Dns::Silence, _) => return None,
        (Dns::Address(address), 1) => Some(address.to_vec()),
        (Dns::Service(_, address), 1) if text.contains("\u{4}xmpp\u{7}example") => {
            Some(address.to_vec())
        }
        (Dns::Service(port, _), 33) if text.contains("_xmpp-server") => {
            let [high, low] = port.to_be_bytes();
            let target = b"\x04xmpp\x07example\x03org\x00";
            Some([&[0, 0, 0, 5, high, low], target.as_slice()].concat())
        }
        _ => None,
    };
    let mut bytes = question.to_vec();
    bytes[2] |= 0x80;
    bytes[3] = if matches!(says, Dns::NoSuchName) {
        3
    } else {
        0
    };
    if let Some(data) = data {
        bytes[7] = 1;
        // The queried name, its type, class, and a time to live.
        bytes.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        bytes.extend(data);
    }
    Some(bytes)
}

#[test]
fn check_reports_why_other_servers_cannot_connect() {
    let cases = [
        (
            Dns::NoSuchName,
            "DNS has no address for echo.example.org, and no _xmpp-server._tcp.echo.example.org",
        ),
        (
            Dns::Address([127, 0, 0, 1]),
            "DNS resolves echo.example.org to loopback",
        ),
        (
            Dns::Service(1, [127, 0, 0, 1]),
            "DNS resolves xmpp.example.org to loopback",
        ),
        (
            Dns::Service(5269, [192, 0, 2, 1]),
            "nothing answers at xmpp.example.org:5269, its address in DNS",
        ),
        (
            Dns::Silence,
            "reachability from other servers is unknown: the DNS server ",
        ),
    ];
    let (address, _events) = server::start(&[Answer::Mount]);
    for (says, words) in cases {
        let resolver = dns(says).to_string();
        let (mut command, _folder) = campanile(&[
            "check",
            "--config",
            "-",
            "--connect",
            "--resolver",
            &resolver,
        ]);
        let configuration = format!(
            "[[component]]\njid = 'echo.example.org'\naddress = '{address}'\nsecret = \
            'hunter2'\n[component.echo]\n"
        );
        let ended = end(&mut command, &configuration);
        assert!(
            ended.stdout.contains("echo.example.org: note: "),
            "{says:?}: {}",
            ended.stdout
        );
        assert!(ended.stdout.contains(words), "{says:?}: {}", ended.stdout);
        let line = "        _xmpp-server._tcp.echo.example.org. 3600 IN SRV 0 5 5269 example.org.";
        assert_eq!(
            ended.stdout.contains(line),
            !matches!(says, Dns::Silence),
            "{says:?}: {}",
            ended.stdout
        );
    }
}
