//! The parts of HTTP/2 (RFC 9113) that a load generator needs.

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;
/// `:status: 200` in HPACK (RFC 7541, appendix A).
pub const STATUS_200: u8 = 0x88;
const HEAD: usize = 9;

#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Returns the first frame, and the offset after it, or `None` if it is incomplete.
    pub fn first(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let head = bytes.get(..HEAD)?;
        let end = HEAD + u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let frame = Self {
            kind: head[3],
            flags: head[4],
            stream: number(&head[5..]),
            payload: bytes.get(HEAD..end)?,
        };
        Some((frame, end))
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&(self.payload.len() as u32).to_be_bytes()[1..]);
        out.extend_from_slice(&[self.kind, self.flags]);
        out.extend_from_slice(&self.stream.to_be_bytes());
        out.extend_from_slice(self.payload);
    }
}

/// Returns the number in the first four bytes, without the reserved bit.
pub fn number(bytes: &[u8]) -> u32 {
    let digits = bytes.iter().take(4);
    digits.fold(0, |sum, &byte| sum << 8 | u32::from(byte)) & 0x7fff_ffff
}

/// Returns the header block of a POST request, in HPACK without dynamic table.
pub fn request_headers(path: &str, content_length: usize) -> Vec<u8> {
    // Indexed: `:method: POST` and `:scheme: http`.
    let mut block = vec![0x83, 0x86];
    // Literals without indexing, with indexed names: `:path`, `:authority`, `content-length`.
    literal(&mut block, &[0x04], path);
    literal(&mut block, &[0x01], "localhost");
    literal(&mut block, &[0x0f, 0x0d], &content_length.to_string());
    block
}

/// Values are shorter than 127 bytes.
fn literal(block: &mut Vec<u8>, name: &[u8], value: &str) {
    block.extend_from_slice(name);
    block.push(value.len() as u8);
    block.extend_from_slice(value.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frame_is_read_as_written() {
        let frame = Frame {
            kind: DATA,
            flags: END_STREAM,
            stream: 77_777,
            payload: b"bell",
        };
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        bytes.extend_from_slice(b"next");
        for cut in 0..bytes.len() - 4 {
            assert_eq!(Frame::first(&bytes[..cut]), None, "cut at {cut}");
        }
        assert_eq!(Frame::first(&bytes), Some((frame, bytes.len() - 4)));
    }
}
