//! The entry point of the fuzz target.

use campanile::layer::MetricsLayer;

use crate::build::{self, ModuleSet};
use crate::config::{Component, Config, Failure, Fault, Source};
use crate::run::components::Built;
use crate::run::difference::Difference;
use crate::{config_cli, diagnostics, load};

/// Separates the configuration from the one that it is reloaded with.
const SEPARATOR: &[u8] = b"\n----\n";

/// Loads a configuration, formats it, and reloads it with a second one, up to the point where
/// modules start. Without a separator, the second is the same.
///
/// Files that a configuration names are read; nothing is written, and no socket is opened.
///
/// # Panics
/// Panics if a module does, if a fault could control a terminal, if formatting changes what a
/// configuration means, or if a reload with the same configuration would change anything.
pub fn load_and_reload(bytes: &[u8]) {
    // Reading a terminal waits for a person.
    if bytes.windows(5).any(|name| name == b"/dev/") {
        return;
    }
    let at = bytes
        .windows(SEPARATOR.len())
        .position(|window| window == SEPARATOR);
    let (first, second) = at.map_or((bytes, bytes), |at| {
        (&bytes[..at], &bytes[at + SEPARATOR.len()..])
    });
    let old = loaded(first);
    assert_formatted_alike(first, old.as_ref());
    let (Some(old), Some(new)) = (old, loaded(second)) else {
        return;
    };
    for settings in &new.components {
        let same = |old: &&Component| old.jid == settings.jid;
        if let Some(old) = old.components.iter().find(same) {
            let difference = reload(old, settings);
            let is_unchanged = at.is_some() || difference.is_nothing();
            assert!(is_unchanged, "same settings: {difference:?}");
        }
    }
}

fn loaded(bytes: &[u8]) -> Option<Config> {
    let source = Source::built_in("fuzz.toml", bytes);
    match load::load(&source) {
        Ok(config) => {
            assert_printable(&config.warnings);
            let without = Config::parse_without_secrets(&source);
            assert!(without.is_ok(), "valid only with secrets: {without:?}");
            Some(config)
        }
        Err(Failure::Wrong { faults, warnings }) => {
            assert!(!faults.is_empty(), "rejected without a fault");
            assert_printable(&faults);
            assert_printable(&warnings);
            None
        }
        Err(Failure::Unread { text, .. }) => panic!("{text}"),
    }
}

fn assert_printable(faults: &[Fault]) {
    let shown = diagnostics::list(faults, "");
    let is_control = |c: char| c.is_control() && c != '\n';
    assert!(!shown.contains(is_control), "{shown:?}");
}

/// Checks that formatting keeps the settings, and that formatting twice changes nothing more.
fn assert_formatted_alike(bytes: &[u8], config: Option<&Config>) {
    let source = Source::built_in("fuzz.toml", bytes);
    let Some(text) = config_cli::toml(&source) else {
        assert!(config.is_none(), "loaded, but not TOML");
        return;
    };
    let Some(formatted) = config_cli::format(text) else {
        panic!("cannot be formatted");
    };
    let again = config_cli::format(&formatted);
    assert_eq!(again.as_ref(), Some(&formatted), "formatted twice");
    let Some(config) = config else { return };
    let other = loaded(formatted.as_bytes());
    let others = other.map_or_else(Vec::new, |config| config.components);
    assert_eq!(config.components.len(), others.len(), "{formatted}");
    for (settings, other) in config.components.iter().zip(&others) {
        let difference = Difference::between(settings, other);
        assert!(difference.is_nothing(), "{difference:?} in {formatted}");
    }
}

/// Builds what a reload would replace the modules with. Modules start only with a runtime.
fn reload(old: &Component, new: &Component) -> Difference {
    let parts = ModuleSet::new(old);
    let parts = parts.unwrap_or_else(|error| panic!("{}: {error}", old.jid));
    let settings = old.clone();
    let running = Built { settings, parts };
    let changed = running.changed_to(new);
    let changed = changed.unwrap_or_else(|error| panic!("{}: {error}", new.jid));
    let component = build::assemble(&changed.settings, &changed.parts, &MetricsLayer::new());
    if let Err(error) = component.build() {
        panic!("{}: {error:?}", new.jid);
    }
    let difference = Difference::between(old, new);
    let kept = changed.parts.shared_with(&running.parts);
    let is_kept = kept.modules().count() == changed.parts.modules().count();
    assert!(is_kept || !difference.is_nothing(), "a silent change");
    difference
}

#[cfg(test)]
mod tests {
    use std::fs;

    #[test]
    fn corpus_passes() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/config");
        let mut count = 0;
        for entry in fs::read_dir(folder).unwrap() {
            super::load_and_reload(&fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 10, "{count} files");
    }
}
