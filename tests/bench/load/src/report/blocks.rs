//! Marked blocks of a Markdown file: everything between `<!-- bench:begin NAME -->` and
//! `<!-- bench:end NAME -->` is generated.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- bench:begin ";
const CLOSE: &str = " -->\n";

/// Replaces the blocks of a file. A block for which `table` returns an empty text stays as it is.
/// Returns `true` if every block was replaced.
pub(super) fn rewrite(file: &Path, table: impl Fn(&str) -> Result<String>) -> Result<bool> {
    let shown = file.display();
    let old = fs::read_to_string(file).with_context(|| format!("cannot read {shown}"))?;
    let mut kept = Vec::new();
    let new = replaced(&old, table, &mut kept).with_context(|| format!("in {shown}"))?;
    kept.iter()
        .for_each(|name| eprintln!("bench: not measured, left as it is: {name} in {shown}"));
    if new != old {
        fs::write(file, new).with_context(|| format!("cannot write {shown}"))?;
    }
    Ok(kept.is_empty())
}

fn replaced(
    old: &str,
    table: impl Fn(&str) -> Result<String>,
    kept: &mut Vec<String>,
) -> Result<String> {
    let mut new = String::with_capacity(old.len());
    let mut rest = old;
    while let Some(at) = rest.find(BEGIN) {
        let (name, after) = rest[at + BEGIN.len()..]
            .split_once(CLOSE)
            .context("a line `bench:begin` that does not end with ` -->`")?;
        let end = format!("<!-- bench:end {name}{CLOSE}");
        let (content, next) = after
            .split_once(&end)
            .with_context(|| format!("no `bench:end {name}`"))?;
        let mut fresh = table(name)?;
        if fresh.is_empty() {
            kept.push(name.to_owned());
            content.clone_into(&mut fresh);
        }
        new += &format!("{}{BEGIN}{name}{CLOSE}{fresh}{end}", &rest[..at]);
        rest = next;
    }
    new += rest;
    Ok(new)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    const OLD: &str = "before\n<!-- bench:begin one -->\n| 1 |\n<!-- bench:end one -->\nbetween\n\
        <!-- bench:begin two -->\n| 2 |\n<!-- bench:end two -->\nafter\n";

    #[test]
    fn measured_blocks_are_replaced() {
        let mut kept = Vec::new();
        let table = |name: &str| {
            Ok(match name {
                "one" => "| 1 |\n| new |\n".to_owned(),
                _ => String::new(),
            })
        };
        let new = replaced(OLD, table, &mut kept).unwrap();
        assert_eq!(new, OLD.replace("| 1 |\n", "| 1 |\n| new |\n"));
        assert_eq!(kept, ["two"]);
    }

    #[test]
    fn unknown_and_unclosed_blocks_are_errors() {
        let unknown = replaced(OLD, |name| bail!("no table {name}"), &mut Vec::new());
        assert_eq!(unknown.unwrap_err().to_string(), "no table one");
        let unclosed = OLD.replace("bench:end two", "bench:end three");
        let error = replaced(&unclosed, |_| Ok("x\n".to_owned()), &mut Vec::new()).unwrap_err();
        assert_eq!(error.to_string(), "no `bench:end two`");
    }
}
