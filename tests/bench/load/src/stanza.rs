//! Stanza templates: built once, copied and patched for every stanza.

/// `m` and eight hexadecimal digits.
pub const ID_LEN: usize = 9;
const SENDER_LEN: usize = 5;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// A stanza whose id and sender are filled in when it is sent.
#[derive(Debug, Clone)]
pub struct Template {
    bytes: Vec<u8>,
    ids: Vec<usize>,
    senders: Vec<usize>,
}

impl Template {
    /// Parses a template, in which `{id}` is the id and `{n}` the five digits of the sender.
    pub fn new(text: &str) -> Self {
        let mut made = Self {
            bytes: Vec::new(),
            ids: Vec::new(),
            senders: Vec::new(),
        };
        let mut rest = text;
        while let Some(open) = rest.find('{') {
            made.bytes.extend_from_slice(&rest.as_bytes()[..open]);
            rest = &rest[open..];
            if let Some(after) = rest.strip_prefix("{id}") {
                made.ids.push(made.bytes.len());
                made.bytes.extend_from_slice(b"m00000000");
                rest = after;
            } else if let Some(after) = rest.strip_prefix("{n}") {
                made.senders.push(made.bytes.len());
                made.bytes.extend_from_slice(b"00000");
                rest = after;
            } else {
                made.bytes.push(b'{');
                rest = &rest[1..];
            }
        }
        made.bytes.extend_from_slice(rest.as_bytes());
        made
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the stanza numbered `seq` from `sender`.
    pub fn render(&self, out: &mut Vec<u8>, seq: u32, sender: u32) {
        let start = out.len();
        out.extend_from_slice(&self.bytes);
        let stanza = &mut out[start..];
        let digits = hex(seq);
        for &at in &self.ids {
            stanza[at + 1..at + ID_LEN].copy_from_slice(&digits);
        }
        if sender != 0 {
            let digits = decimal(sender);
            for &at in &self.senders {
                stanza[at..at + SENDER_LEN].copy_from_slice(&digits);
            }
        }
    }
}

/// Parses the number in an id written by [`Template::render`].
pub fn seq_of(id: &[u8]) -> Option<u32> {
    let digits: &[u8; 8] = id.strip_prefix(b"m")?.try_into().ok()?;
    digits.iter().try_fold(0u32, |sum, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(sum << 4 | u32::from(value))
    })
}

/// Parses the sender's number in a JID such as `u00042@localhost/bench`.
pub fn sender_of(jid: &[u8]) -> Option<u32> {
    let digits = jid.strip_prefix(b"u")?.get(..SENDER_LEN)?;
    digits.iter().try_fold(0u32, |sum, &digit| {
        digit
            .is_ascii_digit()
            .then(|| sum * 10 + u32::from(digit - b'0'))
    })
}

fn hex(value: u32) -> [u8; 8] {
    std::array::from_fn(|i| HEX[(value >> (28 - 4 * i)) as usize & 15])
}

fn decimal(mut value: u32) -> [u8; SENDER_LEN] {
    let mut digits = [b'0'; SENDER_LEN];
    for digit in digits.iter_mut().rev() {
        *digit += (value % 10) as u8;
        value /= 10;
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn template_fills_every_placeholder() {
        let template = Template::new("<m from='u{n}@h' id='{id}'>{\"seq\":\"{id}\"}</m>");
        let mut out = b"before".to_vec();
        template.render(&mut out, 0xbeef, 9_999);
        assert_eq!(
            out,
            b"before<m from='u09999@h' id='m0000beef'>{\"seq\":\"m0000beef\"}</m>"
        );
        assert_eq!(out.len(), 6 + template.len());
    }

    #[test]
    fn ids_and_senders_are_parsed() {
        assert_eq!(seq_of(b"m0000beef"), Some(0xbeef));
        assert_eq!(seq_of(b"m0000BEEF"), None);
        assert_eq!(seq_of(b"x0000beef"), None);
        assert_eq!(sender_of(b"u09999@localhost/bench"), Some(9_999));
        assert_eq!(sender_of(b"u0999@localhost"), None);
    }
}
