//! Digests of message contents.

use crate::reply::Reply;
use crate::stanza::{Children, Kind};

/// A 64-bit digest of a message. It is not cryptographic: a sender that constructs a collision only
/// affects its own conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Digest(u64);

/// Returns the digest of the body, or of all children if there is none. Only the body counts
/// because servers and clients add and remove other children.
pub(super) fn of_children(children: &Children) -> Digest {
    match children.find("jabber:client", "body") {
        Some(body) => Digest(hash(body.text().as_bytes())),
        None => Digest(!hash(children.as_bytes())),
    }
}

/// Returns the digest of the last message in a reply, or `None` if it holds no message.
pub(super) fn of_reply(reply: &Reply) -> Option<Digest> {
    match reply {
        Reply::Children(children) => Some(of_children(children)),
        Reply::Stanza(stanza) if matches!(stanza.kind(), Kind::Message(_)) => {
            Some(of_children(stanza.children()))
        }
        Reply::InLanguage(_, reply) => of_reply(reply),
        Reply::Multiple(replies) => replies.iter().rev().find_map(of_reply),
        _ => None,
    }
}

/// Hashes in four lanes, so that hashing a long message costs a fraction of handling it.
fn hash(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut lanes = [1u64, 2, 3, 4].map(|lane| lane.wrapping_mul(ODD));
    let (blocks, rest) = bytes.as_chunks::<32>();
    let mut last = [0; 32];
    last[..rest.len()].copy_from_slice(rest);
    for block in blocks.iter().chain([&last]) {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            *lane = (*lane ^ u64::from_le_bytes(*word))
                .wrapping_mul(ODD)
                .rotate_left(29);
        }
    }
    let mixed = lanes.iter().fold(bytes.len() as u64, |all, lane| {
        (all ^ lane).wrapping_mul(ODD).rotate_left(31)
    });
    mixed ^ (mixed >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::stanza;

    fn of(xml: &str) -> Digest {
        of_children(stanza(xml).children())
    }

    #[test]
    fn digest_depends_on_the_body_only() {
        let plain = of("<message><body>a &amp; b</body></message>");
        let rows = [
            "<message><active xmlns='http://jabber.org/protocol/chatstates'/><body>a &#38; \
            b</body></message>",
            "<message id='x'><body xml:lang='de'>a &amp; b</body><subject>s</subject></message>",
        ];
        for xml in rows {
            assert_eq!(of(xml), plain, "{xml}");
        }
        assert_ne!(of("<message><body>a &amp; c</body></message>"), plain);
        assert_ne!(
            of("<message><a xmlns='urn:a'/></message>"),
            of("<message><b xmlns='urn:a'/></message>")
        );
    }

    #[test]
    fn hash_depends_on_every_byte() {
        for length in [1, 7, 8, 31, 32, 33, 100] {
            let bytes = vec![b'x'; length];
            let mut seen = std::collections::HashSet::from([hash(&bytes)]);
            for at in 0..length {
                let mut other = bytes.clone();
                other[at] = b'y';
                assert!(seen.insert(hash(&other)), "{length} {at}");
            }
            assert!(seen.insert(hash(&bytes[1..])));
        }
    }
}
