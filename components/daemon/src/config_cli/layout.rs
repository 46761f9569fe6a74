//! The layout of a formatted configuration file.
//!
//! Only white space changes, and the comma behind the last element of an array. Strings, numbers
//! and comments stay as written, and so does the order of keys and tables.

use super::syntax::{self, Entry, Group, Item, Line, Value};

/// Arrays beyond this column have one element per line.
const WIDTH: usize = 100;
const INDENT: usize = 4;

/// Formats a document. Returns `None` for misplaced keys and brackets; values are not
/// validated.
pub(super) fn format(text: &str) -> Option<String> {
    let lines = syntax::parse(text)?;
    let sections = sections(&lines);
    let mut page = Page::default();
    let mut blank = false;
    for (line, is_section) in lines.iter().zip(sections) {
        if matches!(line, Line::Blank) {
            blank = true;
            continue;
        }
        if (blank || is_section) && !page.text.is_empty() {
            page.text.push('\n');
        }
        page.line(line);
        blank = false;
    }
    Some(page.text)
}

/// Marks each line that starts a section: a header, or the first line of the comment above it.
fn sections(lines: &[Line<'_>]) -> Vec<bool> {
    let mut marks = vec![false; lines.len()];
    for (index, _) in lines
        .iter()
        .enumerate()
        .filter(|(_, line)| matches!(line, Line::Header { .. }))
    {
        let above = lines[..index].iter().rev();
        let comments = above
            .take_while(|line| matches!(line, Line::Comment(text) if !is_disabled_setting(text)));
        marks[index - comments.count()] = true;
    }
    marks
}

/// Returns `true` for a setting or a header that is commented out, such as `#name = "Echo"`.
///
/// Such a line belongs to the table above it, not to the header below it.
fn is_disabled_setting(comment: &str) -> bool {
    let text = comment.trim_start_matches('#');
    let is_key = |key: &str| {
        let of_key = |c: char| c.is_ascii_alphanumeric() || "_-.\"'".contains(c);
        key.starts_with(|c: char| c.is_ascii_alphanumeric() || "_\"'".contains(c))
            && key.trim_end().chars().all(of_key)
    };
    text.starts_with('[') || text.split_once('=').is_some_and(|(key, _)| is_key(key))
}

/// The text written so far.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn line(&mut self, line: &Line<'_>) {
        let comment = match line {
            Line::Blank => None,
            Line::Comment(text) => {
                self.text.push_str(text);
                None
            }
            Line::Header { text, comment } => {
                self.text.push_str(text);
                *comment
            }
            Line::Entry(entry) => {
                self.entry(entry, 0, 0);
                entry.comment
            }
        };
        self.end(comment);
    }

    /// Ends a line, with the comment behind it.
    fn end(&mut self, comment: Option<&str>) {
        if let Some(comment) = comment {
            self.text.push(' ');
            self.text.push_str(comment);
        }
        self.text.push('\n');
    }

    /// Writes a value with its key. `reserve` is the number of characters that follow on the line.
    fn entry(&mut self, entry: &Entry<'_>, indent: usize, reserve: usize) {
        if let Some(key) = &entry.key {
            self.text.push_str(key);
            self.text.push_str(" = ");
        }
        let group = match &entry.value {
            Value::Scalar(text) => return self.text.push_str(text),
            Value::Group(group) => group,
        };
        if !group.has_comments() {
            let flat = flat_group(group);
            if group.items.is_empty() || self.fits(&flat, reserve) {
                return self.text.push_str(&flat);
            }
        }
        // A line break within an inline table needs TOML 1.1, so none is added.
        if group.is_array || group.has_line_breaks {
            self.broken(group, indent);
        } else {
            self.inline(group, indent);
        }
    }

    /// Writes a group with one element per line.
    fn broken(&mut self, group: &Group<'_>, indent: usize) {
        self.text.push(if group.is_array { '[' } else { '{' });
        self.end(group.comment);
        for item in &group.items {
            if !matches!(item, Item::Blank) {
                self.pad(indent + INDENT);
            }
            let comment = match item {
                Item::Blank => None,
                Item::Comment(text) => {
                    self.text.push_str(text);
                    None
                }
                Item::Entry(entry) => {
                    self.entry(entry, indent + INDENT, 1);
                    self.text.push(',');
                    entry.comment
                }
            };
            self.end(comment);
        }
        self.pad(indent);
        self.text.push(if group.is_array { ']' } else { '}' });
    }

    /// Writes an inline table in which only nested arrays may have line breaks.
    fn inline(&mut self, group: &Group<'_>, indent: usize) {
        self.text.push_str("{ ");
        for (index, entry) in group.entries().enumerate() {
            if index > 0 {
                self.text.push_str(", ");
            }
            self.entry(entry, indent, 2);
        }
        self.text.push_str(" }");
    }

    fn pad(&mut self, indent: usize) {
        self.text.extend(std::iter::repeat_n(' ', indent));
    }

    /// Returns `true` if a text fits in the rest of the line. It may have line breaks in strings.
    fn fits(&self, text: &str, reserve: usize) -> bool {
        let column = self.text.rsplit('\n').next().map_or(0, width);
        let mut lines = text.split('\n').map(width);
        let first = column + lines.next().unwrap_or_default();
        let last = lines.next_back().unwrap_or(first) + reserve;
        first <= WIDTH && last <= WIDTH
    }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

/// Formats a value on one line.
fn flat(value: &Value<'_>) -> String {
    match value {
        Value::Scalar(text) => (*text).to_owned(),
        Value::Group(group) => flat_group(group),
    }
}

fn flat_group(group: &Group<'_>) -> String {
    let entry = |entry: &Entry<'_>| match &entry.key {
        Some(key) => format!("{key} = {}", flat(&entry.value)),
        None => flat(&entry.value),
    };
    let entries = group.entries().map(entry).collect::<Vec<_>>().join(", ");
    match (group.is_array, entries.is_empty()) {
        (true, _) => format!("[{entries}]"),
        (false, true) => "{}".to_owned(),
        (false, false) => format!("{{ {entries} }}"),
    }
}
