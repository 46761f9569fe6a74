//! The command line.

use crate::process::{campanile, check, end, with};

const GOOD: &str = "\
[[component]]
jid = 'echo.example.org'
address = '127.0.0.1:1'
secret = 'x'
[component.echo]
";

#[test]
fn help_teaches_and_is_no_failure() {
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["check", "--help"],
        &["completions", "--help"],
    ] {
        let ended = with(arguments);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
        assert!(
            ended.stdout.contains("campanile "),
            "{arguments:?}: {}",
            ended.stdout
        );
    }
    let help = with(&["--help"]).stdout;
    for word in [
        "campanile run --config my.toml",
        "RUST_LOG",
        "CAMPANILE_CONFIG",
        "78  wrong configuration",
        "XEP-0114",
    ] {
        assert!(help.contains(word), "{word} is missing in {help}");
    }
}

#[test]
fn wrong_usage_is_64() {
    for (arguments, words) in [
        (&["serve"][..], "unrecognized subcommand 'serve'"),
        (&["init"], "<SERVER>"),
        (&["check", "--resolver", "9.9.9.9"], "--connect"),
        (&["archive"], "Usage: campanile archive"),
        (&["outbox", "drop"], "<NUMBER|--all>"),
        (&["chekc"], "a similar subcommand exists: 'check'"),
        (
            &["check", "--conf", "x"],
            "a similar argument exists: '--config'",
        ),
        (
            &["run", "--log-format", "xml"],
            "[possible values: text, json]",
        ),
        (&[], "Usage: campanile"),
    ] {
        let ended = with(arguments);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (Some(64), ""),
            "{arguments:?}"
        );
        assert!(
            ended.stderr.contains(words),
            "{arguments:?}: {}",
            ended.stderr
        );
    }
}

#[test]
fn a_log_level_that_cannot_be_read_is_wrong_usage() {
    let (mut command, _folder) = campanile(&["run"]);
    let ended = end(command.env("RUST_LOG", "campanile=loud"), "");
    assert_eq!(ended.code, Some(64));
    assert!(
        ended
            .stderr
            .starts_with("campanile: RUST_LOG=\"campanile=loud\" cannot be read"),
        "{}",
        ended.stderr
    );
}

#[test]
fn version_is_said_on_stdout() {
    for arguments in [["version"], ["--version"], ["-V"]] {
        let ended = with(&arguments);
        assert_eq!(
            (ended.code, ended.stdout.as_str()),
            (
                Some(0),
                concat!("campanile ", env!("CARGO_PKG_VERSION"), "\n")
            )
        );
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ended = with(&["completions", shell]);
        assert_eq!(
            (ended.code, ended.stderr.as_str()),
            (Some(0), ""),
            "{shell}"
        );
        assert!(
            ended.stdout.contains("check") && ended.stdout.contains("connect"),
            "{shell}: {}",
            ended.stdout
        );
    }
    assert_eq!(with(&["completions", "cobol"]).code, Some(64));
}

#[test]
fn a_sound_configuration_is_shown() {
    let ended = check(GOOD);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        ended.stdout,
        "stdin has no faults\necho.example.org on 127.0.0.1:1: echo, disco, ping, version, time, \
        last\n"
    );
}

#[test]
fn a_link_that_strangers_can_read_is_named() {
    let ended = check(&GOOD.replace("127.0.0.1:1", "192.0.2.7:5347"));
    assert_eq!(ended.code, Some(0));
    assert!(
        ended
            .stdout
            .contains("on 192.0.2.7:5347 WITHOUT ENCRYPTION:"),
        "{}",
        ended.stdout
    );
    let ended = check(&GOOD.replace("secret", "tls = { server_name = 'example.org' }\nsecret"));
    assert!(
        ended.stdout.contains("on 127.0.0.1:1 over TLS:"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
}

#[test]
fn the_file_is_found_by_flag_then_environment_then_folder() {
    let (mut command, folder) = campanile(&["check"]);
    folder.write("campanile.toml", GOOD);
    assert!(
        end(&mut command, "")
            .stdout
            .starts_with("campanile.toml has no faults")
    );

    let other = folder.write("other.toml", GOOD);
    let ended = end(command.env("CAMPANILE_CONFIG", &other), "");
    assert!(
        ended
            .stdout
            .starts_with(&format!("{} has no faults", other.display())),
        "{}",
        ended.stdout
    );
    assert!(
        end(command.env("CAMPANILE_CONFIG", "-"), GOOD)
            .stdout
            .starts_with("stdin has no faults")
    );

    let ended = end(
        command
            .args(["--config", "other.toml"])
            .env("CAMPANILE_CONFIG", "none.toml"),
        "",
    );
    assert!(
        ended.stdout.starts_with("other.toml has no faults"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
}

#[test]
fn a_file_that_is_not_there_is_78_and_one_that_cannot_be_read_71() {
    let ended = with(&["check", "--config", "none.toml"]);
    assert_eq!(ended.code, Some(78));
    assert_eq!(
        ended.stderr,
        "campanile: none.toml cannot be read: No such file or directory (os error 2); check \
        --config and \
         CAMPANILE_CONFIG\n"
    );
    let ended = with(&["run", "--config", "."]);
    assert_eq!(ended.code, Some(71));
    assert!(
        ended.stderr.starts_with("campanile: . cannot be read: "),
        "{}",
        ended.stderr
    );
    let ended = with(&["check", "--config", "/dev/zero"]);
    assert_eq!(ended.code, Some(71));
    assert!(
        ended.stderr.contains("this is no configuration"),
        "{}",
        ended.stderr
    );
}
