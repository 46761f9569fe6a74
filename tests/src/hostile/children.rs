//! Random stanza content: any namespace-well-formed XML.

use std::fmt::Write as _;

use super::{Generator, Origin};

const NAMES: [&str; 10] = [
    "a", "b", "x", "data", "event", "_x-1.y", "日本", "é", "query", "stanza",
];
const NAMESPACES: [&str; 7] = [
    "urn:a",
    "urn:b",
    "MY-FORMAT-NS",
    "http://jabber.org/protocol/chatstates",
    "urn:xmpp:delay",
    "urn:&lt;&#xe9;&amp;",
    "urn:xmpp:forward:0",
];
/// Namespaces that servers treat specially.
const STRANGE: [&str; 4] = [
    "",
    "jabber:client",
    "http://etherx.jabber.org/streams",
    "http://www.w3.org/2000/xmlns",
];
const TEXTS: [&str; 16] = [
    "t",
    "hello there",
    " two  spaces ",
    "\n\tlines\n",
    "&amp;&lt;&gt;&quot;&apos;",
    "&#x1F514;",
    "]] &gt;",
    "é日本",
    "\u{202E}turned\u{202C}",
    "\u{FFFD}\u{85}\u{2028}",
    "\u{1F514}\u{200D}\u{1F3FD}",
    "e\u{301}\u{301}\u{301}",
    "<![CDATA[<iq type='get'/>]]>",
    "<![CDATA[]]>",
    "<![CDATA[&amp;]]]]>&gt;<![CDATA[</body>]]>",
    "&lt;/message&gt;&lt;iq type='set'/&gt;",
];
const VALUES: [&str; 8] = [
    "",
    "v",
    "a  b",
    "&lt;&gt;&amp;&quot;&apos;",
    "é日\u{1F514}",
    "> >",
    "get",
    "&#65;",
];
/// White space that both servers rewrite.
const SPACES: [&str; 3] = ["&#13;", "&#9;&#10;", "\r\n"];

impl Generator {
    /// Generates any number of children, usually few.
    pub(super) fn children(&mut self) -> String {
        let mut out = String::new();
        if self.rng.one_in(2) {
            self.own_child(&mut out);
        }
        for _ in 0..self.rng.below(4) {
            self.child(&mut out);
        }
        out
    }

    /// Generates a payload in a namespace without a handler.
    pub(super) fn child(&mut self, out: &mut String) {
        match self.rng.below(30) {
            0 => self.many_attributes(out),
            1 => self.nested(out, 2, 40),
            2 => self.long(out),
            _ => self.element(out, 0),
        }
    }

    /// Generates a child in the stanza's own namespace, valid or not.
    fn own_child(&mut self, out: &mut String) {
        let name = self
            .rng
            .pick(&["body", "body", "body", "subject", "thread"]);
        let text = self.text();
        let _ = match self.rng.below(6) {
            0 => write!(out, "<{name}/>"),
            1 if self.origin == Origin::Component => {
                write!(out, "<{name} x='1'>{text}<b/>{text}</{name}><{name}/>")
            }
            2 if self.origin == Origin::Component => {
                write!(
                    out,
                    "<c:{name} xmlns:c='jabber:component:accept'>{text}</c:{name}>"
                )
            }
            3 => write!(out, "<{name} xml:lang='de'>{text}</{name}>"),
            _ => write!(out, "<{name}>{text}</{name}>"),
        };
    }

    fn element(&mut self, out: &mut String, depth: usize) {
        let name = self.rng.pick(&NAMES);
        let prefixed = self.rng.one_in(4);
        let prefix = if prefixed {
            format!("p{depth}:")
        } else {
            String::new()
        };
        let mut attributes = String::new();
        if prefixed {
            let _ = write!(
                attributes,
                " xmlns:p{depth}=\"{}\"",
                self.rng.pick(&NAMESPACES)
            );
        }
        if depth == 0 || self.rng.one_in(4) {
            let strange = self.origin == Origin::Component && self.rng.one_in(10);
            // The last one must not be declared.
            let namespace = if strange {
                self.rng.pick(&STRANGE[..3])
            } else {
                self.rng.pick(&NAMESPACES)
            };
            let _ = write!(attributes, " xmlns='{namespace}'");
        }
        for number in 0..self.rng.below(3) {
            let prefix = if prefixed && self.rng.one_in(2) {
                &prefix
            } else {
                ""
            };
            let equals = self.rng.pick(&["=", " = ", "=\n"]);
            let quote = self.rng.pick(&["'", "\""]);
            let _ = write!(
                attributes,
                "\n{prefix}k{number}{equals}{quote}{}{quote}",
                self.value()
            );
        }
        if self.rng.one_in(3) {
            let _ = write!(out, "<{prefix}{name}{attributes} />");
            return;
        }
        let _ = write!(out, "<{prefix}{name}{attributes}>");
        for _ in 0..self.rng.below(4) {
            if depth < 6 && self.rng.one_in(2) {
                self.element(out, depth + 1);
            } else {
                out.push_str(&self.text());
            }
        }
        let _ = write!(out, "</{prefix}{name}\n>");
    }

    /// Generates character data, sometimes long.
    fn text(&mut self) -> String {
        let text = if self.origin == Origin::Component && self.rng.one_in(8) {
            self.rng.pick(&SPACES)
        } else {
            self.rng.pick(&TEXTS)
        };
        let times = if self.rng.one_in(20) {
            self.rng.below(500)
        } else {
            1
        };
        text.repeat(times.max(1))
    }

    fn value(&mut self) -> &'static str {
        let spaces = self.origin == Origin::Component && self.rng.one_in(8);
        if spaces {
            self.rng.pick(&SPACES[..2])
        } else {
            self.rng.pick(&VALUES)
        }
    }

    /// Generates deeply nested elements.
    fn nested(&mut self, out: &mut String, from: usize, below: usize) {
        let depth = from + self.rng.below(below - from);
        out.push_str("<n xmlns='urn:n'>");
        (0..depth).for_each(|_| out.push_str("<n k='v'>"));
        (0..depth).for_each(|_| out.push_str("</n>"));
        out.push_str("</n>");
    }

    fn many_attributes(&mut self, out: &mut String) {
        out.push_str("<m xmlns='urn:m'");
        for number in 0..10 + self.rng.below(100) {
            let _ = write!(out, " k{number}='{number}'");
        }
        out.push_str("/>");
    }

    fn long(&mut self, out: &mut String) {
        let text = self.rng.pick(&TEXTS);
        let times = self.rng.below(20_000 / text.len());
        let _ = write!(out, "<l xmlns='urn:l'>{}</l>", text.repeat(times));
    }

    /// Generates a child beyond the limit on depth or attributes.
    pub(super) fn beyond(&mut self, out: &mut String) {
        if self.rng.one_in(2) {
            self.nested(out, 64, 500);
        } else {
            let attributes = (0..200).map(|number| format!(" k{number}='v'"));
            let _ = write!(out, "<m xmlns='urn:m'{}/>", attributes.collect::<String>());
        }
    }
}
