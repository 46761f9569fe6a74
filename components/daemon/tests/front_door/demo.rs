//! `campanile demo`: the scripted conversation, and the prompt.

use crate::process::{Ended, campanile, end, with};

fn prompt(arguments: &[&str], lines: &str) -> Ended {
    let (mut command, _folder) = campanile(&[&["demo", "--interactive"], arguments].concat());
    end(&mut command, lines)
}

/// Returns the lines of the conversation.
fn said(ended: &Ended) -> Vec<&str> {
    ended
        .stdout
        .lines()
        .filter_map(|line| line.strip_prefix("  "))
        .collect()
}

#[test]
fn demo_shows_a_conversation_with_every_component() {
    let ended = with(&["demo"]);
    assert_eq!(
        (ended.code, ended.stderr.as_str()),
        (Some(0), ""),
        "{}",
        ended.stdout
    );
    let said = said(&ended);
    let has = |line: &str| said.iter().any(|said| said.starts_with(line));
    for line in [
        "alice → echo.localhost  what are you?",
        "echo.localhost → alice  Echo (client/bot)",
        "alice → echo.localhost  “Is anybody up there?”",
        "echo.localhost → alice  “Is anybody up there?”",
        "echo.localhost → alice  <data xmlns='MY-FORMAT-NS'>vgreg%G% B%$t54T%$gqfg4fgAEAE</…>",
        "echo.localhost → alice  yes",
        "alice → helpdesk@bridge.localhost  “Do you read XML?”",
        "POST /hook  {\"",
        "       200  {\"body\":\"16 letters, ",
        "helpdesk@bridge.localhost → alice  “16 letters, ",
        "echo.localhost → alice  error service-unavailable (cancel)",
        "logger.localhost → alice  Message archive (component/archive)",
        "alice → logger.localhost  “The bell rings at noon.” with <request ",
        "logger.localhost → alice  <received ",
        "alice → logger.localhost  “!search bell”",
    ] {
        assert!(has(line), "{line:?} is missing in\n{}", ended.stdout);
    }
    assert!(
        said.iter()
            .any(|line| line.starts_with("logger.localhost → alice  “")
                && line.ends_with(" UTC alice@localhost: The bell rings at noon.”")),
        "{}",
        ended.stdout
    );
    assert!(
        !ended.stdout.contains('\u{1b}'),
        "colors without a terminal"
    );
}

#[test]
fn demo_fails_if_its_output_cannot_be_written() {
    let (mut command, _folder) = campanile(&["demo"]);
    let full = std::fs::File::create("/dev/full").unwrap();
    let mut child = command
        .stdout(full)
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = String::new();
    let mut output = child.stderr.take().unwrap();
    std::io::Read::read_to_string(&mut output, &mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(71), "{stderr}");
    assert!(
        stderr.contains("cannot write to stdout: No space left on device"),
        "{stderr}"
    );
}

#[test]
fn xml_option_shows_stanzas() {
    let ended = with(&["demo", "--xml"]);
    assert_eq!(ended.code, Some(0));
    let echo = "\n      <message from='echo.localhost' to='alice@localhost/home' id='a2' \
        type='chat'>\
        <body>Is anybody up there?</body></message>\n";
    assert!(ended.stdout.contains(echo), "{}", ended.stdout);
}

#[test]
fn prompt_reads_commands_from_stdin() {
    let ended = prompt(
        &[],
        "hello\n//hello\n/iq jabber:iq:version\n/iq urn:example:orders order\n/quit\nnever\n",
    );
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let said = said(&ended);
    assert_eq!(
        &said[..4],
        [
            "alice → echo.localhost  “hello”",
            "echo.localhost → alice  “hello”",
            "alice → echo.localhost  “/hello”",
            "echo.localhost → alice  “/hello”",
        ]
    );
    assert_eq!(said[4], "alice → echo.localhost  which software are you?");
    assert!(
        said[5].starts_with("echo.localhost → alice  campanile "),
        "{}",
        said[5]
    );
    assert_eq!(
        &said[6..],
        [
            "alice → echo.localhost  get <order xmlns='urn:example:orders'/>",
            "echo.localhost → alice  error service-unavailable (cancel)",
        ]
    );
}

#[test]
fn prompt_commands_send_their_stanzas() {
    let script = "/disco\n/presence subscribe\n/to carol@localhost\nhi\n/to echo.localhost\n/raw \
        <message to='echo.localhost'>\
        <body>a&#x9b;b</body></message>\n/raw <message>\n/dance\n/help\n";
    // The end of the input is equivalent to /quit.
    let ended = prompt(&[], script);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let said = said(&ended);
    let has = |line: &str| said.iter().any(|said| said.starts_with(line));
    for line in [
        "echo.localhost → alice  Echo (client/bot)",
        "echo.localhost → alice  nothing else",
        "alice → echo.localhost  presence: subscribe",
        "echo.localhost → alice  presence: subscribed",
        "echo.localhost → alice  presence: available",
        "carol@localhost → alice  error service-unavailable (cancel)",
        "echo.localhost → alice  “a\\u{9b}b”",
        "not a single stanza: ",
        "unknown command /dance: type /help for a list of commands",
        "/to JID          set the recipient",
    ] {
        assert!(has(line), "{line:?} is missing in\n{}", ended.stdout);
    }
    assert!(!ended.stdout.contains("demo-hidden"), "{}", ended.stdout);
}

#[test]
fn prompt_searches_the_archive() {
    let (mut command, folder) = campanile(&["demo", "--interactive"]);
    let temporary = folder.path().join("temporary");
    std::fs::create_dir(&temporary).unwrap();
    command.env("TMPDIR", &temporary);
    let script = "/to logger.localhost\nthe bell rang\n!search bell\n/presence subscribe\n/quit\n";
    let ended = end(&mut command, script);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    for line in [
        " UTC alice@localhost: the bell rang”",
        "logger.localhost → alice  presence: subscribed",
        "logger.localhost → alice  presence: available",
    ] {
        assert!(ended.stdout.contains(line), "{line}\n{}", ended.stdout);
    }
    let left = std::fs::read_dir(&temporary).unwrap().count();
    assert_eq!(left, 0, "the archive is removed at the end");
}

#[test]
fn closed_stdout_is_not_an_error() {
    let (mut command, _folder) = campanile(&["demo"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn port_in_use_is_reported() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let ended = with(&["demo", "--listen", &address]);
    assert_eq!(ended.code, Some(71));
    assert!(
        ended.stderr.starts_with(&format!(
            "campanile: cannot listen for clients on {address}: "
        )),
        "{}",
        ended.stderr
    );
    assert_eq!(with(&["demo", "--listen", "nowhere"]).code, Some(64));
}

#[test]
fn listen_option_prints_accounts_before_the_prompt() {
    let ended = prompt(&["--listen", "127.0.0.1:0"], "hello\n/quit\n");
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let said = said(&ended);
    assert!(
        ended.stdout.starts_with("Clients may log in on 127.0.0.1:"),
        "{}",
        ended.stdout
    );
    assert_eq!(
        said[..2],
        [
            "alice@localhost  password demo",
            "bob@localhost    password demo"
        ]
    );
    assert!(
        said.contains(&"echo.localhost → alice  “hello”"),
        "{}",
        ended.stdout
    );
}
