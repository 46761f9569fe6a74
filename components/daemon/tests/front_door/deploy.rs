//! Alert rules and dashboard in deploy/: every metric they name exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the names of metrics in a text, without the suffix of histogram buckets.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let ours = words.filter(|word| word.starts_with("campanile_") || word.starts_with("process_"));
    ours.map(|word| word.trim_end_matches("_bucket").to_owned())
        .collect()
}

#[test]
fn alert_rules_and_dashboard_use_documented_metrics() {
    let known = metrics(&read("METRICS.md"));
    for file in [
        "prometheus/alerts.yml",
        "prometheus/alerts.test.yml",
        "grafana/dashboard.json",
    ] {
        let used = metrics(&read(&format!("../../deploy/{file}")));
        assert!(used.len() > 2, "{file}: {used:?}");
        let unknown: Vec<_> = used.difference(&known).collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
}

#[test]
fn dashboard_panels_do_not_overlap() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("../../deploy/grafana/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let cells = |panel: &serde_json::Value| {
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let x = at("x");
        let y = at("y");
        let w = at("w");
        let h = at("h");
        assert!(x + w <= 24, "{panel}");
        (y..y + h)
            .flat_map(move |y| (x..x + w).map(move |x| (x, y)))
            .collect::<Vec<_>>()
    };
    let mut taken = BTreeSet::new();
    for panel in panels {
        assert!(
            cells(panel).into_iter().all(|cell| taken.insert(cell)),
            "{} overlaps another panel",
            panel["title"]
        );
    }
    let ids: BTreeSet<_> = panels
        .iter()
        .map(|panel| panel["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids.len(), panels.len());
}
