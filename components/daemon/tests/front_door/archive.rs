//! `campanile archive`, on an archive in a file.

use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use crate::process::{Ended, Folder, Running, campanile, end};
use crate::server;

const CONFIG: &str = "[[component]]\njid='logger.localhost'\naddress='127.0.0.1:1'\nsecret='x'\n\
    [component.logger]\nstore='sqlite:logger.db'\n";

/// A folder with a configuration, in which commands are run.
struct Archive(Folder);

impl Archive {
    fn new() -> Self {
        let (_, folder) = campanile(&[]);
        folder.write("campanile.toml", CONFIG);
        Self(folder)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let (mut command, _folder) = campanile(&["archive"]);
        command.args(arguments).current_dir(self.0.path());
        command
    }

    fn run(&self, arguments: &[&str], stdin: &str) -> Ended {
        end(&mut self.command(arguments), stdin)
    }

    fn says(&self, arguments: &[&str], stdin: &str) -> String {
        let ended = self.run(arguments, stdin);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
        ended.stdout
    }
}

fn line(id: &str, time: &str, from: &str, body: &str) -> String {
    let stanza = format!(
        "<message from='{from}/x' to='logger.localhost' id='1' \
        type='chat'><body>{body}</body></message>"
    );
    let line = serde_json::json!({
        "archive": "logger.localhost", "body": body, "from": from, "id": id, "kind": "message",
        "stanza": stanza, "time": time, "to": "logger.localhost",
    });
    format!("{line}\n")
}

fn two() -> String {
    line(
        "one",
        "2026-01-01T00:00:00.000000Z",
        "alice@localhost",
        "the bell rings",
    ) + &line(
        "two",
        "2026-02-01T00:00:00.000001Z",
        "bob@localhost",
        "=1+1 no bell\u{1b}",
    )
    .replace("\\u001b", "&#9;")
}

#[test]
fn exported_entries_can_be_imported_searched_and_exported_again() {
    let archive = Archive::new();
    let lines = two();
    for _ in 0..2 {
        assert_eq!(
            archive.says(&["import", "-"], &lines),
            "2 entries imported or already in the archive\n"
        );
    }
    let exported = archive.says(&["export"], "");
    let field = |text: &str, key: &str| -> Vec<String> {
        let value =
            |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()[key].to_string();
        text.lines().map(value).collect()
    };
    for key in ["id", "time", "from", "to", "archive", "stanza", "kind"] {
        assert_eq!(field(&exported, key), field(&lines, key), "{key}");
    }
    let found = archive.says(&["search", "BELL", "rings"], "");
    assert_eq!(
        found,
        "2026-01-01T00:00:00.000000Z alice@localhost → logger.localhost: the bell rings\n"
    );
    assert_eq!(
        archive
            .says(&["search", "bell", "--since", "2026-01-15"], "")
            .lines()
            .count(),
        1
    );
    assert_eq!(
        archive
            .says(&["search", "bell", "--with", "bob@localhost"], "")
            .lines()
            .count(),
        1
    );
    assert_eq!(archive.says(&["tail", "-n", "1"], "").lines().count(), 1);
    let csv = archive.says(&["export", "--format", "csv"], "");
    assert!(
        csv.starts_with("id,time,archive,from,to,kind,body,stanza\r\n\"one\","),
        "{csv}"
    );
    assert!(csv.contains(",\"'=1+1 no bell"), "{csv}");
    let stats = archive.says(&["stats"], "");
    assert!(
        stats.starts_with("2 entries, ") && stats.contains("alice@localhost: 1 entry"),
        "{stats}"
    );
    let prune = ["prune", "--before", "2026-01-15"];
    let ended = archive.run(&prune, "y\n");
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (
            Some(64),
            "campanile: this would permanently remove 1 entry of 2; add --yes to do so, or \
            --dry-run to only see the number\n"
        )
    );
    let with = |option| [&prune[..], &[option]].concat();
    assert_eq!(
        archive.says(&with("--dry-run"), ""),
        "would remove 1 entry of 2\n"
    );
    assert_eq!(
        archive.says(&["prune", "--above", "1KiB", "--dry-run"], ""),
        "would remove entries of about 0 bytes, out of 224 bytes\n"
    );
    assert_eq!(archive.says(&["export"], "").lines().count(), 2);
    assert_eq!(archive.says(&with("--yes"), ""), "removed 1 entry\n");
    assert_eq!(
        archive
            .says(&["export", "--format", "text"], "")
            .lines()
            .count(),
        1
    );
}

#[test]
fn files_of_an_archive_are_private() {
    let archive = Archive::new();
    let mode = |name: &str| {
        let metadata = std::fs::metadata(archive.0.path().join(name)).unwrap();
        format!("{:o}", metadata.permissions().mode() & 0o777)
    };
    archive.says(&["import", "-"], &two());
    assert_eq!(mode("logger.db"), "600", "a new file");
    archive.says(&["export", "-o", "all.ndjson"], "");
    assert_eq!(mode("all.ndjson"), "600", "a new export");
    // Files of an earlier version.
    for name in ["logger.db", "all.ndjson"] {
        archive.0.permit(name, 0o644);
    }
    let ended = archive.run(&["export", "-o", "all.ndjson"], "");
    assert!(
        ended.stderr.contains("permissions of database restricted"),
        "{}",
        ended.stderr
    );
    assert_eq!(mode("logger.db"), "600", "an existing file");
    assert_eq!(mode("all.ndjson"), "600", "an existing export");
}

#[test]
fn export_saved_by_an_editor_can_be_imported() {
    let archive = Archive::new();
    let edited = format!("\u{feff}{}", two().replace('\n', "\r\n"));
    assert_eq!(
        archive.says(&["import", "-"], &edited),
        "2 entries imported or already in the archive\n"
    );
}

#[test]
fn archive_needs_no_secrets_of_components() {
    let archive = Archive::new();
    archive.says(&["import", "-"], &two());
    let configuration = CONFIG.replace("secret='x'", "secret_file='missing.secret'")
        + "[[component]]\njid='bridge.localhost'\naddress='127.0.0.1:1'\n\
           secret_env='CAMPANILE_MISSING'\n[component.json_bridge]\noutbox='outbox.db'\n\
           [component.json_bridge.bots.bot]\n\
           webhook={url='https://example.org/',secret_credential='webhook'}\n";
    archive.0.write("campanile.toml", &configuration);
    assert!(archive.says(&["stats"], "").starts_with("2 entries, "));
    let (mut outbox, _folder) = campanile(&["outbox", "list"]);
    let ended = end(outbox.current_dir(archive.0.path()), "");
    assert!(
        ended.stderr.contains("no outbox at ") && !ended.stderr.contains("secret"),
        "{}",
        ended.stderr
    );
    // Whatever else is wrong is still reported.
    archive
        .0
        .write("campanile.toml", &(configuration + "colour='red'\n"));
    assert_eq!(archive.run(&["stats"], "").code, Some(78));
}

#[test]
fn tail_follow_shows_new_entries() {
    let archive = Archive::new();
    archive.says(&["import", "-"], &two());
    let mut follower = archive
        .command(&["tail", "-f", "-n", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(follower.stdout.take().expect("a pipe")).lines();
    assert!(lines.next().unwrap().unwrap().contains("no bell"));
    archive.says(
        &["import", "-"],
        &line("three", "2026-03-01T00:00:00Z", "eve@localhost", "new"),
    );
    assert!(
        lines
            .next()
            .unwrap()
            .unwrap()
            .ends_with("eve@localhost → logger.localhost: new")
    );
    follower.kill().expect("it runs");
    follower.wait().expect("it ends");
}

#[test]
fn failed_read_of_a_corrupt_archive_is_logged() {
    const SEARCH: &str = "<message from='alice@localhost/r' to='logger.localhost' id='q1' \
        type='chat'><body>!search quixotic</body></message>";
    let (address, events) = server::start(&[server::Answer::Ask(SEARCH)]);
    let archive = Archive::new();
    let lines: String = (0..500)
        .map(|number| {
            let id = format!("id{number}");
            let body = format!("quixotic {}", "x".repeat(1000));
            line(&id, "2026-01-01T00:00:00Z", "alice@localhost", &body)
        })
        .collect();
    archive.says(&["import", "-"], &lines);
    // The first pages are those of small tables; the entries follow.
    let path = archive.0.path().join("logger.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[200_000..].fill(0x5a);
    std::fs::write(&path, bytes).unwrap();
    let configuration = CONFIG
        .replace("127.0.0.1:1", &address.to_string())
        .replace("logger.db", path.to_str().unwrap());
    let mut running = Running::start(&configuration, &["--log-format", "json"]);
    let answer = server::said(&events);
    assert!(answer.contains("the archive is unavailable"), "{answer}");
    let logged = running.says("read failed; queries rejected");
    assert!(
        logged["error"]
            .as_str()
            .is_some_and(|error| error.contains("malformed")),
        "{logged}"
    );
}

#[test]
fn search_is_logged_without_its_words() {
    const SEARCH: &str = "<message from='alice@localhost/r' to='logger.localhost' id='q1' \
        type='chat'><body>!search quixotic \"bells\"</body></message>";
    let (address, events) = server::start(&[server::Answer::Ask(SEARCH)]);
    let configuration = CONFIG.replace("127.0.0.1:1", &address.to_string());
    let mut running = Running::start(&configuration, &["--log-format", "json"]);
    let answer = server::said(&events);
    assert!(answer.contains("Nothing found for quixotic "), "{answer}");
    let line = running.says("archive searched");
    assert_eq!(
        (&line["user"], &line["archive"], &line["words"]),
        (
            &"alice@localhost".into(),
            &"logger.localhost".into(),
            &2.into()
        )
    );
    assert!(!line.to_string().contains("quixotic"), "{line}");
}

#[test]
fn invalid_commands_fail_with_a_reason() {
    let archive = Archive::new();
    let ended = archive.run(&["stats"], "");
    assert_eq!(
        ended.code,
        Some(71),
        "there is no archive yet: {}",
        ended.stderr
    );
    assert_eq!(
        ended.stderr,
        "campanile: database unavailable: logger.db does not exist\n"
    );
    let ended = archive.run(&["import", "-"], "{\"id\":\"a\",\"time\":\"2026-\n");
    assert_eq!(
        ended.stderr,
        "campanile: stdin:1: the line is cut off; 0 entries imported\n"
    );
    let ended = archive.run(&["import", "-"], &(two() + "{}\n"));
    assert_eq!(ended.code, Some(64));
    assert_eq!(
        ended.stderr,
        "campanile: stdin:3: archive is missing; 0 entries imported\n"
    );
    archive.0.write("all.ndjson", &(two() + "{}\n"));
    let ended = archive.run(&["import", "all.ndjson"], "");
    assert_eq!(
        ended.stderr,
        "campanile: all.ndjson:3: archive is missing; 0 entries imported\n"
    );
    let ended = archive.run(&["prune"], "");
    assert_eq!(ended.code, Some(64), "a rule is needed: {}", ended.stderr);
    let ended = archive.run(&["export", "--since", "soon"], "");
    assert!(
        ended.code == Some(71) || ended.code == Some(64),
        "{}",
        ended.stderr
    );
    archive.0.write(
        "campanile.toml",
        "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n",
    );
    let ended = archive.run(&["stats"], "");
    assert_eq!(ended.code, Some(64), "{}", ended.stderr);
}
