//! Misuse at startup panics with the location of the caller. A separate binary, because the panic
//! hook is global.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::panic;
use std::sync::Mutex;

use campanile::extract::Args;
use campanile::router::{Filter, Router};

async fn silent() {}

/// Returns the file and message of the panic.
fn misuse(f: impl FnOnce() -> Router + panic::UnwindSafe) -> (String, String) {
    static SEEN: Mutex<Option<String>> = Mutex::new(None);
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap();
    panic::set_hook(Box::new(|info| {
        *SEEN.lock().unwrap() = info.location().map(|location| location.file().to_owned());
    }));
    let payload = panic::catch_unwind(f).expect_err("this must panic");
    let _ = panic::take_hook();
    let text = *payload.downcast::<String>().expect("a formatted text");
    (SEEN.lock().unwrap().take().unwrap(), text)
}

#[test]
fn misuse_panics_at_the_location_of_the_caller() {
    let overlap = |pattern| format!("route \"{pattern}\" overlaps registered route \"{pattern}\"");
    let never = |route, why| {
        let route = format!("message normal or message chat {route}for any recipient");
        format!("the handler of the route \"{route}\" can never be called: {why}")
    };
    let with_message = || Router::new().message(silent);
    let rows: [(Box<dyn FnOnce() -> Router + panic::UnwindSafe>, String); 16] = [
        (
            Box::new(|| {
                Router::new()
                    .iq_get(("urn:a", "q"), silent)
                    .iq_get(("urn:a", "q"), silent)
            }),
            overlap("iq get with {urn:a}q for any recipient"),
        ),
        (
            Box::new(|| {
                Router::new()
                    .iq_set("urn:a", silent)
                    .iq_set("urn:a", silent)
            }),
            overlap("iq set with {urn:a}* for any recipient"),
        ),
        (
            Box::new(move || with_message().message(silent)),
            overlap("message normal or message chat for any recipient"),
        ),
        (
            Box::new(|| {
                Router::new()
                    .message_with("urn:a", silent)
                    .message_with("urn:a", silent)
            }),
            overlap("message normal or message chat with {urn:a}* for any recipient"),
        ),
        (
            Box::new(|| Router::new().presence(silent).presence(silent)),
            overlap("any presence for any recipient"),
        ),
        (
            Box::new(|| {
                Router::new()
                    .on(Filter::any(), silent)
                    .on(Filter::any(), silent)
            }),
            overlap("any stanza for any recipient"),
        ),
        (
            Box::new(|| Router::new().fallback(silent).fallback(silent)),
            overlap("fallback for any recipient"),
        ),
        (
            Box::new(move || with_message().merge(with_message())),
            overlap("message normal or message chat for any recipient"),
        ),
        (
            Box::new(move || Router::new().at("a b", with_message())),
            "invalid localpart \"a b\": localpart doesn’t pass nodeprep validation".to_owned(),
        ),
        (
            Box::new(move || {
                Router::new()
                    .at("a-{id}", with_message())
                    .at("a-{number}", with_message())
            }),
            "route \"message normal or message chat for a-{number}@\" overlaps registered route \
             \"message normal or message chat for a-{id}@\""
                .to_owned(),
        ),
        (
            Box::new(|| {
                Router::new()
                    .chat_command("!roll {sides}", silent)
                    .chat_command("!Roll", silent)
            }),
            overlap("message normal or message chat with command !roll for any recipient"),
        ),
        (
            Box::new(|| Router::new().chat_command("{sides}", silent)),
            "invalid command \"{sides}\": a command must start with a word".to_owned(),
        ),
        (
            Box::new(|| Router::new().chat_command("!odd {one}", async |_: Args<(u8, u8)>| ())),
            never(
                "with command !odd ",
                "the pattern has 1 placeholder, but the handler extracts 2 values",
            ),
        ),
        (
            Box::new(|| Router::new().message(async |_: Args<u8>| ())),
            never("", "the route has no chat command"),
        ),
        (
            Box::new(|| Router::new().bounced(silent).bounced(silent)),
            overlap("message error or presence error for any recipient"),
        ),
        (
            Box::new(move || Router::new().at("a", Router::new().at("b", with_message()))),
            "a route for b@ can never match within a@".to_owned(),
        ),
    ];
    for (misused, wanted) in rows {
        let (file, text) = misuse(misused);
        assert_eq!(text, wanted);
        assert!(file.ends_with("panic_location.rs"), "{text}: {file}");
    }
}
