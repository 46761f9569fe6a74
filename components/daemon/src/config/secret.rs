//! The secret that a component shares with its server: from one of four places, shown in none.

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};

use campanile::connection::Secret;

use super::fault::Faults;
use super::source::readable_by_everybody;
use super::table::{Table, Value};

/// The keys that one secret can stand behind: itself, a file, a variable of the environment, a
/// credential of systemd.
pub(super) type Keys = [&'static str; 4];

const KEYS: Keys = ["secret", "secret_file", "secret_env", "secret_credential"];
const LARGEST: u64 = 64 * 1024;

/// Reads the secret that exactly one of the four keys gives.
pub(super) fn read(table: &mut Table<'_>, faults: &mut Faults<'_>) -> Option<Secret> {
    if !KEYS.iter().any(|key| table.has(key)) {
        let what = format!("{} has no secret", table.name);
        faults.push(
            &table.span,
            what,
            format!("write one of {}", KEYS.join(", ")),
        );
        return None;
    }
    text(table, &KEYS, faults).map(Secret::new)
}

/// The text of a secret that may be missing.
pub(super) fn text(table: &mut Table<'_>, keys: &Keys, faults: &mut Faults<'_>) -> Option<String> {
    let given: Vec<Value<'_>> = keys.iter().filter_map(|key| table.take(key)).collect();
    let value = match given.as_slice() {
        [] => return None,
        [value] => value,
        [first, second, ..] => {
            let what = format!("`{}` and `{}` are both given", first.key, second.key);
            faults.push(&second.key_span, what, "keep one of them");
            return None;
        }
    };
    let text = value.text(faults)?;
    let secret = match keys.iter().position(|key| *key == value.key) {
        Some(0) => inline(text, value, faults),
        Some(1) => from_file(&faults.path(text), &value.span, faults),
        Some(2) => from_environment(text, &value.span, faults),
        _ => from_credential(text, &value.span, faults),
    }?;
    if secret.is_empty() {
        faults.push(
            &value.span,
            "the secret is empty",
            "write the one that the server has",
        );
        return None;
    }
    Some(secret)
}

fn inline(text: &str, value: &Value<'_>, faults: &mut Faults<'_>) -> Option<String> {
    if faults.source_is_exposed() {
        let remedy = "chmod o-r this file, or move the secret to a file of its own (secret_file)";
        faults.warn(
            &value.key_span,
            "everybody on this machine can read this secret",
            remedy,
        );
    }
    Some(text.to_owned())
}

fn from_file(path: &Path, span: &Range<usize>, faults: &mut Faults<'_>) -> Option<String> {
    match read_file(path) {
        Ok((secret, exposed)) => {
            if exposed {
                let what = format!("everybody on this machine can read {}", path.display());
                faults.warn(span, what, "chmod o-r it");
            }
            Some(secret)
        }
        Err(error) => {
            let what = format!("{} cannot be read: {error}", path.display());
            faults.push(
                span,
                what,
                "name a file that holds nothing but the secret; paths begin at this file's folder",
            );
            None
        }
    }
}

fn from_environment(name: &str, span: &Range<usize>, faults: &mut Faults<'_>) -> Option<String> {
    let found = std::env::var(name).ok();
    if found.is_none() {
        // Somebody may have written the secret itself here. Names of variables are in capitals.
        let is_name = name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        let what = format!(
            "the environment has no {}",
            if is_name {
                name
            } else {
                "variable of this name"
            }
        );
        faults.push(
            span,
            what,
            "set it where campanile is started (systemd: EnvironmentFile=), or use secret_file",
        );
    }
    found
}

/// systemd puts what `LoadCredential=` names into a folder that only this unit can read.
fn from_credential(name: &str, span: &Range<usize>, faults: &mut Faults<'_>) -> Option<String> {
    if name.is_empty() || name.contains('/') || name == ".." {
        faults.push(
            span,
            "this is no name of a credential",
            "write the name that LoadCredential= has before the colon",
        );
        return None;
    }
    let remedy = format!("write LoadCredential={name}:/path/of/the/secret into the unit");
    let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") else {
        faults.push(
            span,
            "there are no credentials: systemd did not start this with any",
            remedy,
        );
        return None;
    };
    let path = PathBuf::from(folder).join(name);
    read_file(&path)
        .map_err(|error| {
            faults.push(
                span,
                format!("the credential {name:?} cannot be read: {error}"),
                remedy,
            )
        })
        .ok()
        .map(|(secret, _)| secret)
}

/// The secret without the line break behind it, and whether everybody can read the file.
fn read_file(path: &Path) -> io::Result<(String, bool)> {
    let file = File::open(path)?;
    let exposed = readable_by_everybody(&file.metadata()?);
    let mut secret = String::new();
    if file.take(LARGEST + 1).read_to_string(&mut secret)? as u64 > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "more than 64 KiB: this is no secret",
        ));
    }
    let line = secret.strip_suffix('\n').unwrap_or(&secret);
    Ok((line.strip_suffix('\r').unwrap_or(line).to_owned(), exposed))
}
