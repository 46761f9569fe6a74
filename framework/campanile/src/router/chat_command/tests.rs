//! Chat commands from the outside: messages in, replies out.

use serde::Deserialize;

use crate::extract::{Args, Body, Parsed};
use crate::jid::BareJid;
use crate::layer::AccessLayer;
use crate::router::{ChatCommand, Filter, RecipientPattern, Router};
use crate::stanza::{Kind, MessageType};
use crate::test_util::answer;

/// Returns the body of the reply to this text, or the whole reply if it has none.
fn reply_to(router: &mut Router, to: &str, text: &str) -> String {
    let answer = answer(
        router,
        &format!("<message type='chat' to='{to}'><body>{text}</body></message>"),
    );
    let body = answer
        .split_once("<body>")
        .and_then(|(_, rest)| rest.split_once("</body>"));
    body.map_or(answer.clone(), |(body, _)| body.to_owned())
}

fn reply(router: &mut Router, text: &str) -> String {
    reply_to(router, "bot.localhost", text)
}

async fn weather(Args((city, days)): Args<(String, Option<u8>)>) -> String {
    format!("{city} {days:?}")
}

async fn roll() -> &'static str {
    "4"
}

#[test]
fn arguments_are_deserialized() {
    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Size {
        Small,
        Large,
    }
    #[derive(Deserialize)]
    struct Order {
        size: Size,
        item: Option<String>,
    }
    async fn order(Args(order): Args<Order>) -> String {
        format!("{} {:?}", matches!(order.size, Size::Large), order.item)
    }
    async fn add(Args((one, other)): Args<(i32, i32)>) -> String {
        (one + other).to_string()
    }
    async fn invite(Args(Parsed(who)): Args<Parsed<BareJid>>) -> String {
        who.domain().to_string()
    }
    let mut router = Router::new()
        .chat_command("!weather {city} {days?}", weather)
        .chat_command("!order {size} {item?}", order)
        .chat_command("add {one} {other}", add)
        .chat_command("!invite {who}", invite)
        .chat_command("!roll", roll);
    let rows = [
        ("!weather Oslo", "Oslo None"),
        ("  !WEATHER Oslo 3", "Oslo Some(3)"),
        ("!weather &quot;New York&quot; 3", "New York Some(3)"),
        ("!order LARGE two eggs", "true Some(\"two eggs\")"),
        ("!order small", "false None"),
        ("Add 40 2", "42"),
        ("!invite bob@example.net", "example.net"),
        ("!roll", "4"),
        ("!roll it, please", "4"),
    ];
    for (text, wanted) in rows {
        assert_eq!(reply(&mut router, text), wanted, "{text}");
    }
}

#[test]
fn invalid_arguments_reply_with_usage() {
    let mut router = Router::new().chat_command("!weather {city} {days?}", weather);
    let usage = "Usage: !weather &lt;city&gt; [days]";
    assert_eq!(
        reply(&mut router, "!weather"),
        format!("city is missing\n{usage}")
    );
    assert_eq!(
        reply(&mut router, "!weather Oslo x"),
        format!("days: invalid digit found in string\n{usage}")
    );
    assert!(reply(&mut router, "!wether Oslo").contains("service-unavailable"));
}

#[test]
fn handler_can_accept_invalid_arguments() {
    async fn dice(sides: Result<Args<u32>, crate::error::BoxError>) -> String {
        sides.map_or(6, |Args(sides)| sides).to_string()
    }
    let mut router = Router::new().chat_command("!dice {sides?}", dice);
    assert_eq!(reply(&mut router, "!dice"), "6");
    assert_eq!(reply(&mut router, "!dice x"), "6");
    assert_eq!(reply(&mut router, "!dice 20"), "20");
}

#[test]
fn help_lists_commands() {
    let mut router = Router::new()
        .chat_command(
            ("!weather {city} {days?}", "The weather in a city"),
            weather,
        )
        .chat_command("!roll", roll)
        .chat_command(("/me {text}", "Another sign"), roll)
        .merge(Router::new().chat_command("!secret", roll).hidden())
        .at(
            "bot",
            Router::new().chat_command(("!greet", "Says hello"), roll),
        )
        .at("own", Router::new().chat_command("!help", roll));
    let lines = "!roll\n!weather &lt;city&gt; [days] – The weather in a city";
    assert_eq!(reply(&mut router, "!help"), format!("Commands:\n{lines}"));
    assert_eq!(
        reply(&mut router, "/HELP"),
        "Commands:\n/me &lt;text&gt; – Another sign"
    );
    let at_bot = format!("Commands:\n!greet – Says hello\n{lines}");
    assert_eq!(reply_to(&mut router, "bot@bot.localhost", "!help"), at_bot);
    assert_eq!(
        reply_to(&mut router, "bot@bot.localhost/desk", "!help nothing"),
        at_bot
    );
    let weather = "Usage: !weather &lt;city&gt; [days] – The weather in a city";
    assert_eq!(reply(&mut router, "!help weather"), weather);
    assert_eq!(reply(&mut router, "!help !Weather"), weather);
    assert_eq!(reply_to(&mut router, "own@bot.localhost", "!help"), "4");
    assert_eq!(reply(&mut router, "!secret"), "4");
}

#[test]
fn longer_command_takes_precedence_after_payloads() {
    async fn text(Body(body): Body) -> String {
        format!("text: {body}")
    }
    let say = |name: &'static str| move || std::future::ready(name);
    let mut router = Router::new()
        .chat_command("list", say("list"))
        .chat_command("list add {item}", say("list add"))
        .chat_command("list add all now", say("list add all now"))
        .message(text)
        .message_with("urn:a", say("payload"))
        .on(
            Filter::kinds([Kind::Message(MessageType::Chat)])
                .chat_command("list show".parse().unwrap()),
            say("list show in a chat"),
        )
        .on(
            Filter::kinds([Kind::Message(MessageType::Chat)]).chat_command("list".parse().unwrap()),
            say("list in a chat"),
        );
    let rows = [
        ("list", "list in a chat"),
        ("list add", "list add"),
        ("list add all", "list add"),
        ("list add all now!", "list add"),
        ("list add all now", "list add all now"),
        ("list show", "list show in a chat"),
        ("lists", "text: lists"),
        ("show list", "text: show list"),
        ("", "text: "),
    ];
    for (written, wanted) in rows {
        assert_eq!(reply(&mut router, written), wanted, "{written}");
    }
    let normal = "<message><body>list</body></message>";
    assert!(answer(&mut router, normal).contains("<body>list</body>"));
    let payload = "<message type='chat'><body>list</body><a xmlns='urn:a'/></message>";
    assert!(answer(&mut router, payload).contains("<body>payload</body>"));
}

#[test]
fn commands_match_case_insensitively() {
    // U+212A KELVIN SIGN takes three bytes and is the uppercase form of `k`.
    let mut router = Router::new()
        .chat_command("k", roll)
        .chat_command("grüß dich", roll);
    for text in ["\u{212a}", "K", "GRÜß DICH", "  Grüß   Dich, Bot"] {
        let wanted = if text.contains(',') {
            "service-unavailable"
        } else {
            "4"
        };
        assert!(reply(&mut router, text).contains(wanted), "{text}");
    }
    assert!(reply(&mut router, &"k".repeat(100_000)).contains("service-unavailable"));
}

#[test]
fn groupchat_messages_are_not_commands() {
    let mut router = Router::new().chat_command("!roll", roll);
    let room =
        "<message type='groupchat' from='room@muc.example.org/bob'><body>!roll</body></message>";
    assert_eq!(answer(&mut router, room), "");
}

#[test]
fn commands_with_equal_words_overlap() {
    let one = || Router::<()>::new().chat_command("!weather {city}", roll);
    let error = one()
        .try_merge(Router::new().chat_command("!WEATHER {place} {days?}", weather))
        .unwrap_err();
    let pattern = "message normal or message chat with command !weather for any recipient";
    assert_eq!(
        error.to_string(),
        format!("route \"{pattern}\" overlaps registered route \"{pattern}\"")
    );
    assert!(
        one()
            .try_merge(
                Router::new()
                    .at("bot", one())
                    .chat_command("!weather now", roll)
            )
            .is_ok()
    );
    let mut both = one().at(
        RecipientPattern::domain(),
        Router::new().chat_command("!weather {city} {days?}", weather),
    );
    assert_eq!(reply(&mut both, "!weather Oslo"), "Oslo None");
}

#[test]
fn loop_guard_stops_replies_to_echoes() {
    async fn again(Body(body): Body) -> String {
        body
    }
    let mut router = Router::new().chat_command("!echo {text}", again);
    let answers = (0..100)
        .filter(|_| !reply(&mut router, "!echo again and again").is_empty())
        .count();
    assert_eq!(answers, 10);
}

fn command(text: &str) -> ChatCommand {
    text.parse().unwrap()
}

#[test]
fn usage_describes_placeholders() {
    let rows = [
        ("!roll", "!roll"),
        ("  !Weather   {city} {days?}", "!weather <city> [days]"),
        ("list add {item}", "list add <item>"),
    ];
    for (text, usage) in rows {
        assert_eq!(command(text).usage(), usage);
    }
    assert_eq!(command("!list add {item}").to_string(), "!list add");
    assert_eq!(command("!list add {item}"), command("!LIST ADD"));
}

#[test]
fn parsing_rejects_invalid_commands() {
    let rows = [
        ("", "a command must start with a word"),
        ("{city}", "a command must start with a word"),
        ("!add {item} now", "placeholders must come after the words"),
        (
            "!add {item?} {list}",
            "optional placeholders must come last",
        ),
        (
            "!add {item} {item}",
            "placeholder names must be unique and not empty",
        ),
        ("!add {}", "placeholder names must be unique and not empty"),
        (
            "!add {item",
            "a placeholder such as {city} must be surrounded by spaces",
        ),
        (
            "!add{item}",
            "a placeholder such as {city} must be surrounded by spaces",
        ),
    ];
    for (text, why) in rows {
        let error = text.parse::<ChatCommand>().unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("invalid command {text:?}: {why}")
        );
    }
}

#[test]
fn help_lists_commands_that_the_sender_may_use() {
    let admins = AccessLayer::new().allow("admin@example.org".parse().unwrap());
    let mut router = Router::new()
        .chat_command(("!restart", "Restarts"), roll)
        .layer(admins)
        .chat_command(("!roll", "Rolls a die"), roll);
    let help = |router: &mut Router, from: &str, text: &str| {
        let xml = format!("<message type='chat' from='{from}'><body>{text}</body></message>");
        answer(router, &xml)
    };
    let user = help(&mut router, "alice@example.org/r", "!help");
    assert!(
        user.contains("!roll") && !user.contains("!restart"),
        "{user}"
    );
    let user = help(&mut router, "alice@example.org/r", "!help restart");
    assert!(!user.contains("Restarts"), "{user}");
    let admin = help(&mut router, "admin@example.org/r", "!help");
    assert!(
        admin.contains("!roll") && admin.contains("!restart"),
        "{admin}"
    );
}
