//! Secrets: read from one of four sources, and never shown.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::fault::Faults;
use super::source::readable_by_everybody;

/// The keys of one secret: inline, a file, an environment variable, a systemd credential.
pub(super) type Sources = [&'static str; 4];

/// The keys that are secrets in any table, those of added modules included.
///
/// The settings types know only the first of each; the others are resolved before.
pub(super) const SECRETS: [Sources; 4] = [
    ["secret", "secret_file", "secret_env", "secret_credential"],
    [
        "old_secret",
        "old_secret_file",
        "old_secret_env",
        "old_secret_credential",
    ],
    ["token", "token_file", "token_env", "token_credential"],
    [
        "password",
        "password_file",
        "password_env",
        "password_credential",
    ],
];

const LARGEST: u64 = 64 * 1024;

/// A key and its value in the file.
struct Given<'t> {
    source: &'static str,
    key: Range<usize>,
    value: &'t Spanned<DeValue<'t>>,
}

/// Reads a secret, of which a table has at least one of the keys.
pub(super) fn read(
    table: &DeTable<'_>,
    sources: &Sources,
    faults: &mut Faults<'_>,
) -> Option<String> {
    let given = |source: &&'static str| {
        let (key, value) = table.get_key_value(*source)?;
        Some(Given {
            source,
            key: key.span(),
            value,
        })
    };
    let all: Vec<Given<'_>> = sources.iter().filter_map(given).collect();
    let one = match all.as_slice() {
        [] => return None,
        [one] => one,
        [first, second, ..] => {
            let cause = format!("`{}` and `{}` are both given", first.source, second.source);
            faults.push(&second.key, cause, "keep one of them");
            return None;
        }
    };
    let span = one.value.span();
    let DeValue::String(text) = one.value.get_ref() else {
        let cause = format!("`{}` is not a string", one.source);
        faults.push(&span, cause, "write a string in quotation marks");
        return None;
    };
    let position = sources.iter().position(|source| *source == one.source);
    if position != Some(0) && !faults.needs_secrets() {
        return Some(stand_in(&span));
    }
    let secret = match position {
        Some(0) => inline(text, sources[1], &one.key, faults),
        Some(1) => from_file(&faults.path(text.as_ref()), &span, faults),
        Some(2) => from_environment(text, sources[1], &span, faults),
        _ => from_credential(text, &span, faults),
    }?;
    if let Some((cause, remedy)) = unclean(&secret).filter(|_| one.source != sources[0]) {
        faults.push(&span, cause, remedy);
        return None;
    }
    if secret.is_empty() {
        faults.push(
            &span,
            "the secret is empty",
            "write the secret configured on the server",
        );
        return None;
    }
    Some(secret)
}

/// Returns a text for a secret that is not needed: valid as a secret, a token and the secret of a
/// webhook (`whsec_` and the base64 of 24 bytes), and unlike those at other positions.
fn stand_in(span: &Range<usize>) -> String {
    format!("whsec_{:032}", span.start)
}

fn inline(text: &str, file: &str, key: &Range<usize>, faults: &mut Faults<'_>) -> Option<String> {
    if faults.source_is_exposed() {
        let remedy =
            format!("run chmod o-r on this file, or move the secret to its own file ({file})");
        faults.warn(
            key,
            "this secret is readable by every user on this machine",
            remedy,
        );
    }
    Some(text.to_owned())
}

fn from_file(path: &Path, span: &Range<usize>, faults: &mut Faults<'_>) -> Option<String> {
    match read_file(path) {
        Ok((secret, exposed)) => {
            if exposed {
                let what = format!(
                    "{} is readable by every user on this machine",
                    path.display()
                );
                faults.warn(span, what, "run chmod o-r on it");
            }
            Some(secret)
        }
        Err(error) => {
            let what = format!("cannot read {}: {error}", path.display());
            faults.push(
                span,
                what,
                "name a file that holds only the secret; paths are relative to this file's folder",
            );
            None
        }
    }
}

fn from_environment(
    name: &str,
    file: &str,
    span: &Range<usize>,
    faults: &mut Faults<'_>,
) -> Option<String> {
    let found = std::env::var(name).ok();
    if found.is_none() {
        // The value may be the secret itself, written under the wrong key. Only a value in the
        // usual form of variable names, in capitals, is quoted.
        let is_name = name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let what = if is_name {
            format!("environment variable {name} is not set")
        } else {
            "no environment variable of this name is set".to_owned()
        };
        let remedy =
            format!("set it where campanile is started (systemd: EnvironmentFile=), or use {file}");
        faults.push(span, what, remedy);
    }
    found.map(|secret| without_line_break(&secret).to_owned())
}

/// Reads a credential from the folder where systemd places those of `LoadCredential=`.
///
/// Only this unit can read that folder.
fn from_credential(name: &str, span: &Range<usize>, faults: &mut Faults<'_>) -> Option<String> {
    if name.is_empty() || name.contains('/') || name == ".." {
        faults.push(
            span,
            "this is not a credential name",
            "write the name before the colon in LoadCredential=",
        );
        return None;
    }
    let remedy = format!("add LoadCredential={name}:/path/to/secret to the unit");
    let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
        faults.push(
            span,
            "no systemd credentials: CREDENTIALS_DIRECTORY is not set",
            remedy,
        );
        return None;
    };
    let path = PathBuf::from(folder).join(name);
    read_file(&path)
        .map_err(|error| {
            faults.push(
                span,
                format!("cannot read the credential {name:?}: {error}"),
                remedy,
            );
        })
        .ok()
        .map(|(secret, _)| secret)
}

/// Returns the secret without its final line break, and `true` if every user can read the file.
fn read_file(path: &Path) -> io::Result<(String, bool)> {
    let file = File::open(path)?;
    let exposed = readable_by_everybody(&file.metadata()?);
    let mut secret = String::new();
    if file.take(LARGEST + 1).read_to_string(&mut secret)? as u64 > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "larger than 64 KiB, not a secret",
        ));
    }
    Ok((without_line_break(&secret).to_owned(), exposed))
}

fn without_line_break(text: &str) -> &str {
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Returns what an editor or a shell has added to a secret, and the remedy.
///
/// With it, the other side would report a wrong secret.
fn unclean(secret: &str) -> Option<(&'static str, &'static str)> {
    if secret.starts_with('\u{FEFF}') {
        let cause = "the secret starts with a byte order mark";
        return Some((cause, "save the file as UTF-8 without a byte order mark"));
    }
    if secret.contains(['\n', '\r']) {
        return Some((
            "the secret has more than one line",
            "leave only the line with the secret",
        ));
    }
    if secret.trim() != secret {
        return Some((
            "the secret starts or ends with a blank",
            "remove the blanks around the secret",
        ));
    }
    None
}
