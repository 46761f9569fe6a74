//! Server side of SCRAM-SHA-1 and SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding
//! because there is no TLS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha1::Sha1;
use sha2::{Digest, Sha256};

/// Minimum number of iterations in RFC 7677 §4.
const ITERATIONS: u32 = 4096;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hash {
    Sha1,
    Sha256,
}

/// Keys stored in place of a password (RFC 5802 §3).
#[derive(Clone)]
pub(super) struct Keys {
    salt: Vec<u8>,
    stored: Vec<u8>,
    server: Vec<u8>,
}

/// The parsed client-first-message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct First {
    /// Authorization identity, if it was given.
    pub(super) authorization: Option<String>,
    pub(super) user: String,
    nonce: String,
    header: String,
    bare: String,
}

/// State between the challenge and the client's proof.
pub(super) struct Challenged {
    hash: Hash,
    keys: Keys,
    header: String,
    nonce: String,
    /// Both first messages, which are part of the signed AuthMessage.
    first_messages: String,
}

impl Hash {
    fn digest(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha1 => Sha1::digest(data).to_vec(),
            Self::Sha256 => Sha256::digest(data).to_vec(),
        }
    }

    /// Computes an HMAC (RFC 2104). Both hash functions use blocks of 64 bytes.
    fn hmac(self, key: &[u8], data: &[u8]) -> Vec<u8> {
        const BLOCK: usize = 64;
        let mut block = if key.len() > BLOCK {
            self.digest(key)
        } else {
            key.to_vec()
        };
        block.resize(BLOCK, 0);
        let pad = |with: u8| block.iter().map(|byte| byte ^ with).collect::<Vec<_>>();
        let inner = self.digest(&[&pad(0x36), data].concat());
        self.digest(&[pad(0x5c), inner].concat())
    }

    /// Computes the salted password: the function Hi of RFC 5802 §2.2.
    fn salted(self, password: &str, salt: &[u8], iterations: u32) -> Vec<u8> {
        let mut turn = self.hmac(password.as_bytes(), &[salt, &1u32.to_be_bytes()].concat());
        let mut sum = turn.clone();
        for _ in 1..iterations {
            turn = self.hmac(password.as_bytes(), &turn);
            xor(&mut sum, &turn);
        }
        sum
    }

    /// Derives the keys of a password. Slow by design.
    pub(super) fn keys(self, password: &str, salt: &[u8]) -> Keys {
        let salted = self.salted(password, salt, ITERATIONS);
        Keys {
            salt: salt.to_vec(),
            stored: self.digest(&self.hmac(&salted, b"Client Key")),
            server: self.hmac(&salted, b"Server Key"),
        }
    }
}

impl First {
    /// Parses a `client-first-message` (RFC 5802 §7). Returns `None` if it is invalid or requests
    /// channel binding.
    pub(super) fn parse(message: &str) -> Option<Self> {
        // `y`: the client supports channel binding, and saw that the server does not.
        let rest = message
            .strip_prefix("n,")
            .or_else(|| message.strip_prefix("y,"))?;
        let (authorization, bare) = rest.split_once(',')?;
        let authorization = match authorization.strip_prefix("a=") {
            Some(name) => Some(unescaped(name)?),
            None if authorization.is_empty() => None,
            None => return None,
        };
        let mut parts = bare.split(',');
        let user = unescaped(parts.next()?.strip_prefix("n=")?)?;
        let nonce = parts
            .next()?
            .strip_prefix("r=")
            .filter(|nonce| !nonce.is_empty())?
            .to_owned();
        let header = message[..message.len() - bare.len()].to_owned();
        Some(Self {
            authorization,
            user,
            nonce,
            header,
            bare: bare.to_owned(),
        })
    }

    /// Returns the server-first-message and the state that verifies the proof.
    pub(super) fn challenge(self, hash: Hash, keys: Keys, fresh: &str) -> (String, Challenged) {
        let nonce = self.nonce + fresh;
        let challenge = format!("r={nonce},s={},i={ITERATIONS}", BASE64.encode(&keys.salt));
        let first_messages = format!("{},{challenge}", self.bare);
        (
            challenge,
            Challenged {
                hash,
                keys,
                header: self.header,
                nonce,
                first_messages,
            },
        )
    }
}

impl Challenged {
    /// Verifies a `client-final-message`. Returns the server-final-message, or `None` if the
    /// password is wrong.
    pub(super) fn finish(&self, message: &str) -> Option<String> {
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut parts = without_proof.split(',');
        let bound = BASE64.decode(parts.next()?.strip_prefix("c=")?).ok()?;
        if bound != self.header.as_bytes() || parts.next()?.strip_prefix("r=")? != self.nonce {
            return None;
        }
        let about = format!("{},{without_proof}", self.first_messages);
        let mut key = BASE64.decode(proof).ok()?;
        let signature = self.hash.hmac(&self.keys.stored, about.as_bytes());
        if key.len() != signature.len() {
            return None;
        }
        xor(&mut key, &signature);
        let right = equal(&self.hash.digest(&key), &self.keys.stored);
        right.then(|| {
            format!(
                "v={}",
                BASE64.encode(self.hash.hmac(&self.keys.server, about.as_bytes()))
            )
        })
    }
}

/// Decodes a username: `=2C` is a comma and `=3D` is `=`; any other `=` is invalid (RFC 5802 §5.1).
fn unescaped(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut plain = parts.next()?.to_owned();
    for part in parts {
        let (c, rest) = match part.get(..2)? {
            "2C" => (',', &part[2..]),
            "3D" => ('=', &part[2..]),
            _ => return None,
        };
        plain.push(c);
        plain += rest;
    }
    Some(plain).filter(|plain| !plain.is_empty())
}

fn xor(left: &mut [u8], right: &[u8]) {
    left.iter_mut()
        .zip(right)
        .for_each(|(left, right)| *left ^= right);
}

/// Compares in constant time.
pub(super) fn equal(left: &[u8], right: &[u8]) -> bool {
    left.len() == right.len()
        && left
            .iter()
            .zip(right)
            .fold(0, |sum, (left, right)| sum | (left ^ right))
            == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the exchange of an RFC's example: user `user`, password `pencil`.
    fn exchange(hash: Hash, salt: &str, nonces: (&str, &str), proof: &str) -> Option<String> {
        let first = First::parse(&format!("n,,n=user,r={}", nonces.0)).unwrap();
        assert_eq!((first.user.as_str(), &first.authorization), ("user", &None));
        let keys = hash.keys("pencil", &BASE64.decode(salt).unwrap());
        let (challenge, challenged) = first.challenge(hash, keys, nonces.1);
        assert_eq!(
            challenge,
            format!("r={}{},s={salt},i=4096", nonces.0, nonces.1)
        );
        challenged.finish(&format!("c=biws,r={}{},p={proof}", nonces.0, nonces.1))
    }

    #[test]
    fn scram_matches_rfc_examples() {
        // RFC 5802 §5.
        let one = |proof| {
            exchange(
                Hash::Sha1,
                "QSXCR+Q6sek8bf92",
                ("fyko+d2lbbFgONRv9qkxdawL", "3rfcNHYJY1ZVvWVs7j"),
                proof,
            )
        };
        assert_eq!(
            one("v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=").as_deref(),
            Some("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")
        );
        assert_eq!(one("v0X8v3Bz2T0CJGbJQyF0X+HI4Tt="), None);
        assert_eq!(one("AAAA"), None);
        // RFC 7677 §3.
        let two = exchange(
            Hash::Sha256,
            "W22ZaJ0SNY7soEsUEjb6gQ==",
            ("rOprNGfwEbeRWgbNEkqO", "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"),
            "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
        );
        assert_eq!(
            two.as_deref(),
            Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
        );
    }

    #[test]
    fn client_first_message_is_parsed() {
        let first = First::parse("y,a=b=2Cc,n=a=3D,r=x,ext=1").unwrap();
        assert_eq!(
            (first.authorization.as_deref(), first.user.as_str()),
            (Some("b,c"), "a=")
        );
        for bad in [
            "",
            "n",
            "n,,",
            "p=tls-unique,,n=a,r=x",
            "n,,r=x,n=a",
            "n,,n=a,r=",
            "n,,n=,r=x",
            "n,,n=a=2,r=x",
            "n,x,n=a,r=x",
        ] {
            assert_eq!(First::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn hmac_hashes_long_key() {
        // RFC 2202 §3, test case 6.
        let mac = Hash::Sha1.hmac(
            &[0xaa; 80],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
        );
        assert_eq!(
            mac,
            [
                0xaa, 0x4a, 0xe5, 0xe1, 0x52, 0x72, 0xd0, 0x0e, 0x95, 0x70, 0x56, 0x37, 0xce, 0x8a,
                0x3b, 0x55, 0xed, 0x40, 0x21, 0x12
            ]
        );
    }
}
