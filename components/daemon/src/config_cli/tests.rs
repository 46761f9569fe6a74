//! Formatting keeps values, comments and order, and a formatted text stays as it is.

use toml::de::{DeTable, DeValue};

use super::{layout, syntax};

fn format(text: &str) -> String {
    layout::format(text).unwrap_or_else(|| panic!("not TOML: {text:?}"))
}

#[test]
fn spaces_and_empty_lines_are_normalized() {
    for (before, after) in [
        ("", ""),
        ("\n \n", ""),
        ("a=1", "a = 1\n"),
        (
            "\n\n  a   =\t1  \r\n\r\n\r\n\tb=2\n\n\n",
            "a = 1\n\nb = 2\n",
        ),
        ("a . 'b' .\"c\"=1", "a.'b'.\"c\" = 1\n"),
        ("\u{feff}a=1", "a = 1\n"),
        (
            "x=1\n [ a ]\ny=2\n[[ b . c ]]\n",
            "x = 1\n\n[a]\ny = 2\n\n[[b.c]]\n",
        ),
        ("[a]\n\ny=1\n\n\n\n[b]", "[a]\n\ny = 1\n\n[b]\n"),
        ("a=1    # one  \n[b]#two\n", "a = 1 # one\n\n[b] #two\n"),
        (
            "d=1979-05-27  # day\nt=1979-05-27 07:32:00",
            "d = 1979-05-27 # day\nt = 1979-05-27 07:32:00\n",
        ),
        ("s='''\r\na  \r\n'''  \n", "s = '''\r\na  \r\n'''\n"),
        ("s=\"\"\"a\\\n   b\"\"\"", "s = \"\"\"a\\\n   b\"\"\"\n"),
        (
            "t={a=1,b . c='x'}\nu={}\nv={ }",
            "t = { a = 1, b.c = 'x' }\nu = {}\nv = {}\n",
        ),
        ("t={\n a=1,\n}", "t = { a = 1 }\n"),
        ("t={a\n=1,b . c=\r\n2}", "t = { a = 1, b.c = 2 }\n"),
        (
            "t={a # one\n= # two\n1 # three\n}",
            "t = {\n    # one\n    # two\n    a = 1, # three\n}\n",
        ),
        ("l=[ 1,2 ,3 , ]\nm=[\n]", "l = [1, 2, 3]\nm = []\n"),
        ("l=[{a=1},[ ]]", "l = [{ a = 1 }, []]\n"),
    ] {
        assert_eq!(format(before), after, "{before:?}");
    }
}

#[test]
fn comment_above_a_header_stays_with_it() {
    for (before, after) in [
        (
            "# top\n[a]\nx=1\n# of b\n# more\n[b]\n",
            "# top\n[a]\nx = 1\n\n# of b\n# more\n[b]\n",
        ),
        ("[a]\n#x = 1\n[b]\n", "[a]\n#x = 1\n\n[b]\n"),
        ("[a]\n#x=1\n# of b\n[b]\n", "[a]\n#x=1\n\n# of b\n[b]\n"),
        ("[a]\n#[a.c]\n[b]\n", "[a]\n#[a.c]\n\n[b]\n"),
        (
            "[a]\n#======\n# B\n#======\n[b]\n",
            "[a]\n\n#======\n# B\n#======\n[b]\n",
        ),
        ("[a]\n   # of a\n\n[b]\n", "[a]\n# of a\n\n[b]\n"),
    ] {
        assert_eq!(format(before), after, "{before:?}");
    }
}

#[test]
fn comments_in_arrays_keep_their_lines() {
    let before =
        "l=[ # open\n\n 1 # one\n , # comma\n # own\n\n\n 2,3, # three\n\n # end\n\n]#out\n";
    let after = "\
l = [ # open
    1, # one
    # comma
    # own

    2,
    3, # three

    # end
] #out
";
    assert_eq!(format(before), after);
    assert_eq!(format("l=[# only\n]"), "l = [ # only\n]\n");
    assert_eq!(
        format("t={a=1,# one\nb=2}"),
        "t = {\n    a = 1, # one\n    b = 2,\n}\n"
    );
    assert_eq!(
        format("t={a=[1,# one\n2],b=3}"),
        "t = { a = [\n    1, # one\n    2,\n], b = 3 }\n"
    );
}

#[test]
fn long_arrays_have_one_element_per_line() {
    let long = "x".repeat(92);
    let fits = format!("l = ['{long}']\n");
    assert_eq!(fits.chars().count(), 101);
    assert_eq!(format(&fits), fits);
    assert_eq!(format(&format!("l = [\n'{long}',\n]")), fits);
    let comment = format!("l = ['{long}'] # beyond the limit\n");
    assert_eq!(format(&comment), comment);

    let long = "é".repeat(48);
    assert_eq!(
        format(&format!("l=['{long}','{long}']")),
        format!("l = [\n    '{long}',\n    '{long}',\n]\n")
    );
    // An inline table stays on its line, as TOML 1.0 demands.
    assert_eq!(
        format(&format!("l={{a='{long}',b=['{long}']}}")),
        format!("l = {{ a = '{long}', b = [\n    '{long}',\n] }}\n")
    );
    assert_eq!(
        format(&format!("l={{\na='{long}',b='{long}'}}")),
        format!("l = {{\n    a = '{long}',\n    b = '{long}',\n}}\n")
    );
}

#[test]
fn invalid_documents_are_not_formatted() {
    for text in ["a", "a=[1", "[a", "a={b=1", "a=1 b=2"] {
        assert_eq!(layout::format(text), None, "{text:?}");
    }
}

/// Returns the values of a document as text, independent of its layout.
fn values(text: &str) -> String {
    let document = DeTable::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    shown(&DeValue::Table(document.into_inner()))
}

fn shown(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("{text:?}"),
        DeValue::Array(items) => {
            let items = items.iter().map(|item| shown(item.get_ref()));
            format!("[{}]", items.collect::<Vec<_>>().join(","))
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (&toml::Spanned<_>, &toml::Spanned<_>)| {
                let key: &std::borrow::Cow<'_, str> = key.get_ref();
                format!("{key:?}:{}", shown(value.get_ref()))
            };
            format!(
                "{{{}}}",
                table.iter().map(entry).collect::<Vec<_>>().join(",")
            )
        }
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn assert_kept(text: &str) {
    let once = format(text);
    assert_eq!(values(text), values(&once), "{text}\n---\n{once}");
    assert_eq!(
        syntax::essence(text),
        syntax::essence(&once),
        "{text}\n---\n{once}"
    );
    assert_eq!(format(&once), once, "{text}\n---\n{once}");
    let outside_strings = once.replace("\"\"\"A\r\n \t B  \"\"\"", "S");
    for line in outside_strings.lines() {
        assert_eq!(line, line.trim_end(), "{text}\n---\n{once}");
    }
    assert!(
        !once.contains("\n\n\n") && !once.starts_with('\n') && !once.ends_with("\n\n"),
        "{once}"
    );
}

#[test]
fn dotted_keys_and_quoted_keys_keep_their_order_and_spelling() {
    let text = "\
webhook.url = 'http://a'
name = 'x'
\"webhook\".secret = 'y'

[b]
z.b = 1
y = 2
z.a = 3

[a]

[b.c]

[[d]]

[a.b]

[[d]]
";
    assert_eq!(format(text), text);
    assert_kept(text);
}

/// Writes random documents. The numbers are reproducible: a failure names its document.
struct Writer {
    state: u64,
    keys: usize,
    text: String,
}

impl Writer {
    fn below(&mut self, bound: usize) -> usize {
        // xorshift64, which has no state 0.
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % bound as u64).unwrap()
    }

    fn one_of(&mut self, texts: &[&str]) {
        let index = self.below(texts.len());
        self.text.push_str(texts[index]);
    }

    fn space(&mut self) {
        self.one_of(&["", "", " ", "  ", "\t"]);
    }

    /// White space that may have line breaks and comments.
    fn gap(&mut self) {
        for _ in 0..self.below(4) {
            self.space();
            if self.below(3) == 0 {
                self.comment();
            }
        }
    }

    fn comment(&mut self) {
        self.one_of(&["", "#", "# a comment  ", "#k = 1", "#[t]", "#\tü # \"'{["]);
        self.one_of(&["\n", "\r\n"]);
    }

    fn key(&mut self) {
        self.keys += 1;
        let key = format!("k{}", self.keys);
        match self.below(5) {
            0 => self.text.push_str(&format!("'{key} x'")),
            1 => self.text.push_str(&format!("\"{key}\\t\"")),
            2 => self.text.push_str(&format!("{key} . a.\t'b'")),
            _ => self.text.push_str(&key),
        }
    }

    fn value(&mut self, depth: usize) {
        let kinds = if depth < 4 { 5 } else { 3 };
        match self.below(kinds) {
            0 | 1 => self.one_of(&[
                "1",
                "0x1F",
                "1_000.5e-3",
                "inf",
                "true",
                "1979-05-27 07:32:00.5Z",
                "07:32:00",
                "\"a\\\"#b\"",
                "'c:\\d # e'",
                "'''x''y'''",
                "\"\"\"A\r\n \t B  \"\"\"",
            ]),
            2 => {
                let length = self.below(70);
                self.text.push_str(&format!("'{}'", "é".repeat(length)));
            }
            3 => self.group(depth, "[", "]"),
            _ => self.group(depth, "{", "}"),
        }
    }

    fn group(&mut self, depth: usize, open: &str, close: &str) {
        self.text.push_str(open);
        let count = self.below(4);
        for index in 0..count {
            self.gap();
            if open == "{" {
                self.key();
                self.space();
                self.text.push('=');
                self.space();
            }
            self.value(depth + 1);
            self.gap();
            if index + 1 < count || self.below(2) == 0 {
                self.text.push(',');
            }
        }
        self.gap();
        self.text.push_str(close);
    }

    fn document(&mut self) {
        for _ in 0..self.below(8) {
            self.gap();
            match self.below(6) {
                0 => {
                    self.comment();
                    continue;
                }
                1 => {
                    self.one_of(&["[", "[ "]);
                    self.key();
                    self.one_of(&["]", " ]"]);
                }
                2 => {
                    self.text.push_str("[[");
                    self.key();
                    self.text.push_str("]]");
                }
                _ => {
                    self.key();
                    self.space();
                    self.text.push('=');
                    self.space();
                    self.value(0);
                }
            }
            self.space();
            self.comment();
        }
    }
}

#[test]
fn random_documents_keep_values_comments_and_order() {
    for seed in 1..4000_u64 {
        let mut writer = Writer {
            state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            keys: 0,
            text: String::new(),
        };
        writer.document();
        assert_kept(&writer.text);
    }
}

/// The parser accepts more than the specification of TOML, and that is formatted, too.
#[test]
fn every_document_that_toml_accepts_can_be_formatted() {
    let text = include_str!("../../fuzz/corpus/config/layout.toml");
    let pieces = [
        "\n", "\r\n", "\r", "\n# c\n", "#", " ", "\t", "\u{a0}", "\u{feff}", "'", "\"", "'''",
        "\"\"\"", ",", ".", "=", "[", "]", "{", "}", "\\",
    ];
    let mut accepted = 0;
    for piece in pieces {
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let changed = format!("{}{piece}{}", &text[..at], &text[at..]);
            if DeTable::parse(&changed).is_ok() {
                let formatted = super::fmt::format(&changed);
                assert!(formatted.is_some(), "{piece:?} at {at}:\n{changed}");
                accepted += 1;
            }
        }
    }
    assert!(accepted > 1000, "{accepted}");
}
