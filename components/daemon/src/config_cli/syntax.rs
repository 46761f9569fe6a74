//! The lines of a TOML document, with comments and in the order of the file.
//!
//! Built from the events of the parser that `toml` itself uses. `toml_edit` is not an alternative:
//! it groups dotted keys by table and spells a key as at its first occurrence, so even an unedited
//! document may come out in another order, or with other quotation marks.

use toml_parser::parser::{Event, EventKind, parse_document};
use toml_parser::{ParseError, Source};

/// One line of a document, or several for a value with line breaks.
pub(super) enum Line<'t> {
    Blank,
    Comment(&'t str),
    Header {
        text: String,
        comment: Option<&'t str>,
    },
    Entry(Entry<'t>),
}

/// A value with its key, or an element of an array.
pub(super) struct Entry<'t> {
    pub(super) key: Option<String>,
    pub(super) value: Value<'t>,
    /// The comment behind the value.
    pub(super) comment: Option<&'t str>,
}

pub(super) enum Value<'t> {
    /// A string, number, boolean or date, as written.
    Scalar(&'t str),
    Group(Group<'t>),
}

/// An array or an inline table.
#[derive(Default)]
pub(super) struct Group<'t> {
    pub(super) is_array: bool,
    /// `true` for a line break between the brackets, outside of nested values.
    pub(super) has_line_breaks: bool,
    /// The comment behind the opening bracket.
    pub(super) comment: Option<&'t str>,
    pub(super) items: Vec<Item<'t>>,
}

pub(super) enum Item<'t> {
    Blank,
    Comment(&'t str),
    Entry(Entry<'t>),
}

/// Parses a document. Returns `None` for misplaced keys and brackets; values are not validated.
pub(super) fn parse(text: &str) -> Option<Vec<Line<'_>>> {
    Reader {
        text,
        events: events(text)?.into_iter(),
    }
    .document()
}

/// Returns what must survive formatting: keys, values and brackets, and the comments.
///
/// Commas are left out, since a comma moves before the comment of its element, and a last element
/// gains or loses one.
pub(super) fn essence(text: &str) -> Option<[Vec<&str>; 2]> {
    let mut code = Vec::new();
    let mut comments = Vec::new();
    for event in events(text)? {
        let raw = text.get(event.span().start()..event.span().end())?;
        match event.kind() {
            EventKind::Whitespace | EventKind::Newline | EventKind::ValueSep => {}
            EventKind::Comment => comments.push(raw.trim_end()),
            _ => code.push(raw),
        }
    }
    Some([code, comments])
}

fn events(text: &str) -> Option<Vec<Event>> {
    let tokens = Source::new(text).lex().into_vec();
    let mut events: Vec<Event> = Vec::with_capacity(tokens.len());
    let mut error: Option<ParseError> = None;
    parse_document(&tokens, &mut events, &mut error);
    error.is_none().then_some(events)
}

/// Reads events one by one. Every method returns `None` for an event that is out of place.
struct Reader<'t> {
    text: &'t str,
    events: std::vec::IntoIter<Event>,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<(EventKind, &'t str)> {
        let event = self.events.next()?;
        let raw = self.text.get(event.span().start()..event.span().end())?;
        Some((event.kind(), raw))
    }

    fn document(mut self) -> Option<Vec<Line<'t>>> {
        let mut lines = Vec::new();
        let mut at_start = true;
        while let Some((kind, raw)) = self.next() {
            match kind {
                EventKind::Whitespace => continue,
                EventKind::Newline if at_start => lines.push(Line::Blank),
                EventKind::Newline => {}
                EventKind::Comment if at_start => lines.push(Line::Comment(raw.trim_end())),
                EventKind::Comment => append(lines.last_mut()?, raw.trim_end())?,
                EventKind::StdTableOpen | EventKind::ArrayTableOpen => {
                    lines.push(Line::Header {
                        text: self.header(raw)?,
                        comment: None,
                    });
                }
                EventKind::SimpleKey => {
                    let (entry, comments) = self.keyed(raw)?;
                    lines.extend(comments.into_iter().map(Line::Comment));
                    lines.push(Line::Entry(entry));
                }
                _ => return None,
            }
            at_start = kind == EventKind::Newline;
        }
        Some(lines)
    }

    fn header(&mut self, open: &str) -> Option<String> {
        let mut text = open.to_owned();
        loop {
            match self.next()? {
                (EventKind::Whitespace, _) => {}
                (EventKind::SimpleKey | EventKind::KeySep, raw) => text.push_str(raw),
                (EventKind::StdTableClose | EventKind::ArrayTableClose, raw) => {
                    text.push_str(raw);
                    return Some(text);
                }
                _ => return None,
            }
        }
    }

    /// Reads the rest of a key, and its value, with the comments between the two.
    ///
    /// The parser of `toml` accepts line breaks and comments there within an inline table.
    fn keyed(&mut self, first: &str) -> Option<(Entry<'t>, Vec<&'t str>)> {
        let mut key = first.to_owned();
        let mut comments = Vec::new();
        loop {
            match self.next()? {
                (EventKind::Whitespace | EventKind::Newline | EventKind::KeyValSep, _) => {}
                (EventKind::Comment, raw) => comments.push(raw.trim_end()),
                (EventKind::SimpleKey | EventKind::KeySep, raw) => key.push_str(raw),
                (kind, raw) => {
                    let entry = Entry {
                        key: Some(key),
                        value: self.value(kind, raw)?,
                        comment: None,
                    };
                    return Some((entry, comments));
                }
            }
        }
    }

    fn value(&mut self, kind: EventKind, raw: &'t str) -> Option<Value<'t>> {
        match kind {
            EventKind::Scalar => Some(Value::Scalar(raw)),
            EventKind::ArrayOpen => Some(Value::Group(self.group(true)?)),
            EventKind::InlineTableOpen => Some(Value::Group(self.group(false)?)),
            _ => None,
        }
    }

    /// Reads a group up to its closing bracket.
    fn group(&mut self, is_array: bool) -> Option<Group<'t>> {
        let mut group = Group {
            is_array,
            ..Group::default()
        };
        let mut at_start = false;
        loop {
            let (kind, raw) = self.next()?;
            match kind {
                EventKind::Whitespace => continue,
                EventKind::Newline if at_start => group.blank(),
                EventKind::Newline => group.has_line_breaks = true,
                EventKind::Comment => group.comment(raw.trim_end(), at_start),
                EventKind::ValueSep => {}
                EventKind::SimpleKey => {
                    let (entry, comments) = self.keyed(raw)?;
                    group.has_line_breaks |= !comments.is_empty();
                    let comments = comments.into_iter().map(Item::Comment);
                    group.items.extend(comments.chain([Item::Entry(entry)]));
                }
                EventKind::ArrayClose | EventKind::InlineTableClose => {
                    group.close();
                    return Some(group);
                }
                _ => group.items.push(Item::Entry(Entry {
                    key: None,
                    value: self.value(kind, raw)?,
                    comment: None,
                })),
            }
            at_start = kind == EventKind::Newline;
        }
    }
}

/// Adds a comment behind a header or a value.
fn append<'t>(line: &mut Line<'t>, text: &'t str) -> Option<()> {
    match line {
        Line::Header { comment, .. } | Line::Entry(Entry { comment, .. }) => *comment = Some(text),
        Line::Blank | Line::Comment(_) => return None,
    }
    Some(())
}

impl<'t> Group<'t> {
    /// Adds an empty line, unless there is one, or it is the first.
    fn blank(&mut self) {
        if !matches!(self.items.last(), None | Some(Item::Blank)) {
            self.items.push(Item::Blank);
        }
    }

    /// Adds a comment: to what stands before it on its line, or on a line of its own.
    fn comment(&mut self, text: &'t str, at_start: bool) {
        let place = match self.items.last_mut() {
            None => Some(&mut self.comment),
            Some(Item::Entry(entry)) => Some(&mut entry.comment),
            Some(_) => None,
        };
        match place {
            Some(place @ None) if !at_start => *place = Some(text),
            _ => self.items.push(Item::Comment(text)),
        }
    }

    fn close(&mut self) {
        if matches!(self.items.last(), Some(Item::Blank)) {
            self.items.pop();
        }
    }

    /// Returns `true` for a comment between the brackets, also in nested values.
    pub(super) fn has_comments(&self) -> bool {
        self.comment.is_some()
            || self.items.iter().any(|item| match item {
                Item::Blank => false,
                Item::Comment(_) => true,
                Item::Entry(entry) => entry.comment.is_some() || entry.value.has_comments(),
            })
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<'t>> {
        self.items.iter().filter_map(|item| match item {
            Item::Entry(entry) => Some(entry),
            Item::Blank | Item::Comment(_) => None,
        })
    }
}

impl Value<'_> {
    fn has_comments(&self) -> bool {
        match self {
            Self::Scalar(_) => false,
            Self::Group(group) => group.has_comments(),
        }
    }
}
