//! Commands typed in a chat: `!weather {city} {days?}`.

mod call;
mod command_index;
mod help;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub(super) use self::call::CommandCall;
pub(super) use self::command_index::CommandIndex;
pub(super) use self::help::{Candidate, help};
pub(crate) use self::words::split as split_words;
use super::PatternError;
use crate::extract::Placeholders;

/// A command that users type in a chat: one or more words, followed by placeholders.
///
/// | pattern | matching messages |
/// |---|---|
/// | `!roll` | `!roll` |
/// | `!weather {city}` | `!weather Oslo`, `!Weather New York` |
/// | `!weather {city} {days?}` | also `!weather "New York" 3` |
/// | `!list add {item}` | `!list add two eggs` |
///
/// Words are matched case-insensitively. Quotation marks group words into one argument, and the
/// last placeholder takes the rest of the message. A placeholder that ends with `?` is optional.
/// Handlers read the arguments with the [`Args`](crate::extract::Args) extractor.
///
/// A pair sets the description in the command list: `("!roll", "Rolls a die")`.
#[derive(Debug, Clone)]
pub struct ChatCommand {
    /// Lowercase words, separated by single spaces.
    words: Box<str>,
    parameters: Arc<[Parameter]>,
    help: Option<Arc<str>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    name: Arc<str>,
    optional: bool,
}

impl ChatCommand {
    /// Sets the description in the command list.
    #[must_use]
    pub fn help(mut self, line: &str) -> Self {
        self.help = Some(line.into());
        self
    }

    /// Returns the usage line: `!weather <city> [days]`.
    #[must_use]
    pub fn usage(&self) -> String {
        let parameter = |parameter: &Parameter| match parameter.optional {
            true => format!(" [{}]", parameter.name),
            false => format!(" <{}>", parameter.name),
        };
        self.words.to_string() + &self.parameters.iter().map(parameter).collect::<String>()
    }

    /// Returns the names of the placeholders, in order.
    pub(super) fn placeholders(&self) -> Vec<Arc<str>> {
        self.parameters
            .iter()
            .map(|parameter| Arc::clone(&parameter.name))
            .collect()
    }

    /// Parses the arguments of a message. The error is a text for the user.
    fn arguments(&self, written: &str) -> Result<Placeholders, String> {
        let rest = words::skip(written, self.words.split(' ').count());
        let mut texts = words::split(rest, self.parameters.len()).into_iter();
        let mut found = Placeholders::default();
        for Parameter { name, optional } in self.parameters.iter() {
            match texts.next() {
                None if !optional => return Err(format!("{name} is missing")),
                text => found.push(name, text),
            }
        }
        Ok(found)
    }

    /// Returns the characters before the first letter or digit, such as `!` or `/`, possibly none.
    /// Commands with the same prefix share one help command.
    fn sign(&self) -> &str {
        let letter = self
            .words
            .find(char::is_alphanumeric)
            .unwrap_or(self.words.len());
        &self.words[..letter]
    }
}

/// Two commands are equal if they start with the same words, since no message could select between
/// them.
impl PartialEq for ChatCommand {
    fn eq(&self, other: &Self) -> bool {
        self.words == other.words
    }
}

impl Eq for ChatCommand {}

impl fmt::Display for ChatCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl FromStr for ChatCommand {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        let wrong = |why: &str| PatternError::new(text, "command", why);
        let mut words = Vec::new();
        let mut parameters = Vec::<Parameter>::new();
        for part in text.split_whitespace() {
            let Some(inner) = part
                .strip_prefix('{')
                .and_then(|part| part.strip_suffix('}'))
            else {
                if part.contains(['{', '}']) {
                    return Err(wrong(
                        "a placeholder such as {city} must be surrounded by spaces",
                    ));
                }
                words.push(part.to_lowercase());
                continue;
            };
            let (name, optional) = inner
                .strip_suffix('?')
                .map_or((inner, false), |name| (name, true));
            if name.is_empty() || parameters.iter().any(|other| *other.name == *name) {
                return Err(wrong("placeholder names must be unique and not empty"));
            }
            if !optional && parameters.last().is_some_and(|before| before.optional) {
                return Err(wrong("optional placeholders must come last"));
            }
            parameters.push(Parameter {
                name: name.into(),
                optional,
            });
        }
        let in_order = text.find('{').is_none_or(|first| {
            !text[first..]
                .split_whitespace()
                .any(|part| !part.starts_with('{'))
        });
        match (words.as_slice(), in_order) {
            ([], _) => Err(wrong("a command must start with a word")),
            (_, false) => Err(wrong("placeholders must come after the words")),
            (words, true) => Ok(Self {
                words: words.join(" ").into(),
                parameters: parameters.into(),
                help: None,
            }),
        }
    }
}

impl TryFrom<&str> for ChatCommand {
    type Error = PatternError;

    fn try_from(text: &str) -> Result<Self, PatternError> {
        text.parse()
    }
}

impl TryFrom<(&str, &str)> for ChatCommand {
    type Error = PatternError;

    fn try_from((text, help): (&str, &str)) -> Result<Self, PatternError> {
        Ok(text.parse::<Self>()?.help(help))
    }
}
