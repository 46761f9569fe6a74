//! Mentions of a nick, at the beginning of a message or anywhere in it.

/// Returns the text after the nick and its colon or comma, if the message begins with it, as in
/// `bot: help`, `bot, help`, `@bot help` and `bot help`.
///
/// The case of letters is ignored, as people do.
#[must_use]
pub fn addressed<'b>(body: &'b str, nick: &str) -> Option<&'b str> {
    let body = body.trim_start();
    let body = body.strip_prefix('@').unwrap_or(body);
    let rest = strip_nick(body, nick)?;
    let after = rest.trim_start_matches([':', ',']);
    if after.is_empty() || after.len() != rest.len() || after.starts_with(char::is_whitespace) {
        return Some(after.trim_start());
    }
    None
}

/// Returns `true` if the text has the nick as a word of its own.
#[must_use]
pub fn mentions(body: &str, nick: &str) -> bool {
    let mut before = None;
    for (at, c) in body.char_indices() {
        let begins = !before.is_some_and(char::is_alphanumeric);
        if begins
            && let Some(rest) = strip_nick(&body[at..], nick)
            && !rest.starts_with(char::is_alphanumeric)
        {
            return true;
        }
        before = Some(c);
    }
    false
}

/// Removes the nick, in any case of letters.
fn strip_nick<'b>(body: &'b str, nick: &str) -> Option<&'b str> {
    let mut rest = body.chars();
    let mut is_empty = true;
    for wanted in nick.chars() {
        let found = rest.next()?;
        if found != wanted && !found.to_lowercase().eq(wanted.to_lowercase()) {
            return None;
        }
        is_empty = false;
    }
    (!is_empty).then_some(rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_begins_with_the_nick() {
        let cases = [
            ("bot: help me", Some("help me")),
            ("Bot, help", Some("help")),
            ("@bot help", Some("help")),
            ("  bot   help", Some("help")),
            ("bot", Some("")),
            ("bot:", Some("")),
            ("bot:help", Some("help")),
            ("bottle", None),
            ("hello bot", None),
            ("", None),
        ];
        for (body, expected) in cases {
            assert_eq!(addressed(body, "bot"), expected, "{body}");
        }
        assert_eq!(addressed("ÖLÖF: hej", "ölöf"), Some("hej"));
        assert_eq!(addressed("my bot: x", "my bot"), Some("x"));
        assert_eq!(addressed("anything", ""), None);
    }

    #[test]
    fn mentions_are_whole_words() {
        let cases = [
            ("ask the bot, please", true),
            ("(bot)", true),
            ("Bot!", true),
            ("robots", false),
            ("bots", false),
            ("über-bot", true),
            ("ubot", false),
            ("", false),
        ];
        for (body, expected) in cases {
            assert_eq!(mentions(body, "bot"), expected, "{body}");
        }
        assert!(!mentions("anything", ""));
    }
}
