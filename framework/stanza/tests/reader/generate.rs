//! Generates streams from a grammar that covers all of XML, and damages them.

use std::fmt::Write as _;

/// A deterministic random number generator (SplitMix64): a seed yields the same documents on every
/// machine.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn one_in(&mut self, odds: usize) -> bool {
        self.below(odds) == 0
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

const PREFIXES: [&str; 5] = ["c", "p", "q", "stream", "é"];
const NAMESPACES: [&str; 8] = [
    "jabber:component:accept",
    "jabber:client",
    "jabber:component&#58;accept",
    "urn:a",
    "urn:b",
    "http://etherx.jabber.org/streams",
    "urn:xmpp:forward:0",
    "urn:&lt;&#xe9;",
];
const NAMES: [&str; 10] = [
    "a",
    "b",
    "body",
    "message",
    "iq",
    "error",
    "stream",
    "forwarded",
    "_x-1.y",
    "日本",
];
const STANZAS: [&str; 5] = ["message", "iq", "presence", "handshake", "foo"];
const TYPES: [&str; 9] = [
    "chat",
    "get",
    "set",
    "result",
    "error",
    "",
    "weird",
    "unavailable",
    "groupchat",
];
const ADDRESSES: [&str; 8] = [
    "a@localhost/r",
    "Bot@Echo.Localhost",
    "localhost",
    "",
    "@@/",
    "a&#64;b",
    "é@ünï.example/日",
    "a@b/&lt;&apos;x'",
];
const TEXTS: [&str; 20] = [
    "t",
    "hello there",
    " ",
    "\n",
    "\r\n",
    "\r",
    "\t",
    "&amp;",
    "&lt;",
    "&gt;",
    "&quot;",
    "&apos;",
    "&#13;",
    "&#x1F514;",
    "]]",
    "]",
    "é",
    "日本",
    "\u{1F514}",
    "\u{FFFD}\u{85}",
];

/// Generates one document.
struct Writer<'r> {
    rng: &'r mut Rng,
    out: String,
    /// The prefixes in scope, one list for each open element.
    scopes: Vec<Vec<&'static str>>,
}

/// Generates a stream, which is usually well-formed.
pub(crate) fn document(rng: &mut Rng) -> Vec<u8> {
    let mut writer = Writer {
        rng,
        out: String::new(),
        scopes: vec![vec!["xml"]],
    };
    writer.prolog();
    writer.header();
    for _ in 0..writer.rng.below(4) {
        writer.between();
        let name = *writer.rng.pick(&STANZAS);
        writer.element(0, Some(name));
    }
    writer.between();
    if writer.rng.one_in(2) {
        writer.out.push_str("</stream:stream>");
    }
    writer.out.into_bytes()
}

impl Writer<'_> {
    fn prolog(&mut self) {
        let prolog = [
            "",
            "",
            "<?xml version='1.0'?>",
            "<?xml version=\"1.0\" encoding='UTF-8'?>\n",
            "\n",
            "\u{FEFF}",
        ];
        let prolog = *self.rng.pick(&prolog);
        self.out.push_str(prolog);
    }

    fn header(&mut self) {
        let content = *self.rng.pick(&[
            "jabber:component:accept",
            "jabber:component:accept",
            "urn:a",
            "jabber:client",
        ]);
        let _ = write!(
            self.out,
            "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' id='1'"
        );
        let mut scope = vec!["stream"];
        if !self.rng.one_in(8) {
            let _ = write!(self.out, " xmlns='{content}'");
        }
        if self.rng.one_in(3) {
            let _ = write!(
                self.out,
                " xmlns:c='jabber:component:accept' xmlns:p='urn:a'"
            );
            scope.extend(["c", "p"]);
        }
        self.scopes.push(scope);
        self.space();
        self.out.push('>');
    }

    fn between(&mut self) {
        if self.rng.one_in(4) {
            self.text();
        }
    }

    fn element(&mut self, depth: usize, name: Option<&str>) {
        let mut scope = Vec::new();
        let mut attributes = String::new();
        let declarations = if self.rng.one_in(2) {
            self.rng.below(3)
        } else {
            0
        };
        for _ in 0..declarations {
            self.declare(&mut scope, &mut attributes);
        }
        self.scopes.push(scope);
        let prefix = if self.rng.one_in(4) {
            self.prefix()
        } else {
            String::new()
        };
        let name = match name {
            Some(name) => name,
            None => self.rng.pick(&NAMES),
        };
        let name = format!("{prefix}{name}");
        if depth == 0 {
            self.stanza_attributes(&mut attributes);
        }
        for _ in 0..self.rng.below(3) {
            self.attribute(&mut attributes);
        }
        let _ = write!(self.out, "<{name}{attributes}");
        self.space();
        if self.rng.one_in(3) {
            self.out.push_str("/>");
        } else {
            self.out.push('>');
            self.content(depth);
            let _ = write!(self.out, "</{name}");
            self.space();
            self.out.push('>');
        }
        self.scopes.pop();
    }

    fn content(&mut self, depth: usize) {
        for _ in 0..self.rng.below(4) {
            match self.rng.below(5) {
                0 | 1 if depth < 6 => self.element(depth + 1, None),
                2 => self.section(),
                _ => self.text(),
            }
        }
    }

    fn declare(&mut self, scope: &mut Vec<&'static str>, attributes: &mut String) {
        let namespace = *self.rng.pick(&NAMESPACES);
        if self.rng.one_in(2) {
            if !scope.contains(&"") {
                let namespace = if self.rng.one_in(4) { "" } else { namespace };
                let _ = write!(attributes, " xmlns='{namespace}'");
                scope.push("");
            }
            return;
        }
        let prefix = *self.rng.pick(&PREFIXES);
        if !scope.contains(&prefix) || self.rng.one_in(50) {
            let _ = write!(attributes, " xmlns:{prefix}=\"{namespace}\"");
            scope.push(prefix);
        }
    }

    /// Returns a prefix in scope, with its colon, or occasionally one that is not in scope.
    fn prefix(&mut self) -> String {
        let known: Vec<&str> = self
            .scopes
            .iter()
            .flatten()
            .copied()
            .filter(|prefix| !prefix.is_empty())
            .collect();
        let prefix = if self.rng.one_in(60) {
            *self.rng.pick(&PREFIXES)
        } else {
            *self.rng.pick(&known)
        };
        format!("{prefix}:")
    }

    fn stanza_attributes(&mut self, attributes: &mut String) {
        for name in ["from", "to", "id", "type", "xml:lang"] {
            if self.rng.one_in(3) {
                continue;
            }
            let value = match name {
                "type" => *self.rng.pick(&TYPES),
                "from" | "to" => *self.rng.pick(&ADDRESSES),
                _ => *self.rng.pick(&["1", "", "a&amp;b", "a\n\tb"]),
            };
            let _ = write!(attributes, " {name}=\"{value}\"");
        }
    }

    fn attribute(&mut self, attributes: &mut String) {
        let prefix = if self.rng.one_in(3) {
            self.prefix()
        } else {
            String::new()
        };
        let name = *self.rng.pick(&NAMES);
        let value = *self.rng.pick(&[
            "",
            "v",
            "a b",
            "\t\n\r\r\n",
            "&#9;&#10;&#xD;",
            "&lt;>&amp;",
            "é日\u{1F514}",
        ]);
        let space = *self.rng.pick(&[" ", "\n", "\t", "\r\n  "]);
        let equals = *self.rng.pick(&["=", "=", " = ", "\n="]);
        let quote = *self.rng.pick(&['\'', '"']);
        let _ = write!(
            attributes,
            "{space}{prefix}{name}{equals}{quote}{value}{quote}"
        );
    }

    fn text(&mut self) {
        for _ in 0..=self.rng.below(4) {
            let text = *self.rng.pick(&TEXTS);
            self.out.push_str(text);
        }
    }

    fn section(&mut self) {
        let inner = *self.rng.pick(&[
            "",
            "<a>",
            "&amp;",
            "]]",
            "]",
            "a\r\nb\rc",
            "é>",
            "]] >",
            "<![CDATA[",
        ]);
        let _ = write!(self.out, "<![CDATA[{inner}]]>");
    }

    fn space(&mut self) {
        if self.rng.one_in(5) {
            let space = *self.rng.pick(&[" ", "\n", "\t", "\r\n"]);
            self.out.push_str(space);
        }
    }
}

/// Byte strings that damage inserts: delimiters of the grammar, and bytes that it does not allow.
const SHARDS: [&[u8]; 44] = [
    b"<",
    b">",
    b"/",
    b"'",
    b"\"",
    b"=",
    b"&",
    b";",
    b":",
    b" ",
    b"\n",
    b"\r",
    b"]]>",
    b"<![CDATA[",
    b"<!--",
    b"-->",
    b"<?",
    b"?>",
    b"<!DOCTYPE a>",
    b"</",
    b"/>",
    b"xmlns",
    b"xmlns:",
    b"xmlns=''",
    b" xmlns:p=''",
    b"xml",
    b"&#0;",
    b"&#x",
    b"&x;",
    b"\0",
    b"\x01",
    b"\x0b",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xc0\x80",
    b"\xed\xa0\x80",
    b"\xef\xbf\xbe",
    b"\xef\xbf\xbf",
    b"\xf4\x90\x80\x80",
    b"\xe2\x82",
    b"\xc3\x97",
    b"</stream:stream>",
    b" a='1'",
];

/// Damages a document in one to three places.
pub(crate) fn mutate(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..=rng.below(3) {
        let at = rng.below(bytes.len() + 1);
        let end = (at + rng.below(8)).min(bytes.len());
        match rng.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => bytes.truncate(at.max(bytes.len() / 2)),
            2 => {
                let from = rng.below(bytes.len() + 1);
                let piece = bytes[from..(from + 12).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            3 if at < bytes.len() => bytes[at] ^= 1 << rng.below(8),
            _ => drop(bytes.splice(at..at, rng.pick(&SHARDS).iter().copied())),
        }
    }
}
