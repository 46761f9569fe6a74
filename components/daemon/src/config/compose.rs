//! From the tables of the file to the settings of all components.

use std::collections::BTreeMap;

use campanile::serde_json::{Map, Value};
use campanile::settings::{Segment, SettingsReader};

use super::admin::Admin;
use super::component::Component;
use super::document::{Document, Values};
use super::draft::{At, Draft};
use super::fault::Faults;
use super::file::File;
use super::modules::{self, Chosen};
use super::setting_fault::{self, SECTIONS};
use super::{tap_store, tokens};
use crate::builtin_modules;

/// Reads all components and the admin port, and reports every fault.
pub(super) fn compose(
    document: &Document<'_>,
    faults: &mut Faults<'_>,
) -> (Vec<Component>, Option<Admin>) {
    let Values { mut root, left_out } = document.values(faults);
    refuse_misplaced(&mut root, document, faults);
    require_components(&mut root, document, faults);
    tokens::each_once(&root, document, faults);
    let mut values = Value::Object(root);
    let chosen = modules::take(&mut values, &left_out, document, faults);
    let reader = SettingsReader::new().folder(faults.path(""));
    let (file, found) = reader.read::<File>(&values);
    for fault in &found {
        setting_fault::push(fault.path(), fault, &left_out, document, faults);
    }
    let mut wrong = left_out;
    wrong.extend(found.iter().map(|fault| fault.path().to_vec()));
    let Some(file) = file else {
        return (Vec::new(), None);
    };
    let draft = Draft::new(document, values, wrong);
    put_together(file, chosen, &draft, faults)
}

fn put_together(
    file: File,
    mut chosen: BTreeMap<usize, Vec<Chosen>>,
    draft: &Draft<'_, '_>,
    faults: &mut Faults<'_>,
) -> (Vec<Component>, Option<Admin>) {
    let mut components = Vec::new();
    for (index, table) in draft.indexes().zip(file.component) {
        let modules = chosen.remove(&index).unwrap_or_default();
        let at = At { index, draft };
        components.extend(Component::resolve(table, &file.server, modules, at, faults));
    }
    let admin = file.admin.map(|table| table.resolve(draft, faults));
    each_jid_once(&components, faults);
    tap_store::resolve(&mut components, faults);
    (components, admin)
}

/// Reports tables of a component at the top level of the file.
fn refuse_misplaced(
    root: &mut Map<String, Value>,
    document: &Document<'_>,
    faults: &mut Faults<'_>,
) {
    let built_in = SECTIONS.into_iter().filter(|name| *name != "rate");
    for name in builtin_modules::catalog().names().chain(built_in) {
        if root.remove(name).is_some() {
            faults.push(
                &document.key_span(&[Segment::Key(name.to_owned())]),
                format!("[{name}] belongs to a component"),
                format!("write [component.{name}] below its [[component]]"),
            );
        }
    }
}

/// Reports a file without components, and `[component]` as a single table.
fn require_components(
    root: &mut Map<String, Value>,
    document: &Document<'_>,
    faults: &mut Faults<'_>,
) {
    let cause = match root.get("component") {
        Some(Value::Array(_)) => return,
        Some(Value::Object(_)) => "[component] is a single table",
        Some(_) => "`component` is not a list of tables",
        None => {
            return faults.push(
                &(0..0),
                "no [[component]] in the file",
                "write one [[component]] for each JID to serve",
            );
        }
    };
    root.remove("component");
    faults.push(
        &document.key_span(&[Segment::Key("component".to_owned())]),
        cause,
        "write [[component]] with double brackets; a file may have several",
    );
}

/// Reports JIDs that occur twice.
///
/// A second connection for a JID would be refused by the server, or receive half of the stanzas.
fn each_jid_once(components: &[Component], faults: &mut Faults<'_>) {
    for (index, component) in components.iter().enumerate() {
        if let Some(first) = components[..index]
            .iter()
            .find(|earlier| earlier.jid == component.jid)
        {
            let (line, _) = faults.position(&first.span);
            let cause = format!(
                "{} is already served by the [[component]] at line {line}",
                component.jid
            );
            faults.push(
                &component.span,
                cause,
                "mount everything for one JID in one [[component]]",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use campanile::limits::Limits;

    use super::super::{Config, Failure, Source};

    const SAMPLE: &str = include_str!("../../../../deploy/campanile.toml");

    #[test]
    fn sample_shows_every_limit_with_its_default() {
        let text = SAMPLE.split_once("#[component.limits]").unwrap().1;
        // Another component follows it.
        let text = text.split("\n#[[").next().unwrap();
        let settings: Vec<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix('#'))
            .filter(|line| !line.starts_with(' '))
            .collect();
        let file = format!(
            "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.limits]\n{}",
            settings.join("\n")
        );
        let config = Config::parse(&Source::built_in("sample", &file)).unwrap();
        let limits = &config.components[0].limits;
        assert_eq!(limits, &Limits::default());
        // A limit added to the framework must be part of the sample.
        let debug = format!("{limits:#?}");
        let fields = debug
            .lines()
            .filter_map(|line| line.strip_prefix("    "))
            .filter(|line| !line.starts_with([' ', ')']));
        for (name, _) in fields.filter_map(|line| line.split_once(':')) {
            let is_shown = settings
                .iter()
                .any(|line| line.starts_with(&format!("{name} =")));
            assert!(is_shown, "{name} is not in the sample");
        }
    }

    #[test]
    fn archives_handle_more_stanzas_at_once_unless_limited() {
        let in_flight = |limits: &str| {
            let file = format!(
                "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n\
                 [component.logger]\nstore='sqlite:x'\n{limits}"
            );
            let config = Config::parse(&Source::built_in("test", &file)).unwrap();
            config.components[0].limits.in_flight
        };
        assert_eq!(in_flight(""), 8192);
        assert_eq!(in_flight("[component.limits]\nin_flight=7"), 7);
    }

    /// The sample with all optional settings, and secrets in the file.
    fn in_full() -> String {
        let line = |line: &str| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting.to_owned(),
            _ => line.to_owned(),
        };
        let lines: Vec<String> = SAMPLE.lines().map(line).collect();
        lines
            .join("\n")
            .replace("_file = \"echo.secret\"", " = \"hunter2\"")
            .replace(
                "token_file = \"admin.token\"",
                "token = \"hunter2-hunter2-hunter2\"",
            )
    }

    #[test]
    fn damaged_files_cause_faults_but_no_panic_and_show_no_secret() {
        let sample = in_full();
        let pieces = [
            "", "\"", "'", "[", "]", "{", "}", "=", ",", "\n", "1e999", "true", "é", "#",
        ];
        let mut damaged = 0;
        for (index, (at, _)) in sample.char_indices().enumerate().step_by(11) {
            let rest: String = sample[at..].chars().skip(index % 3).collect();
            let piece = pieces[index / 11 % pieces.len()];
            let file = format!("{}{piece}{rest}", &sample[..at]);
            if let Err(Failure::Wrong { faults, warnings }) =
                Config::parse(&Source::built_in("test", &file))
            {
                damaged += 1;
                for fault in faults.iter().chain(&warnings) {
                    assert!(!fault.what.contains("hunter"), "{fault} in\n{file}");
                }
            }
        }
        assert!(damaged > 100, "{damaged}");
    }
}
