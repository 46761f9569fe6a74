//! `campanile init`: the files it writes, and those it leaves alone.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::process::{Folder, campanile, end};

fn init(folder: &Folder, arguments: &[&str]) -> crate::process::Ended {
    let (mut command, _own) = campanile(&[&["init"], arguments].concat());
    end(command.current_dir(folder.path()), "")
}

fn new_folder() -> Folder {
    let (_, folder) = campanile(&[]);
    folder
}

#[test]
fn init_writes_a_valid_configuration_with_the_secret_of_the_snippet() {
    for (server, port, words) in [
        (
            "prosody",
            5347,
            "Component \"bot.example.net\"\n  component_secret = \"",
        ),
        ("ejabberd", 5347, "      bot.example.net: {password: \""),
        ("openfire", 5275, "# Openfire: an external component"),
    ] {
        let folder = new_folder();
        let ended = init(&folder, &[server, "--jid", "bot.example.net"]);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let file = folder.path().join("bot.example.net.secret");
        let secret = fs::read_to_string(&file).unwrap();
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(secret.trim().len(), 64, "{secret}");
        assert!(
            ended.stdout.contains(words) && ended.stdout.contains(secret.trim()),
            "{}",
            ended.stdout
        );
        assert!(
            !ended.stdout.contains("example.org") && !ended.stdout.contains("change-me"),
            "{}",
            ended.stdout
        );
        assert!(!ended.stderr.contains(secret.trim()), "{}", ended.stderr);

        let (mut check, _own) = campanile(&["check"]);
        let checked = end(check.current_dir(folder.path()), "");
        assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
        assert!(
            checked
                .stdout
                .contains(&format!("bot.example.net on 127.0.0.1:{port}: echo")),
            "{}",
            checked.stdout
        );
    }
}

#[test]
fn port_and_nested_domain_are_substituted_once() {
    let folder = new_folder();
    let ended = init(
        &folder,
        &[
            "prosody",
            "--jid",
            "a.b.example.org",
            "--address",
            "xmpp.example.org:6000",
        ],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stdout.contains("component_ports = { 6000 }"),
        "{}",
        ended.stdout
    );
    assert!(
        ended.stdout.contains("Component \"a.b.example.org\""),
        "{}",
        ended.stdout
    );
    // The secret is random and may contain any four digits.
    let secret = fs::read_to_string(folder.path().join("a.b.example.org.secret")).unwrap();
    let lines = ended.stdout.replace(secret.trim(), "");
    assert!(
        !lines.contains("b.b.example.org") && !lines.contains("5347"),
        "{lines}"
    );
    let written = fs::read_to_string(folder.path().join("campanile.toml")).unwrap();
    assert!(
        written.contains("address = \"xmpp.example.org:6000\""),
        "{written}"
    );
}

#[test]
fn systemd_option_writes_the_secret_as_a_credential() {
    let folder = new_folder();
    fs::create_dir(folder.path().join("secrets")).unwrap();
    let ended = init(
        &folder,
        &["ejabberd", "--jid", "bot.example.net", "--systemd"],
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("systemd-run -P -p LoadCredential=secret:/etc/campanile/secrets"),
        "{}",
        ended.stderr
    );
    let written = fs::read_to_string(folder.path().join("campanile.toml")).unwrap();
    assert!(
        written.contains("secret_credential = \"secret_bot.example.net\""),
        "{written}"
    );
    // The layout that systemd creates for the unit.
    let secret = fs::read(folder.path().join("secrets/bot.example.net")).unwrap();
    fs::create_dir(folder.path().join("credentials")).unwrap();
    fs::write(
        folder.path().join("credentials/secret_bot.example.net"),
        secret,
    )
    .unwrap();
    let (mut check, _own) = campanile(&["check"]);
    let credentials = folder.path().join("credentials");
    let checked = end(
        check
            .current_dir(folder.path())
            .env("CREDENTIALS_DIRECTORY", credentials),
        "",
    );
    assert_eq!((checked.code, checked.stderr.as_str()), (Some(0), ""));
}

#[test]
fn init_never_overwrites_files() {
    let folder = new_folder();
    folder.write("campanile.toml", "mine");
    let ended = init(&folder, &["prosody"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(71), ""));
    assert!(
        ended
            .stderr
            .contains("cannot write ./campanile.toml: File exists")
            && ended.stderr.contains("move it away first"),
        "{}",
        ended.stderr
    );
    assert_eq!(
        fs::read_to_string(folder.path().join("campanile.toml")).unwrap(),
        "mine"
    );
    assert!(!folder.path().join("echo.example.org.secret").exists());
}

#[test]
fn output_is_written_once_and_never_emptied() {
    let folder = new_folder();
    let arguments = [
        "prosody",
        "--folder",
        "etc/campanile",
        "--output",
        "echo.cfg.lua",
    ];
    let ended = init(&folder, &arguments);
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (Some(0), ""),
        "{}",
        ended.stderr
    );
    let snippet = folder.path().join("echo.cfg.lua");
    let written = fs::read_to_string(&snippet).unwrap();
    let mode = |path: &str| {
        let file = fs::metadata(folder.path().join(path)).unwrap();
        file.permissions().mode() & 0o777
    };
    assert!(
        written.contains("Component \"echo.example.org\""),
        "{written}"
    );
    assert_eq!(
        (mode("echo.cfg.lua"), mode("etc/campanile")),
        (0o640, 0o700)
    );
    assert!(
        ended.stderr.contains("chgrp prosody echo.cfg.lua"),
        "{}",
        ended.stderr
    );

    // A second run leaves everything as it is, and a failure leaves nothing behind.
    let again = init(&folder, &arguments);
    assert_eq!(again.code, Some(71));
    assert_eq!(fs::read_to_string(&snippet).unwrap(), written);
    let elsewhere = ["prosody", "--folder", "new", "--output", "echo.cfg.lua"];
    let again = init(&folder, &elsewhere);
    assert_eq!(again.code, Some(71));
    assert!(
        again.stderr.contains("cannot write echo.cfg.lua: "),
        "{}",
        again.stderr
    );
    assert_eq!(fs::read_to_string(&snippet).unwrap(), written);
    assert_eq!(fs::read_dir(folder.path().join("new")).unwrap().count(), 0);
}

#[test]
fn invalid_domain_is_wrong_usage() {
    let folder = new_folder();
    for jid in ["bot@example.org", "a b", ""] {
        assert_eq!(
            init(&folder, &["prosody", "--jid", jid]).code,
            Some(64),
            "{jid}"
        );
    }
    assert_eq!(
        init(&folder, &["prosody", "--address", "nowhere"]).code,
        Some(64)
    );
    assert_eq!(init(&folder, &["whack"]).code, Some(64));
}
