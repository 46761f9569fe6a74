//! Secrets: their sources, and that they are never shown.

use crate::process::{Ended, campanile, check, end};

const HIDDEN: &str = "hunter2-Kq9";

fn component(secret: &str) -> String {
    format!("[[component]]\njid = 'echo.example.org'\naddress = '127.0.0.1:1'\n{secret}\n")
}

fn assert_hidden(ended: &Ended) {
    let all = format!("{}{}", ended.stdout, ended.stderr);
    assert!(
        !all.contains("hunter2") && !all.contains("Kq9"),
        "the secret was shown: {all}"
    );
}

#[test]
fn secret_is_read_from_file_environment_or_credential() {
    let (mut command, folder) = campanile(&["check", "--config", "etc/campanile.toml"]);
    folder.write("etc/echo.secret", &format!("{HIDDEN}\n"));
    // Relative to the configuration, not to the working directory.
    folder.write(
        "etc/campanile.toml",
        &component("secret_file = 'echo.secret'"),
    );
    let ended = end(&mut command, "");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_hidden(&ended);

    folder.write(
        "etc/campanile.toml",
        &component("secret_env = 'ECHO_SECRET'"),
    );
    assert_eq!(end(command.env("ECHO_SECRET", HIDDEN), "").code, Some(0));

    folder.write(
        "etc/campanile.toml",
        &component("secret_credential = 'echo.secret'"),
    );
    let ended = end(
        command.env("CREDENTIALS_DIRECTORY", folder.path().join("etc")),
        "",
    );
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    assert_hidden(&ended);
}

#[test]
fn world_readable_secret_causes_a_warning() {
    let (mut command, folder) = campanile(&["check", "--config", "campanile.toml"]);
    folder.write("echo.secret", HIDDEN);
    folder.permit("echo.secret", 0o644);
    folder.write("campanile.toml", &component("secret_file = 'echo.secret'"));
    let ended = end(&mut command, "");
    assert_eq!(ended.code, Some(0));
    assert_eq!(
        ended.stderr,
        "campanile.toml:4:15: warning: echo.secret is readable by every user on this machine\n    \
        help: run chmod o-r on it\n"
    );

    folder.write(
        "campanile.toml",
        &component(&format!("secret = '{HIDDEN}'")),
    );
    assert_eq!(end(&mut command, "").stderr, "");
    folder.permit("campanile.toml", 0o644);
    let ended = end(&mut command, "");
    assert_eq!(ended.code, Some(0));
    assert!(
        ended.stderr.starts_with(
            "campanile.toml:4:1: warning: this secret is readable by every user on this machine\n"
        ),
        "{}",
        ended.stderr
    );
    assert_hidden(&ended);
}

#[test]
fn faults_never_show_a_secret() {
    for wrong in [
        // Wrong quotation marks, wrong types, wrong keys, and the secret itself in place of the
        // name of its source.
        format!("secret = {HIDDEN}"),
        format!("secret = \"{HIDDEN}"),
        format!("secret = \"\"{HIDDEN}\""),
        format!("secret = \"x\" {HIDDEN} = 1"),
        format!("secret = \"x\n{HIDDEN}\""),
        format!("sercet = \"{HIDDEN}\""),
        format!("secret = [\"{HIDDEN}\"]"),
        format!("secret = \"x\"\nsecret_env = \"{HIDDEN}\""),
        format!("secret_env = \"{HIDDEN}\""),
        format!("secret_credential = \"{HIDDEN}/\""),
        format!("secret = \"{HIDDEN}\"\nsecret = \"{HIDDEN}\""),
    ] {
        let ended = check(&component(&wrong));
        assert_eq!(ended.code, Some(78), "{wrong}: {}", ended.stdout);
        assert_hidden(&ended);
    }
}

#[test]
fn secret_with_additions_of_an_editor_or_shell_is_a_fault() {
    for (content, cause) in [
        (
            format!("\u{FEFF}{HIDDEN}\n"),
            "starts with a byte order mark",
        ),
        (format!("{HIDDEN} \n"), "starts or ends with a blank"),
        (format!("{HIDDEN}\nsecond\n"), "has more than one line"),
    ] {
        let (mut command, folder) = campanile(&["check", "--config", "etc/campanile.toml"]);
        folder.write("etc/echo.secret", &content);
        for source in ["secret_file = 'echo.secret'", "secret_env = 'ECHO_SECRET'"] {
            folder.write("etc/campanile.toml", &component(source));
            let ended = end(command.env("ECHO_SECRET", &content), "");
            assert_eq!(ended.code, Some(78), "{source}");
            assert!(ended.stderr.contains(cause), "{}", ended.stderr);
            assert_hidden(&ended);
        }
    }
    let (mut command, folder) = campanile(&["check", "--config", "etc/campanile.toml"]);
    folder.write(
        "etc/campanile.toml",
        &component("secret_env = 'ECHO_SECRET'"),
    );
    let ended = end(command.env("ECHO_SECRET", format!("{HIDDEN}\r\n")), "");
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
}
