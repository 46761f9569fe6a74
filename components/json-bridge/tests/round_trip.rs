//! Round trips of generated stanzas through JSON. `CAMPANILE_ROUND_TRIPS=100000` sets their number.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]

mod schema;

use std::collections::BTreeMap;

use campanile::stanza::Stanza;
use campanile_json_bridge::mapping::{Mode, from_json, from_xml, to_json};

/// A xorshift generator with a fixed seed, so that every run uses the same stanzas.
struct Rng(u64);

impl Rng {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    fn text(&mut self) -> String {
        let pieces = [
            "a", "Zoë", "&lt;", "&amp;", "&#9;", " ", "\n", "日本", "😀", "]]&gt;", "\"", "&apos;",
            "\u{85}", "\u{200F}", "",
        ];
        (0..self.below(6)).map(|_| self.pick(&pieces)).collect()
    }

    fn json(&mut self, depth: usize) -> String {
        match self.below(if depth > 4 { 6 } else { 8 }) {
            0 => "null".into(),
            1 => "true".into(),
            2 => self
                .pick(&[
                    "0",
                    "-1.5e300",
                    "1e300",
                    "123456789012345678901234567890",
                    "1.0",
                ])
                .into(),
            3 => "\"\\u0000\\ud800 x\"".into(),
            4 => format!(
                "\"{}\"",
                self.pick(&["", "a", "é😀", "\\\"", "&lt;/json&gt;", "&amp;"])
            ),
            5 => " [ ] ".into(),
            6 => format!("[{},{}]", self.json(depth + 1), self.json(depth + 1)),
            _ => format!(
                "{{\"k\":{},\"\":{}}}",
                self.json(depth + 1),
                self.json(depth + 1)
            ),
        }
    }

    fn unknown(&mut self, depth: usize) -> String {
        let name = self.pick(&["x", "body", "query", "json", "é", "message"]);
        let text = self.text();
        let namespace = self.pick(&[
            "urn:x",
            "urn:y&amp;z",
            "jabber:x:data",
            "jabber:iq:version",
            "urn:xmpp:mam:2",
        ]);
        let lang = self.pick(&[
            "",
            " xml:lang='de'",
            " a='&#10;'",
            " xmlns:p='urn:p' p:a='1'",
        ]);
        let inner = if depth < 4 && self.below(2) == 0 {
            self.unknown(depth + 1)
        } else {
            String::new()
        };
        format!("<{name} xmlns='{namespace}'{lang}>{text}{inner}</{name}>")
    }

    fn child(&mut self) -> String {
        let text = self.text();
        let json = self.json(0);
        match self.below(20) {
            0..=3 => format!("<body>{text}</body>"),
            4 => format!("<body xml:lang='de'>{text}</body>"),
            5 => format!("<subject>{text}</subject>"),
            6 => format!("<thread parent='{}'>{text}</thread>", self.pick(&["", "p"])),
            7 => format!(
                "<payload xmlns='urn:xmpp:json-msg:0' datatype='urn:d'><json \
                xmlns='urn:xmpp:json:0'>{json}</json></payload>"
            ),
            8 => format!("<json xmlns='urn:xmpp:json:0'>{json}</json>"),
            9 => format!("<q xmlns='urn:q'><json xmlns='urn:xmpp:json:0'>{json}</json></q>"),
            10 => "<active xmlns='http://jabber.org/protocol/chatstates'/>".into(),
            11 => "<request xmlns='urn:xmpp:receipts'/>".into(),
            12 => "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z' \
                from='x'>offline</delay>"
                .into(),
            13 => "<stanza-id xmlns='urn:xmpp:sid:0' by='y' id='1'/>".into(),
            14 => "<x xmlns='jabber:x:oob'><url>http://x/</url></x>".into(),
            15 => "<reactions xmlns='urn:xmpp:reactions:0' \
                id='1'><reaction>👍</reaction><reaction>x</reaction></reactions>"
                .into(),
            16 => format!(
                "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' \
                to='a@b'><body>{text}</body></message></forwarded>"
            ),
            17 => format!(
                "<x xmlns='jabber:x:data' type='form'><field var='a' \
                type='list-multi'><value>{text}</value><option \
                label='l'><value>1</value></option></field></x>"
            ),
            _ => self.unknown(0),
        }
    }

    fn stanza(&mut self) -> String {
        let lang = self.pick(&["", " xml:lang='en'"]);
        let to = self.pick(&["a@b", "b", "a@b/r &amp; s", "a@b/&apos;"]);
        match self.below(6) {
            0 => format!(
                "<presence to='{to}'{lang}><show>{}</show>{}</presence>",
                self.pick(&["away", "busy"]),
                self.unknown(0)
            ),
            1 => format!(
                "<iq type='{}' id='{}' to='{to}'>{}</iq>",
                self.pick(&["get", "set"]),
                self.pick(&["1", "&lt;"]),
                self.child()
            ),
            _ => {
                let children: String = (0..self.below(5)).map(|_| self.child()).collect();
                let kind = self.pick(&[
                    "",
                    " type='chat'",
                    " type='groupchat'",
                    " type='headline'",
                    " type='weird'",
                ]);
                format!("<message{kind} id='1' from='c@d/e' to='{to}'{lang}>{children}</message>")
            }
        }
    }
}

fn elements(stanza: &Stanza) -> campanile::minidom::Element {
    stanza.to_element().unwrap()
}

/// Returns the members of an object verbatim, regardless of their order.
fn members(json: &str) -> BTreeMap<String, String> {
    let raw: BTreeMap<String, Box<serde_json::value::RawValue>> =
        serde_json::from_str(json).unwrap();
    raw.into_iter()
        .map(|(key, value)| (key, value.get().to_owned()))
        .collect()
}

#[test]
fn generated_stanzas_survive_json_round_trip() {
    let rounds = std::env::var("CAMPANILE_ROUND_TRIPS").map_or(2000, |text| text.parse().unwrap());
    let mut rng = Rng(88_172_645_463_325_252);
    let mut refused = BTreeMap::<String, usize>::new();
    let mut with_xml = 0;
    for _ in 0..rounds {
        let xml = rng.stanza();
        let stanza = from_xml(&xml).unwrap_or_else(|fault| panic!("{fault}: {xml}"));
        for mode in [Mode::Lossless, Mode::Raw] {
            match to_json(&stanza, mode) {
                Ok(json) => {
                    with_xml += usize::from(mode == Mode::Lossless && json.contains(r#""xml":"#));
                    let back = from_json(&json).unwrap_or_else(|fault| panic!("{fault}: {json}"));
                    assert_eq!(elements(&back), elements(&stanza), "{json}");
                }
                Err(error) => *refused.entry(error.to_string()).or_default() += 1,
            }
        }
        let json = to_json(&stanza, Mode::Plain).unwrap();
        // Numbers that the parser of this test cannot represent are valid nonetheless.
        if let Ok(value) = serde_json::from_str(&json) {
            schema::check(&value);
        }
        let once = from_json(&json).unwrap_or_else(|fault| panic!("{fault}: {json}"));
        assert_eq!(
            members(&to_json(&once, Mode::Plain).unwrap()),
            members(&json),
            "content of keys is preserved"
        );
    }
    println!("{rounds} stanzas, {with_xml} needed XML, rejected: {refused:?}");
    assert!(
        refused.values().sum::<usize>() * 1000 <= rounds,
        "{refused:?}"
    );
}
