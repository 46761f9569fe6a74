//! Commands that people write in a chat: `!weather {city} {days?}`.

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
pub(super) use self::help::help;
pub(crate) use self::words::split as split_words;
use super::PatternError;
use crate::extract::Placeholders;

/// A command that people write in a chat: one word or several, then placeholders.
///
/// | text | what people write |
/// |---|---|
/// | `!roll` | `!roll` |
/// | `!weather {city}` | `!weather Oslo`, `!Weather New York` |
/// | `!weather {city} {days?}` | also `!weather "New York" 3` |
/// | `!list add {item}` | `!list add two eggs` |
///
/// Case plays no part in the words of a command. Quotation marks hold words together, and the last
/// placeholder takes everything that is left. An extractor [`Args`](crate::extract::Args) takes
/// what stands for the placeholders.
///
/// A pair is a command and its line in the list of commands: `("!roll", "Rolls a die")`.
#[derive(Debug, Clone)]
pub struct ChatCommand {
    /// The words in lower case, with one space between two.
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
    /// Sets its line in the list of commands.
    #[must_use]
    pub fn help(mut self, line: &str) -> Self {
        self.help = Some(line.into());
        self
    }

    /// How it is written, as manuals have it: `!weather <city> [days]`.
    #[must_use]
    pub fn usage(&self) -> String {
        let parameter = |parameter: &Parameter| match parameter.optional {
            true => format!(" [{}]", parameter.name),
            false => format!(" <{}>", parameter.name),
        };
        self.words.to_string() + &self.parameters.iter().map(parameter).collect::<String>()
    }

    /// The names of its placeholders, in their order.
    pub(super) fn placeholders(&self) -> Vec<Arc<str>> {
        self.parameters
            .iter()
            .map(|parameter| Arc::clone(&parameter.name))
            .collect()
    }

    /// What stands for the placeholders in what somebody wrote, or what is missing.
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

    /// What stands before the first letter: `!` or `/`, or nothing. Commands that share it have one
    /// list.
    fn sign(&self) -> &str {
        let letter = self
            .words
            .find(char::is_alphanumeric)
            .unwrap_or(self.words.len());
        &self.words[..letter]
    }
}

/// Two commands are equal when they begin with the same words: nobody could tell them apart.
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
                        "a placeholder, such as {city}, stands between spaces",
                    ));
                }
                words.push(part.to_lowercase());
                continue;
            };
            let (name, optional) = inner
                .strip_suffix('?')
                .map_or((inner, false), |name| (name, true));
            if name.is_empty() || parameters.iter().any(|other| *other.name == *name) {
                return Err(wrong("every placeholder has a name of its own"));
            }
            if !optional && parameters.last().is_some_and(|before| before.optional) {
                return Err(wrong("what may be left out stands behind what may not"));
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
            ([], _) => Err(wrong("it begins with a word")),
            (_, false) => Err(wrong("its words stand before its placeholders")),
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
