//! Export formats (JSON lines, CSV, plain text) and import.

use campanile::jid::BareJid;
use serde_json::{Value, json as object};

use crate::new_entry::NewEntry;
use crate::store::Entry;
use crate::{time, xml};

/// Formats an entry as a JSON object on one line.
#[must_use]
pub fn json(entry: &Entry) -> String {
    let mut line = object!({
        "id": entry.id,
        "time": time::format(entry.place),
        "archive": entry.archive,
        "from": entry.from,
        "to": entry.to,
        "kind": entry.class.as_str(),
    });
    match &entry.stanza {
        Some(stanza) => {
            line["body"] = body(stanza).into();
            line["stanza"] = stanza.as_str().into();
        }
        None => line["erased"] = true.into(),
    }
    line.to_string()
}

/// Formats an entry like [`json`], without its stanza and body if the line would exceed `most`
/// bytes.
pub(crate) fn json_within(entry: &Entry, most: usize) -> String {
    let line = json(entry);
    if line.len() <= most {
        return line;
    }
    object!({
        "id": entry.id,
        "time": time::format(entry.place),
        "archive": entry.archive,
        "from": entry.from,
        "to": entry.to,
        "kind": entry.class.as_str(),
        "too_large": entry.stanza.as_ref().map(String::len),
    })
    .to_string()
}

/// The header line of [`csv`].
pub const CSV_HEAD: &str = "id,time,archive,from,to,kind,body,stanza";

/// Formats an entry as a line of CSV (RFC 4180). Cells that a spreadsheet would read as a formula
/// are prefixed with an apostrophe.
#[must_use]
pub fn csv(entry: &Entry) -> String {
    let stanza = entry.stanza.as_deref().unwrap_or_default();
    let body = body(stanza).unwrap_or_default();
    let time = time::format(entry.place);
    let cells = [
        &entry.id,
        &time,
        &entry.archive,
        &entry.from,
        &entry.to,
        entry.class.as_str(),
        &body,
        stanza,
    ]
    .map(cell);
    cells.join(",")
}

fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let guard = if formula { "'" } else { "" };
    format!("\"{guard}{}\"", text.replace('"', "\"\""))
}

/// Formats an entry as a line for a terminal.
///
/// Control characters and bidirectional formatting are escaped, so that an entry can neither move
/// the cursor nor forge a line.
#[must_use]
pub fn text(entry: &Entry) -> String {
    let said = match &entry.stanza {
        None => "(erased)".to_owned(),
        Some(stanza) => body(stanza).unwrap_or_else(|| stanza.clone()),
    };
    let mut line = format!(
        "{} {} → {}: ",
        time::format(entry.place),
        entry.from,
        entry.to
    );
    for c in said.chars() {
        match c {
            '\n' => line.push_str("\\n"),
            c if c.is_control() || is_direction(c) => line.extend(c.escape_unicode()),
            c => line.push(c),
        }
    }
    line
}

fn is_direction(c: char) -> bool {
    matches!(
        c,
        '\u{2028}' | '\u{2029}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Returns the body of a stored stanza, if it has one.
#[must_use]
pub fn body(stanza: &str) -> Option<String> {
    let stanza = xml::stanza(stanza.as_bytes())?;
    stanza
        .children()
        .find("jabber:client", "body")
        .map(|body| body.text().into_owned())
}

/// Parses a line written by [`json`]. Returns `None` for an entry without a stanza: an erased one,
/// or one that was too large for a message.
///
/// # Errors
/// The reason, if the line has another format.
pub fn import(line: &str) -> Result<Option<NewEntry>, String> {
    let line: Value = serde_json::from_str(line.trim()).map_err(|error| not_json(&error))?;
    if line["erased"] == true || line["too_large"].is_number() {
        return Ok(None);
    }
    let text = |key: &str| {
        line[key]
            .as_str()
            .ok_or_else(|| format!("{key} is missing"))
    };
    let archive = BareJid::new(text("archive")?).map_err(|error| format!("archive: {error}"))?;
    let at = time::parse(text("time")?).ok_or("time is not an RFC 3339 timestamp")?;
    let stanza =
        xml::stanza(text("stanza")?.as_bytes()).ok_or("stanza is not valid XML of a stanza")?;
    let new_entry =
        NewEntry::new(&archive, &stanza).ok_or("stanza has no from or no to address")?;
    Ok(Some(new_entry.with_time(at).with_id(text("id")?)))
}

fn not_json(error: &serde_json::Error) -> String {
    if error.is_eof() {
        return "the line is cut off".to_owned();
    }
    // The number of the line is 1 here, and the caller names the one in the file.
    let text = error.to_string();
    let what = text.split(" at line ").next().unwrap_or_default();
    format!("not JSON at column {}: {what}", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::new_entry::Class;

    fn entry(stanza: Option<&str>) -> Entry {
        Entry {
            place: 1_790_000_000_123_456,
            id: "00ff".into(),
            archive: "logger.localhost".into(),
            from: "=cmd@localhost".into(),
            to: "logger.localhost".into(),
            class: Class::Message,
            stanza: stanza.map(str::to_owned),
        }
    }

    const MESSAGE: &str = "<message from='=cmd@localhost/x' to='logger.localhost' \
        type='chat'><body>=1+1 \"x\"\u{202e}\n2</body></message>";

    #[test]
    fn exported_entry_can_be_imported() {
        let line = json(&entry(Some(MESSAGE)));
        assert!(!line.contains('\n'), "{line}");
        let new_entry = import(&line).unwrap().unwrap();
        assert_eq!(
            (new_entry.time, new_entry.id.as_deref()),
            (Some(1_790_000_000_123_456), Some("00ff"))
        );
        assert_eq!(String::from_utf8(new_entry.stanza).unwrap(), MESSAGE);
        assert!(import(&json(&entry(None))).unwrap().is_none());
        for bad in [
            "",
            "{}",
            "[]",
            "{\"archive\":\"x\",\"time\":\"x\",\"stanza\":\"x\",\"id\":\"x\"}",
        ] {
            assert!(import(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn csv_and_text_escape_formulas_and_control_characters() {
        let line = csv(&entry(Some(MESSAGE)));
        assert!(
            line.starts_with(
                "\"00ff\",\"2026-09-21T14:13:20.123456Z\",\"logger.localhost\",\"'=cmd@localhost\","
            ),
            "{line}"
        );
        assert!(line.contains(",\"'=1+1 \"\"x\"\""), "{line}");
        assert_eq!(
            text(&entry(Some(MESSAGE))),
            "2026-09-21T14:13:20.123456Z =cmd@localhost → logger.localhost: =1+1 \"x\"\\u{202e}\\n2"
        );
    }
}
