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
fn help_has_examples_and_exits_0() {
    for arguments in [
        &["--help"][..],
        &["run", "--help"],
        &["check", "--help"],
        &["config", "--help"],
        &["config", "fmt", "--help"],
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
        "78  invalid configuration",
        "XEP-0114",
    ] {
        assert!(help.contains(word), "{word} is missing in {help}");
    }
}

#[test]
fn wrong_usage_exits_64() {
    for (arguments, words) in [
        (&["serve"][..], "unrecognized subcommand 'serve'"),
        (&["init"], "<SERVER>"),
        (&["check", "--resolver", "9.9.9.9"], "--connect"),
        (&["archive"], "Usage: campanile archive"),
        (&["config"], "Usage: campanile config"),
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
fn invalid_log_filter_is_wrong_usage() {
    for (filter, said) in [
        ("campanile=loud", " is invalid"),
        (
            "verbose",
            " is invalid (\"verbose\" is not a level): write error, warn,",
        ),
        ("info,hyper", "such as hyper=debug"),
    ] {
        let (mut command, _folder) = campanile(&["run"]);
        let ended = end(command.env("RUST_LOG", filter), "");
        assert_eq!(ended.code, Some(64));
        let start = format!("campanile: RUST_LOG={filter:?}");
        assert!(
            ended.stderr.starts_with(&start) && ended.stderr.contains(said),
            "{}",
            ended.stderr
        );
    }
}

#[test]
fn config_option_may_stand_before_or_after_the_command() {
    let file = "[[component]]\njid='a.b'\naddress='c:1'\nsecret='d'\n[component.logger]\n\
        store='sqlite:a.db'\n";
    for (arguments, code) in [
        (&["--config", "my.toml", "check"][..], 0),
        (&["check", "--config", "my.toml"], 0),
        (&["-c", "my.toml", "config", "fmt", "--check"], 78),
        (&["-c", "my.toml", "archive", "search", "x"], 71),
        (&["archive", "-c", "my.toml", "search", "x"], 71),
        (&["archive", "search", "-c", "my.toml", "x"], 71),
        (&["-c", "my.toml", "check", "-c", "my.toml"], 64),
        (&["-c", "my.toml", "config", "schema"], 64),
        (&["-c", "my.toml", "version"], 64),
    ] {
        let (mut command, folder) = campanile(arguments);
        folder.write("my.toml", file);
        let ended = end(&mut command, "");
        assert_eq!(ended.code, Some(code), "{arguments:?}: {}", ended.stderr);
    }
}

#[test]
fn version_is_printed_to_stdout() {
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
fn completions_contain_the_commands() {
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
fn valid_configuration_is_summarized() {
    let ended = check(GOOD);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_eq!(
        ended.stdout,
        "stdin has no faults\necho.example.org on 127.0.0.1:1: echo, disco, ping, version, time, \
        last\n"
    );
}

#[test]
fn unencrypted_remote_link_is_reported() {
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
fn configuration_file_is_found_by_flag_then_environment_then_folder() {
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
fn missing_file_exits_78_and_unreadable_file_71() {
    let ended = with(&["check", "--config", "none.toml"]);
    assert_eq!(ended.code, Some(78));
    assert_eq!(
        ended.stderr,
        "campanile: cannot read none.toml: No such file or directory (os error 2); check \
        --config and \
         CAMPANILE_CONFIG\n"
    );
    let ended = with(&["run", "--config", "."]);
    assert_eq!(ended.code, Some(71));
    assert!(
        ended.stderr.starts_with("campanile: cannot read .: "),
        "{}",
        ended.stderr
    );
    let ended = with(&["check", "--config", "/dev/zero"]);
    assert_eq!(ended.code, Some(71));
    assert!(
        ended.stderr.contains("not a configuration"),
        "{}",
        ended.stderr
    );
}
