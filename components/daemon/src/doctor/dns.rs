//! A minimal DNS client for SRV and address records (RFC 1035, RFC 2782).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::timeout;

const A: u16 = 1;
const AAAA: u16 = 28;
const SRV: u16 = 33;
const INTERNET: u16 = 1;
/// Largest response over UDP. A truncated response still has more records than needed.
const LARGEST: usize = 4096;
const TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum number of compression pointers in a name; more are taken for a loop.
const JUMPS: usize = 16;

/// Location of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Service {
    pub(super) target: String,
    pub(super) port: u16,
}

/// A DNS server to query.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resolver(pub(super) SocketAddr);

impl Resolver {
    /// Returns the first server of `/etc/resolv.conf`.
    pub(super) fn of_this_machine() -> Option<Self> {
        let text = std::fs::read_to_string("/etc/resolv.conf").ok()?;
        let server = |line: &str| {
            line.strip_prefix("nameserver")?
                .trim()
                .parse::<IpAddr>()
                .ok()
        };
        text.lines()
            .find_map(server)
            .map(|address| Self(SocketAddr::new(address, 53)))
    }

    /// Looks up the locations of a service; an empty list means that it does not exist.
    ///
    /// Returns `None` if the server does not answer.
    pub(super) async fn services(self, name: &str) -> Option<Vec<Service>> {
        let records = self.ask(name, SRV).await?;
        Some(
            records
                .iter()
                .filter_map(|record| record.service())
                .collect(),
        )
    }

    /// Looks up the addresses of a name.
    pub(super) async fn addresses(self, name: &str) -> Option<Vec<IpAddr>> {
        let (four, six) = tokio::join!(self.ask(name, A), self.ask(name, AAAA));
        let records = [four?, six?].concat();
        Some(records.iter().filter_map(Record::address).collect())
    }

    async fn ask(self, name: &str, kind: u16) -> Option<Vec<Record>> {
        let question = question(name, kind)?;
        let any: SocketAddr = match self.0 {
            SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
            SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
        };
        let answer = timeout(TIMEOUT, async {
            let socket = UdpSocket::bind(any).await.ok()?;
            socket.connect(self.0).await.ok()?;
            socket.send(&question).await.ok()?;
            let mut answer = vec![0; LARGEST];
            loop {
                let length = socket.recv(&mut answer).await.ok()?;
                let answer = answer.get(..length)?;
                if answer.get(..2) == question.get(..2) {
                    return Some(answer.to_vec());
                }
            }
        });
        records(&answer.await.ok()??)
    }
}

/// One record of a response.
#[derive(Debug, Clone)]
struct Record {
    kind: u16,
    data: Vec<u8>,
    /// The target of an SRV record. Decoded here, since it may point anywhere into the response.
    target: Option<String>,
}

impl Record {
    fn service(&self) -> Option<Service> {
        let port = u16::from_be_bytes(self.data.get(4..6)?.try_into().ok()?);
        // RFC 2782: a target of "." means that the service is not available.
        let target = self.target.clone().filter(|target| !target.is_empty())?;
        (self.kind == SRV).then_some(Service { target, port })
    }

    fn address(&self) -> Option<IpAddr> {
        match self.kind {
            A => <[u8; 4]>::try_from(self.data.as_slice())
                .ok()
                .map(IpAddr::from),
            AAAA => <[u8; 16]>::try_from(self.data.as_slice())
                .ok()
                .map(IpAddr::from),
            _ => None,
        }
    }
}

/// Returns a recursive query for one name, or `None` if it is not a DNS name.
fn question(name: &str, kind: u16) -> Option<Vec<u8>> {
    // The id need not be unguessable: a forged response only makes a note wrong.
    let id = std::process::id() as u16 ^ kind.rotate_left(8) ^ name.len() as u16;
    let mut bytes = Vec::from(id.to_be_bytes());
    bytes.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| (1..64).contains(length))?;
        bytes.push(length);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(INTERNET.to_be_bytes());
    Some(bytes)
}

/// Parses the records of a response; an unknown name has none.
///
/// Returns `None` if the response is malformed, or reports a server failure.
fn records(answer: &[u8]) -> Option<Vec<Record>> {
    let word = |at: usize| Some(u16::from_be_bytes(answer.get(at..at + 2)?.try_into().ok()?));
    match word(2)? & 0x0f {
        0 => {}
        // NXDOMAIN
        3 => return Some(Vec::new()),
        _ => return None,
    }
    let questions = word(4)?;
    let count = word(6)?;
    let mut at = 12;
    for _ in 0..questions {
        at = skip(answer, at)? + 4;
    }
    let mut found = Vec::new();
    for _ in 0..count {
        at = skip(answer, at)?;
        let kind = word(at)?;
        let length = usize::from(word(at + 8)?);
        at += 10;
        let data = answer.get(at..at + length)?.to_vec();
        let target = (kind == SRV).then(|| name(answer, at + 6)).flatten();
        found.push(Record { kind, data, target });
        at += length;
    }
    Some(found)
}

/// Returns the offset after a name.
fn skip(answer: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *answer.get(at)? {
            0 => return Some(at + 1),
            // A compression pointer ends the name.
            length if length >= 0xc0 => return Some(at + 2),
            length => at += usize::from(length) + 1,
        }
    }
}

fn name(answer: &[u8], mut at: usize) -> Option<String> {
    let mut labels = Vec::new();
    let mut jumps = 0;
    loop {
        match usize::from(*answer.get(at)?) {
            0 => return Some(labels.join(".")),
            length if length >= 0xc0 => {
                at = (length & 0x3f) << 8 | usize::from(*answer.get(at + 1)?);
                jumps += 1;
                if jumps > JUMPS {
                    return None;
                }
            }
            length => {
                labels.push(
                    String::from_utf8_lossy(answer.get(at + 1..at + 1 + length)?).into_owned(),
                );
                at += length + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a response with these records, all for the queried name.
    fn answer(code: u8, kind: u16, data: &[&[u8]]) -> Vec<u8> {
        let mut bytes = question("_xmpp-server._tcp.echo.example.org", kind).unwrap();
        bytes[3] = code;
        bytes[7] = data.len() as u8;
        for data in data {
            bytes.extend([0xc0, 12]);
            bytes.extend(kind.to_be_bytes());
            bytes.extend([0, 1, 0, 0, 1, 0, 0, data.len() as u8]);
            bytes.extend(*data);
        }
        bytes
    }

    #[test]
    fn srv_and_address_records_are_parsed() {
        // Priority 0, weight 5, port 5269; the target ends with a pointer to the "example.org" of
        // the question, at byte 35.
        let srv = answer(
            0,
            SRV,
            &[
                &[0, 0, 0, 5, 0x14, 0x95, 4, b'x', b'm', b'p', b'p', 0xc0, 35],
                &[0, 0, 0, 0, 0, 0, 0],
            ],
        );
        let found: Vec<_> = records(&srv)
            .unwrap()
            .iter()
            .filter_map(Record::service)
            .collect();
        assert_eq!(
            found,
            [Service {
                target: "xmpp.example.org".to_owned(),
                port: 5269
            }]
        );
        let a = answer(0, A, &[&[192, 0, 2, 7]]);
        assert_eq!(
            records(&a).unwrap()[0].address(),
            Some(IpAddr::from([192, 0, 2, 7]))
        );
        assert!(records(&answer(3, A, &[])).unwrap().is_empty());
        assert!(records(&answer(2, A, &[])).is_none());
    }

    #[test]
    fn malformed_response_is_none() {
        let whole = answer(
            0,
            SRV,
            &[&[0, 0, 0, 5, 0x14, 0x95, 4, b'x', b'm', b'p', b'p', 0xc0, 35]],
        );
        for length in 0..whole.len() {
            assert!(records(&whole[..length]).is_none(), "{length}");
        }
        let mut round = whole.clone();
        let end = round.len();
        // A name that points to itself.
        round[end - 1] = (end - 2) as u8;
        assert!(records(&round).unwrap()[0].service().is_none());
        assert!(question("a..b", A).is_none());
    }
}
