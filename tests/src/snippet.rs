//! Configuration snippets from `deploy/`, filled in as an operator would.
//!
//! Every edit must match: a snippet that no longer contains a documented line fails the tests.

use std::path::Path;

/// Domain used in the snippets.
pub const DOMAIN: &str = "echo.example.org";
/// Secret used in the snippets.
pub const SECRET: &str = "\"change-me\"";

/// A configuration snippet.
#[derive(Debug, Clone)]
pub struct Snippet {
    name: String,
    text: String,
}

impl Snippet {
    /// Reads a file in `deploy/`.
    pub fn read(name: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../deploy")
            .join(name);
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self {
            name: name.to_owned(),
            text,
        }
    }

    /// Replaces every occurrence of `old` with `new`.
    #[must_use]
    pub fn replace(mut self, old: &str, new: &str) -> Self {
        assert!(
            self.text.contains(old),
            "deploy/{} no longer contains {old}",
            self.name
        );
        self.text = self.text.replace(old, new);
        self
    }

    /// Sets an option, even if it is commented out in the snippet.
    #[must_use]
    pub fn set(self, key: &str, value: &str) -> Self {
        self.edit(key, |line| {
            let at = line.find(key)?;
            let indent: String = line.chars().take_while(|sign| *sign == ' ').collect();
            let sign = line[at + key.len()..].trim_start().get(..1)?;
            let sign = if sign == "=" { " = " } else { ": " };
            Some(format!("{indent}{key}{sign}{value}\n"))
        })
    }

    /// Removes the line of an option.
    #[must_use]
    pub fn without(self, key: &str) -> Self {
        self.edit(key, |_| Some(String::new()))
    }

    /// Replaces the line of an option with the result of `lines`, which may be several lines.
    #[must_use]
    pub fn repeat(self, key: &str, lines: impl Fn(&str) -> String) -> Self {
        self.edit(key, |line| Some(lines(line)))
    }

    /// Returns the text after a header line, such as the items of a YAML list.
    pub fn below(&self, header: &str) -> &str {
        let at = self.text.find(&format!("\n{header}\n"));
        let at = at
            .unwrap_or_else(|| panic!("deploy/{} no longer contains the line {header}", self.name));
        &self.text[at + header.len() + 2..]
    }

    /// Returns the whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    fn edit(mut self, key: &str, change: impl Fn(&str) -> Option<String>) -> Self {
        let mut found = 0;
        let changed = self.text.split_inclusive('\n').map(|line| {
            let bare = line
                .trim_start()
                .trim_start_matches(['-', '#'])
                .trim_start();
            let rest = bare.strip_prefix(key).map(str::trim_start);
            if rest.is_some_and(|rest| rest.starts_with(['=', ':'])) {
                found += 1;
                change(line).unwrap_or_else(|| line.to_owned())
            } else {
                line.to_owned()
            }
        });
        self.text = changed.collect();
        assert_eq!(
            found, 1,
            "deploy/{} must have exactly one line for {key}",
            self.name
        );
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snippet(text: &str) -> Snippet {
        Snippet {
            name: "x".to_owned(),
            text: text.to_owned(),
        }
    }

    #[test]
    fn commented_option_is_set() {
        let lua = snippet("a = 1 -- words\n  -- b = \"x\"\n-- about b\n")
            .set("a", "2")
            .set("b", "\"y\"");
        assert_eq!(lua.text(), "a = 2\n  b = \"y\"\n-- about b\n");
        let yaml = snippet("\nlisten:\n  -\n    backlog: 128\n    x: 1\n")
            .set("backlog", "5")
            .without("x");
        assert_eq!(yaml.below("listen:"), "  -\n    backlog: 5\n");
    }

    #[test]
    #[should_panic(expected = "must have exactly one line for c")]
    fn missing_option_panics() {
        let _ = snippet("a = 1\n").set("c", "2");
    }
}
