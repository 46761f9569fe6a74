//! The annotated configuration and the systemd unit in deploy/.

use crate::process::{Folder, campanile, end};

const SAMPLE: &str = include_str!("../../../../deploy/campanile.toml");
const UNIT: &str = include_str!("../../../../deploy/systemd/campanile.service");

/// Returns the sample with every commented-out setting enabled.
fn in_full() -> String {
    let bare = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting.to_owned(),
        _ => line.to_owned(),
    };
    SAMPLE.lines().map(bare).collect::<Vec<_>>().join("\n")
}

fn prepare(folder: &Folder, configuration: &str) {
    folder.write("etc/campanile.toml", configuration);
    folder.write("etc/echo.secret", "hunter2\n");
    folder.write("etc/logger.secret", "hunter2\n");
    for name in ["bridge.secret", "bridge.token", "helpdesk.token"] {
        folder.write(&format!("etc/{name}"), &format!("a-long-{name}\n"));
    }
    for name in ["hook.secret", "old-hook.secret"] {
        let secret = "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0\n";
        folder.write(&format!("etc/{name}"), secret);
    }
    folder.write("etc/admin.token", "0123456789abcdef\n");
    folder.write("etc/echo.png", "GIF89a");
    folder.write("etc/ca.pem", include_str!("ca.pem"));
}

#[test]
fn sample_is_valid_with_and_without_optional_settings() {
    for (configuration, server, more) in [
        (SAMPLE.to_owned(), "127.0.0.1:5347", ""),
        (
            in_full(),
            "[::1]:5347",
            "tap into echo@logger.example.org, presence, vcard, ",
        ),
    ] {
        let (mut command, folder) = campanile(&["check", "--config", "etc/campanile.toml"]);
        prepare(&folder, &configuration);
        let ended = end(&mut command, "");
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{configuration}"
        );
        let line =
            format!("echo.example.org on {server}: echo, {more}disco, ping, version, time, last\n");
        assert!(ended.stdout.contains(&line), "{}", ended.stdout);
    }
}

#[test]
fn sample_contains_every_setting() {
    // `check` lists the known keys of a table when it meets an unknown one.
    for (table, header) in [
        ("[server]", "[server]"),
        ("[admin]", "[admin]"),
        ("[[component]]", "[[component]]"),
        ("[component.disco]", "[component.disco]"),
        ("[component.presence]", "[component.presence]"),
        ("[component.presence.bounds]", "[component.presence.bounds]"),
        ("[component.tap]", "[component.tap]"),
        ("[component.vcard]", "[component.vcard]"),
        (
            "[component.vcard.bots.helpdesk]",
            "[component.vcard.bots.helpdesk]",
        ),
        ("[component.rate]", "[component.rate]"),
        ("[component.limits]", "[component.limits]"),
        ("[component.logger]", "[component.logger]"),
        ("[component.logger.quota]", "[component.logger.quota]"),
        ("[component.json_bridge]", "[component.json_bridge]"),
        (
            "[component.json_bridge.bots.helpdesk]",
            "[component.json_bridge.bots.helpdesk]",
        ),
    ] {
        let (mut command, folder) = campanile(&["check", "--config", "etc/campanile.toml"]);
        prepare(
            &folder,
            &in_full().replacen(&format!("{header}\n"), &format!("{header}\nxyzzy = 1\n"), 1),
        );
        let ended = end(&mut command, "");
        let said = ended.stderr.split_once(&format!(
            "unknown key \"xyzzy\" in {table}\n    help: use one of "
        ));
        let known = said.expect(&ended.stderr).1.lines().next().expect("a line");
        for key in known.split(", ") {
            let shown = [format!("{key} = "), format!(".{key}]"), format!(".{key}.")];
            assert!(
                shown.iter().any(|shown| SAMPLE.contains(shown)),
                "{key} of {table} is not in the sample"
            );
        }
    }
}

#[test]
fn unit_provides_the_credential_of_the_configuration() {
    let (name, _path) = UNIT
        .lines()
        .find_map(|line| line.strip_prefix("LoadCredential="))
        .and_then(|value| value.split_once(':'))
        .expect("a credential");
    let (mut command, folder) = campanile(&["check", "--config", "etc/campanile.toml"]);
    // LoadCredential= names a folder: systemd provides each file in it as NAME_FILE.
    let credential = format!("{name}_echo.example.org");
    let configuration = SAMPLE.replace(
        "secret_file = \"echo.secret\"",
        &format!("secret_credential = \"{credential}\""),
    );
    prepare(&folder, &configuration);
    folder.write(&format!("etc/{credential}"), "s3cr3t\n");
    let ended = end(
        command.env("CREDENTIALS_DIRECTORY", folder.path().join("etc")),
        "",
    );
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
}
