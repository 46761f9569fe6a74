//! `campanile run`: log lines, exit codes, and behavior at a server.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use crate::process::{Folder, Running, campanile, end};
use crate::server::{self, Answer};

fn component(jid: &str, address: impl std::fmt::Display) -> String {
    format!(
        "[[component]]\njid = '{jid}'\naddress = '{address}'\nsecret = \
        'hunter2'\n[component.echo]\n[component.limits]\n\
         back_off = ['100ms', '200ms']\nslow_retry = ['1s', '1s']\n"
    )
}

#[test]
fn run_exits_69_with_reasons_when_every_component_is_refused() {
    let (unknown, events) = server::start(&[Answer::HostUnknown]);
    let (secret, _events) = server::start(&[Answer::Refuse("not-authorized")]);
    let configuration =
        component("echo.example.org", unknown) + &component("bot.example.org", secret);
    // Best of three: a stalled machine is not a delay of the daemon.
    let mut tries = (0..3).map(|_| {
        let mut running = Running::start(&configuration, &[]);
        let answered = server::answered(&events);
        let ended = running.end();
        assert_eq!(ended.code, Some(69), "{}", ended.stderr);
        (answered.elapsed(), ended)
    });
    let (_, ended) = tries
        .find(|(took, _)| *took < Duration::from_secs(2))
        .expect("one of three runs exits within 2 s");
    let words = ended
        .stderr
        .split_once("campanile: every component is refused")
        .expect(&ended.stderr)
        .1;
    for expected in [
        &format!(
            "  echo.example.org: {unknown} answered host-unknown: it has no component of this name."
        ),
        "\n    Component \"echo.example.org\"\n        component_secret = \"…\"\n",
        &format!(
            "  bot.example.org: {secret} answered not-authorized: the secret is wrong, or, on \
            ejabberd"
        ),
    ] {
        assert!(
            words.contains(expected),
            "{expected:?} is missing in {words}"
        );
    }
    assert!(!ended.stderr.contains("hunter2"));
}

#[test]
fn refused_component_does_not_affect_others() {
    let (refusing, refused) = server::start(&[Answer::Refuse("not-authorized")]);
    let (mounting, mounted) = server::start(&[Answer::Mount]);
    let configuration =
        component("bad.example.org", refusing) + &component("good.example.org", mounting);
    let mut running = Running::start(&configuration, &["--log-format", "json"]);
    running.logs("the mount", |event| {
        event["message"] == "mounted" && event["jid"] == "good.example.org"
    });
    // The refused component keeps retrying.
    server::answered(&refused);
    server::answered(&refused);
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let written = server::ended(&mounted);
    assert!(written.ends_with("</stream:stream>"), "{written}");
    for line in ended.stderr.lines() {
        serde_json::from_str::<serde_json::Value>(line).expect(line);
    }
}

#[test]
fn conflict_is_logged_and_retried() {
    let (address, events) = server::start(&[Answer::Refuse("conflict"), Answer::Mount]);
    let mut running = Running::start(
        &component("echo.example.org", address),
        &["--log-format", "json"],
    );
    server::answered(&events);
    running.logs("the conflict", |event| {
        let message = event["message"].as_str().unwrap_or_default();
        message.contains("answered conflict: another connection is mounted on echo.example.org")
    });
    running.logs("the mount", |event| event["message"] == "mounted");
    running.signal("INT");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn closed_port_is_logged_and_retried() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut running = Running::start(
        &component("echo.example.org", address),
        &["--log-format", "json"],
    );
    running.logs("the closed port", |event| {
        event["message"]
            .as_str()
            .unwrap_or_default()
            .contains(&format!("nothing listens at {address}"))
    });
    let _events = server::serve(TcpListener::bind(address).unwrap(), &[Answer::Mount]);
    running.logs("the mount", |event| event["message"] == "mounted");
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn second_process_on_the_same_jid_is_refused() {
    let (address, _events) = server::start(&[Answer::Mount]);
    let configuration = component("echo.example.org", address);
    let mut running = Running::start(&configuration, &["--log-format", "json"]);
    running.logs("the mount", |event| event["message"] == "mounted");

    let again = |arguments: &[&str]| {
        let (mut command, _folder) = campanile(arguments);
        end(
            command.env("XDG_RUNTIME_DIR", running.folder()),
            &configuration,
        )
    };
    let said = format!(
        "echo.example.org is already served by process {} on this machine",
        running.id()
    );
    let second = again(&["run", "--config", "-"]);
    assert_eq!(
        (second.code, second.stderr),
        (Some(71), format!("campanile: {said}\n"))
    );
    // `check --connect` must not take stanzas from the running process.
    let check = again(&["check", "--config", "-", "--connect"]);
    assert_eq!(check.code, Some(0), "{}", check.stderr);
    let unprobed = format!(
        "echo.example.org: not probed: {said}; add [admin] to the file to query its status"
    );
    assert!(check.stdout.contains(&unprobed), "{}", check.stdout);

    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

#[test]
fn second_signal_exits_at_once() {
    let (address, _events) = server::start(&[Answer::Hold]);
    let configuration = component("echo.example.org", address) + "shutdown_grace = '1h'\n";
    let mut running = Running::start(&configuration, &["--log-format", "json"]);
    running.logs("the mount", |event| event["message"] == "mounted");
    running.signal("TERM");
    running.logs("the first signal", |event| {
        event["message"]
            .as_str()
            .unwrap_or_default()
            .starts_with("SIGTERM received; finishing")
    });
    // Delivered twice, it is still the first signal.
    running.signal("TERM");
    running.says("SIGTERM received again within 1s; counted once");
    running.signal("INT");
    let ended = running.end();
    assert_eq!(ended.code, Some(70), "{}", ended.stderr);
    assert!(
        ended
            .stderr
            .contains("SIGINT received again; exiting at once"),
        "{}",
        ended.stderr
    );
}

#[test]
fn text_from_a_server_is_escaped_in_the_log() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let hostile = "not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
        <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>\u{9b}2J\u{202e}\nERROR forged</text><x";
    let _events = server::serve(listener, Box::leak(Box::new([Answer::Refuse(hostile)])));
    let ended = Running::start(&component("echo.example.org", address), &[]).end();
    assert_eq!(ended.code, Some(69), "{}", ended.stderr);
    assert!(ended.stderr.contains("forged"), "{}", ended.stderr);
    assert!(
        !ended.stderr.contains(['\u{9b}', '\u{202e}', '\u{1b}']),
        "{}",
        ended.stderr
    );
    assert!(
        !ended.stderr.lines().any(|line| line.starts_with("ERROR")),
        "{}",
        ended.stderr
    );
}

#[test]
fn check_connect_explains_the_refusal_of_an_unknown_server() {
    let (refusing, _events) = server::start(&[Answer::Refuse("not-authorized")]);
    let (mut command, _folder) = campanile(&["check", "--config", "-", "--connect"]);
    let ended = end(&mut command, &component("bad.example.org", refusing));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(69), ""));
    for expected in [
        format!(
            "bad.example.org: FAILED: {refusing} answered not-authorized: the secret is wrong, or, \
            on ejabberd"
        ),
        "    prosody.cfg.lua:\n        Component \"bad.example.org\"\n            component_secret \
        = \"…\"".to_owned(),
        "    ejabberd.yml:\n            hosts:\n              bad.example.org: \
        {password: \"…\"}".to_owned(),
    ] {
        assert!(ended.stdout.contains(&expected), "{expected} is not in {}", ended.stdout);
    }
    assert!(!ended.stdout.contains("hunter2"), "{}", ended.stdout);
}

#[test]
fn check_connect_detects_a_link_without_routing() {
    // The server accepts the handshake but returns no pings.
    let (mounting, mounted) = server::start(&[Answer::Mount]);
    let (mut command, _folder) = campanile(&["check", "--config", "-", "--connect"]);
    let ended = end(&mut command, &component("good.example.org", mounting));
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(69), ""));
    let said = format!(
        "good.example.org: FAILED: {mounting} accepted the handshake but routes nothing here: 20 \
        pings"
    );
    assert!(ended.stdout.contains(&said), "{}", ended.stdout);
    assert!(server::ended(&mounted).ends_with("</stream:stream>"));
}

#[test]
fn no_level_of_the_log_shows_a_secret() {
    let (address, _events) = server::start(&[Answer::Mount]);
    let environment = [("RUST_LOG", "trace")];
    let mut running = Running::start_with(
        &component("echo.example.org", address),
        &["--log-format", "json"],
        &environment,
    );
    running.logs("the mount", |event| event["message"] == "mounted");
    running.signal("TERM");
    let ended = running.end();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
}

#[test]
fn permissions_and_rate_limits_are_enforced() {
    const ASKED: &str = "<iq from='a@evil.example/r' to='echo.example.org' id='q1' \
        type='get'><ping xmlns='urn:xmpp:ping'/></iq>";
    const TWICE: &str = "<iq from='a@good.example/r' to='echo.example.org' id='q0' \
        type='get'><ping xmlns='urn:xmpp:ping'/></iq>\
        <iq from='a@good.example/r' to='echo.example.org' id='q1' type='get'><ping \
        xmlns='urn:xmpp:ping'/></iq>";
    for (settings, answer, expected) in [
        (
            "",
            Answer::Ask(ASKED),
            "<iq from='echo.example.org' to='a@evil.example/r' id='q1' type='result'/>",
        ),
        ("deny = ['evil.example']", Answer::Ask(ASKED), "<forbidden "),
        (
            "allow = ['good.example']",
            Answer::Ask(ASKED),
            "<forbidden ",
        ),
        (
            "rate = { per_sender = '1/h' }",
            Answer::Ask(TWICE),
            "<policy-violation ",
        ),
        (
            "rate = { per_domain = '1/h' }",
            Answer::Ask(TWICE),
            "<policy-violation ",
        ),
    ] {
        let (address, events) = server::start(Box::leak(Box::new([answer])));
        let configuration =
            component("echo.example.org", address).replace("[component.echo]", settings);
        let mut running = Running::start(&configuration, &[]);
        let said = server::said(&events);
        assert!(said.contains(expected), "{settings}: {said}");
        running.signal("TERM");
        assert_eq!(running.end().code, Some(0), "{settings}");
    }
}

#[test]
fn configured_presence_and_vcard_are_served() {
    // Everything before the reply to the second stanza is the reply to the first.
    const ASKED: &str = "<presence from='a@good.example' to='echo.example.org' type='subscribe'/>\
        <iq from='a@good.example' to='echo.example.org' id='q1' type='get'><vCard \
        xmlns='vcard-temp'/></iq>";
    let (address, events) = server::start(&[Answer::Ask(ASKED)]);
    let settings = "[component.presence]\nstore = 'sqlite:presence.db'\nstatus = 'at \
        work'\n[component.vcard]\nname = 'Echo'";
    let configuration =
        component("echo.example.org", address).replace("[component.echo]", settings);
    let mut running = Running::start(&configuration, &[]);
    let said = server::said(&events);
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
    let rest = server::ended(&events);
    let all = said + &rest;
    for expected in [
        "<vCard xmlns='vcard-temp'><FN>Echo</FN></vCard>",
        "<presence from='echo.example.org' to='a@good.example' type='subscribed'/>",
        "<presence from='echo.example.org' to='a@good.example'><status>at work</status><c ",
        "<x xmlns='vcard-temp:x:update'><photo/></x></presence>",
        "<presence from='echo.example.org' to='a@good.example' type='unavailable'/>",
    ] {
        assert!(all.contains(expected), "{expected} is not in {all}");
    }
}

#[test]
fn bot_has_its_own_vcard() {
    const ASKED: &str = "<presence from='a@good.example' to='weather@echo.example.org' \
        type='subscribe'/>\
        <iq from='a@good.example' to='echo.example.org' id='q0' type='get'><vCard \
        xmlns='vcard-temp'/></iq>\
        <iq from='a@good.example' to='weather@echo.example.org' id='q1' type='get'><vCard \
        xmlns='vcard-temp'/></iq>";
    let (address, events) = server::start(&[Answer::Ask(ASKED)]);
    let settings = "[component.presence]\nstore = 'memory'\nbots = \
        ['weather']\n[component.vcard.bots.Weather]\n\
        name = 'Weather'\nphoto = 'weather.gif'";
    let configuration =
        component("echo.example.org", address).replace("[component.echo]", settings);
    let mut running = Running::start_beside(&configuration, &[("weather.gif", "GIF89a")]);
    let said = server::said(&events);
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
    let all = said + &server::ended(&events);
    for expected in [
        "id='q1' type='result'><vCard \
        xmlns='vcard-temp'><FN>Weather</FN><PHOTO><TYPE>image/gif</TYPE>\
         <BINVAL>R0lGODlh</BINVAL></PHOTO></vCard>",
        // The output of `printf GIF89a | sha1sum`.
        "<photo>25c9b37ae36a0a08318d4dca7ca57ea98d776821</photo>",
        // The domain has no vCard.
        "<iq from='echo.example.org' to='a@good.example' id='q0' type='error'>",
    ] {
        assert!(all.contains(expected), "{expected} is not in {all}");
    }
}

#[test]
fn echo_returns_payload_unchanged() {
    const SENT: &str = "<message from='alice@localhost/r' to='bot@echo.example.org' id='q1' \
        type='chat'>\
        <data xmlns=\"MY-FORMAT-NS\">vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo \
        ===</data></message>";
    const BACK: &str = "<message from='bot@echo.example.org' to='alice@localhost/r' id='q1' \
        type='chat'>\
        <data xmlns=\"MY-FORMAT-NS\">vgreg%G% B%$t54T%$gqfg4fgAEAE\nF$£T B£%$BYQAgregOK OKo \
        ===</data></message>";
    let (address, events) = server::start(&[Answer::Ask(SENT)]);
    let mut running = Running::start(&component("echo.example.org", address), &[]);
    let said = server::said(&events);
    assert!(said.starts_with(BACK), "{said}");
    running.signal("TERM");
    assert_eq!(running.end().code, Some(0));
}

/// Setups that `check` finds faultless, and that fail on this machine: the lines after the
/// component, and the reason.
fn unusable(folder: &Folder, taken: SocketAddr) -> Vec<(String, String)> {
    folder.write(
        "no.db",
        "This file is no database, but long enough for SQLite to see that.\n",
    );
    let logger = |path: &str| format!("[component.logger]\nstore = 'sqlite:{path}'\n");
    let bridge = |keys: &str| {
        format!("[component.json_bridge]\nwebhook = {{ url = 'http://127.0.0.1:9/' }}\n{keys}\n")
    };
    let api =
        format!("api = {{ listen = '{taken}', token = 'a-token-of-16-bytes' }}\noutbox = false");
    let no_folder = "no-such-folder does not exist; create it";
    vec![
        (logger("no-such-folder/a.db"), no_folder.into()),
        (logger("no.db"), "file is not a database".into()),
        (
            bridge(&api),
            format!("API: {taken}: Address already in use"),
        ),
        (bridge("outbox = 'no-such-folder/o.db'"), no_folder.into()),
        (bridge("outbox = 'no.db'"), "file is not a database".into()),
        (
            "[component.presence]\nstore = 'sqlite:no-such-folder/p.db'\n".into(),
            no_folder.into(),
        ),
        (
            "[component.tap]\narchive = 'a@b.c'\nstore = 'sqlite:no.db'\n".into(),
            "tap cannot start: sqlite:".into(),
        ),
    ]
}

#[test]
fn check_finds_what_would_keep_modules_from_starting() {
    let (address, _events) = server::start(&[Answer::Route]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (_, folder) = campanile(&[]);
    for (more, why) in unusable(&folder, taken.local_addr().unwrap()) {
        let text = component("echo.example.org", address).replace("[component.echo]\n", "");
        folder.write("campanile.toml", &format!("{text}{more}"));
        let ran = |arguments: &[&str]| {
            let (mut command, _own) = campanile(arguments);
            end(command.current_dir(folder.path()), "")
        };
        let check = ran(&["check"]);
        assert_eq!(check.code, Some(0), "{more}: {}", check.stderr);
        let check = ran(&["check", "--connect"]);
        assert_eq!(check.code, Some(69), "{more}: {}", check.stdout);
        assert!(check.stdout.contains(&why), "{more}: {}", check.stdout);
        let run = ran(&["run"]);
        assert_eq!(run.code, Some(71), "{more}: {}", run.stderr);
        assert!(
            run.stderr.contains("component is down until restart"),
            "{more}: {}",
            run.stderr
        );
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(left.len(), 2, "check and run created files: {left:?}");
}

#[test]
fn check_finds_a_taken_admin_port() {
    let (address, _events) = server::start(&[Answer::Route]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let listen = taken.local_addr().unwrap();
    let text = component("echo.example.org", address) + &format!("[admin]\nlisten = '{listen}'\n");
    let (mut command, _folder) = campanile(&["check", "--config", "-", "--connect"]);
    let check = end(&mut command, &text);
    assert_eq!(check.code, Some(69), "{}", check.stdout);
    assert!(
        check.stdout.contains(&format!(
            "[admin]: FAULT: cannot listen on {listen}: Address already in use"
        )),
        "{}",
        check.stdout
    );
}
