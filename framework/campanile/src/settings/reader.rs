//! Reads settings and collects every fault in them.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::fault::{Segment, SettingsFault};
use super::value::{Context, Node, Place};

/// Maximum number of faults that are reported. Each costs another pass over the settings.
const MAX_FAULTS: usize = 100;

/// Reads settings from JSON values, and reports every fault in them.
///
/// The tables of a TOML or YAML file are converted to JSON values first.
#[derive(Debug, Clone, Default)]
pub struct SettingsReader {
    folder: PathBuf,
}

impl SettingsReader {
    /// Creates a reader that leaves relative paths as they are.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the folder that relative paths start from, usually that of the configuration file.
    ///
    /// Applies to fields of type [`FilePath`](super::FilePath).
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = folder.into();
        self
    }

    /// Reads settings, and returns every fault.
    ///
    /// With faults, the settings are returned as if the keys at fault were missing, if that is
    /// possible, so that the caller can look for faults that concern several keys.
    pub fn read<T: DeserializeOwned>(&self, value: &Value) -> (Option<T>, Vec<SettingsFault>) {
        let mut passes = Passes::default();
        loop {
            let context = Context {
                folder: &self.folder,
                left_out: &passes.left_out,
                filled: &passes.filled,
            };
            let fault = match T::deserialize(Node::new(value, &Place::Root, context)) {
                Ok(settings) if passes.filled.is_empty() => {
                    return (Some(settings), passes.faults);
                }
                Ok(_) => {
                    passes.drop_incomplete_tables();
                    continue;
                }
                Err(error) => error.into_fault(),
            };
            if !passes.can_continue(fault) {
                return (None, passes.faults);
            }
        }
    }
}

/// The state between passes over the settings.
///
/// serde stops at the first error. Each pass leaves out the values that earlier ones
/// found at fault, and fills in the keys that they found missing.
#[derive(Default)]
struct Passes {
    faults: Vec<SettingsFault>,
    left_out: Vec<Vec<Segment>>,
    filled: Vec<Vec<Segment>>,
    /// `true` when every fault is known, and tables with missing keys are left out.
    is_complete: bool,
}

impl Passes {
    fn drop_incomplete_tables(&mut self) {
        self.is_complete = true;
        for mut path in std::mem::take(&mut self.filled) {
            path.pop();
            self.left_out.push(path);
        }
    }

    /// Records a fault, and returns `true` if another pass can find more.
    fn can_continue(&mut self, fault: SettingsFault) -> bool {
        let mut path = fault.path().to_vec();
        if self.is_complete {
            return self.leave_out(path);
        }
        if let Some(key) = fault.missing() {
            path.push(Segment::Key(key.to_owned()));
            // A value that is left out was reported with its own fault.
            if !self.left_out.contains(&path) {
                self.faults.push(fault);
            }
            return self.fill(path) && self.faults.len() < MAX_FAULTS;
        }
        if self.filled.contains(&path) {
            // No placeholder fits, so that the rest of the table stays unknown.
            path.pop();
        } else if !self.follows_from_another(&path) {
            self.faults.push(fault);
        }
        self.leave_out(path) && self.faults.len() < MAX_FAULTS
    }

    /// Returns `true` if the table or list at this path lacks a value that was left out.
    fn follows_from_another(&self, path: &[Segment]) -> bool {
        let is_within = |left: &Vec<Segment>| left.len() > path.len() && left.starts_with(path);
        self.left_out.iter().any(is_within)
    }

    fn fill(&mut self, path: Vec<Segment>) -> bool {
        if self.filled.contains(&path) {
            let table = path[..path.len() - 1].to_vec();
            return self.leave_out(table);
        }
        self.filled.push(path);
        true
    }

    fn leave_out(&mut self, path: Vec<Segment>) -> bool {
        if path.is_empty() || self.left_out.contains(&path) {
            return false;
        }
        self.left_out.push(path);
        true
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use serde::Deserialize;
    use serde_json::json;

    use super::super::FilePath;
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Shop {
        name: String,
        #[serde(default)]
        open: Option<bool>,
        shelves: Vec<Shelf>,
        door: Door,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Shelf {
        height: f64,
        count: i16,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Door {
        Wide,
        Locked { key: u8 },
    }

    fn read(settings: &Value) -> Shop {
        let (shop, faults) = SettingsReader::new().read(settings);
        assert_eq!(faults, []);
        shop.unwrap()
    }

    #[test]
    fn read_deserializes_all_serde_types() {
        let settings = json!({
            "name": "tea", "open": true, "shelves": [{ "height": 1, "count": -2 }, { "height": 1.5, "count": 3 }],
            "door": { "locked": { "key": 7 } },
        });
        let shelves = vec![
            Shelf {
                height: 1.0,
                count: -2,
            },
            Shelf {
                height: 1.5,
                count: 3,
            },
        ];
        let wanted = Shop {
            name: "tea".into(),
            open: Some(true),
            shelves,
            door: Door::Locked { key: 7 },
        };
        assert_eq!(read(&settings), wanted);
        let settings = json!({ "name": "tea", "shelves": [], "door": "wide" });
        assert_eq!(read(&settings).door, Door::Wide);
        let again: Option<Value> = SettingsReader::new().read(&settings).0;
        assert_eq!(again, Some(settings));
    }

    #[test]
    fn every_fault_is_reported_with_its_path() {
        let rows = [
            (
                json!({ "nam": "tea", "shelves": [], "door": "wide" }),
                "nam: unknown key \"nam\" in the table; use one of name, open, shelves, door\n\
                 the table has no name; add name = …",
            ),
            (
                json!({ "name": 1, "shelves": [{ "heigth": 1, "height": 1, "count": 70_000 }] }),
                "name: `name` cannot be a number; write a string in quotation marks\n\
                 shelves[0].count: `count` cannot be 70000; write a whole number\n\
                 shelves[0].heigth: unknown key \"heigth\" in the table; use one of height, count\n\
                 the table has no door; add door = …",
            ),
            (
                json!({ "name": "", "door": "wide", "shelves": [{ "height": "hunter2" }, 1, { "height": 1 }] }),
                "shelves[0].height: `height` cannot be a string; write a number\n\
                 shelves[0]: the table has no count; add count = …\n\
                 shelves[1]: `shelves` cannot be a number; write a table\n\
                 shelves[2]: the table has no count; add count = …",
            ),
            (
                json!({ "name": "", "shelves": {}, "door": { "locked": { "key": 300 } } }),
                "door.locked.key: `key` cannot be 300; write a whole number\n\
                 shelves: `shelves` cannot be a table; write a list",
            ),
            (
                json!({ "name": "", "shelves": [], "door": "hunter2" }),
                "door: `door` is not a known word; write \"wide\" or \"locked\"",
            ),
            (json!([]), "the table cannot be a list; write a table"),
        ];
        for (settings, wanted) in rows {
            let (_, faults) = SettingsReader::new().read::<Shop>(&settings);
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            assert_eq!(lines.join("\n"), wanted, "{settings}");
        }
    }

    #[test]
    fn settings_are_read_without_the_keys_at_fault() {
        let settings = json!({
            "name": "tea", "shelves": [{ "heigth": 1, "height": 1, "count": 3 }, 5], "open": 1, "door": "wide",
        });
        let (shop, faults) = SettingsReader::new().read::<Shop>(&settings);
        let shop = shop.unwrap();
        assert_eq!(
            (shop.name.as_str(), shop.open, shop.shelves.len()),
            ("tea", None, 1)
        );
        assert_eq!(faults.len(), 3);
    }

    #[test]
    fn number_of_faults_is_limited() {
        let keys = (0..10_000).map(|n| (n.to_string(), Value::Null));
        let settings = Value::Object(keys.collect());
        let (_, faults) = SettingsReader::new().read::<Shop>(&settings);
        assert_eq!(faults.len(), MAX_FAULTS);
    }

    #[test]
    fn paths_start_from_the_folder() {
        let reader = SettingsReader::new().folder("/etc/bot");
        let (path, _) = reader.read::<FilePath>(&json!("card.png"));
        assert_eq!(path.unwrap().as_path().to_str(), Some("/etc/bot/card.png"));
        let folder = std::ffi::OsStr::from_bytes(b"/etc/b\xf6t");
        let (path, _) = SettingsReader::new()
            .folder(folder)
            .read::<FilePath>(&json!("a"));
        assert_eq!(
            path.unwrap().as_path().as_os_str().as_bytes(),
            b"/etc/b\xf6t/a"
        );
        let (path, _) = reader.read::<FilePath>(&json!("/card.png"));
        assert_eq!(path.unwrap().as_path().to_str(), Some("/card.png"));
        let (_, faults) = reader.read::<FilePath>(&json!(1));
        assert_eq!(
            faults[0].to_string(),
            "the table cannot be a number; write the path of a file in quotation marks"
        );
    }
}
