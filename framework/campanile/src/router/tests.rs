//! The router from the outside: stanzas in, replies out.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use xmpp_parsers::ping::Ping;

use super::*;
use crate::extract::{Body, Localpart, Parsed, Payload, Sender, State};
use crate::handler::StanzaHandler;
use crate::reply::Reply;
use crate::stanza::{Kind, MessageType, PresenceType};
use crate::test_util::{answer, call};

/// A handler that replies with its name.
fn say(
    name: &'static str,
) -> impl Fn() -> std::future::Ready<&'static str> + Clone + Send + Sync + 'static {
    move || std::future::ready(name)
}

/// Returns the text of the reply, which identifies the handler, or the error condition.
fn called(router: &mut Router, xml: &str) -> String {
    match call(router, xml) {
        Ok(Reply::Children(children)) => children.first().unwrap().text().into_owned(),
        Ok(other) => panic!("{xml}: {other:?}"),
        Err(error) => crate::error::into_stanza_error(&error)
            .condition()
            .to_string(),
    }
}

fn iq(payload: &str) -> String {
    format!("<iq type='get' id='1'>{payload}</iq>")
}

#[test]
fn specific_payload_takes_precedence_in_any_registration_order() {
    let routes = |order: [usize; 4]| {
        order
            .into_iter()
            .fold(Router::new(), |router, which| match which {
                0 => router.on(Filter::iq_get(), say("kind")),
                1 => router.iq_get("urn:a", say("namespace")),
                2 => router.iq_get(("urn:a", "q"), say("name")),
                _ => router.iq_get(PayloadPattern::from(("urn:a", "q")).node("n"), say("node")),
            })
    };
    for order in [[0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]] {
        let mut router = routes(order);
        assert_eq!(
            called(&mut router, &iq("<q xmlns='urn:a' node='n'/>")),
            "node"
        );
        assert_eq!(
            called(&mut router, &iq("<q xmlns='urn:a' node='m'/>")),
            "name"
        );
        assert_eq!(called(&mut router, &iq("<r xmlns='urn:a'/>")), "namespace");
        assert_eq!(called(&mut router, &iq("<q xmlns='urn:b'/>")), "kind");
    }
}

#[test]
fn recipient_takes_precedence_over_payload() {
    let mut router = Router::new()
        .message_with(("urn:a", "q"), say("any recipient, name"))
        .message(say("any recipient"))
        .at("*", Router::new().message(say("any localpart")))
        .at("order-*", Router::new().message(say("order")))
        .at(
            "order-new",
            Router::new().message_with("urn:b", say("new order, namespace")),
        )
        .at(
            RecipientPattern::domain(),
            Router::new().message(say("domain")),
        );
    let mut at = |to: &str| {
        called(
            &mut router,
            &format!("<message to='{to}'><body>hi</body><q xmlns='urn:a'/></message>"),
        )
    };
    assert_eq!(at("bot.localhost"), "domain");
    assert_eq!(at("bot.localhost/resource"), "domain");
    assert_eq!(at("who@bot.localhost"), "any localpart");
    assert_eq!(at("order-7@bot.localhost/r"), "order");
    // The most specific recipient has no route that matches, so the next one handles it.
    assert_eq!(at("order-new@bot.localhost"), "order");
}

#[test]
fn resource_and_domain_restrict_recipients() {
    let mut router = Router::new()
        .at(
            "bot",
            Router::new()
                .message(say("bot"))
                .message_with("urn:a", say("bot, namespace")),
        )
        .at("bot/desk", Router::new().message(say("bot's desk")))
        .at("bot/*", Router::new().message(say("some resource of bot")))
        .at(
            "bot@other.localhost/desk",
            Router::new().message(say("never: another domain")),
        )
        .at("{user}/desk", Router::new().message(say("any desk")))
        .at(
            "{user}@bot.localhost",
            Router::new().message(say("any user here")),
        )
        .at("@/desk", Router::new().message(say("the domain's desk")));
    let mut at = |to: &str, child: &str| {
        called(
            &mut router,
            &format!("<message to='{to}'>{child}</message>"),
        )
    };
    let rows = [
        ("bot@bot.localhost", "", "bot"),
        ("bot@bot.localhost/desk", "", "bot's desk"),
        ("bot@bot.localhost/phone", "", "some resource of bot"),
        ("x@bot.localhost/desk", "", "any desk"),
        ("x@bot.localhost/phone", "", "any user here"),
        ("x@bot.localhost", "", "any user here"),
        ("bot.localhost/desk", "", "the domain's desk"),
        // The recipient takes precedence over the payload.
        ("bot@bot.localhost/desk", "<a xmlns='urn:a'/>", "bot's desk"),
        ("bot@bot.localhost", "<a xmlns='urn:a'/>", "bot, namespace"),
    ];
    for (to, child, wanted) in rows {
        assert_eq!(at(to, child), wanted, "{to} {child}");
    }
    assert_eq!(
        at("bot.localhost", "<body>hi</body>"),
        "service-unavailable"
    );
}

#[test]
fn placeholders_are_deserialized() {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        Desk,
        Phone,
    }
    #[derive(Deserialize)]
    struct Device {
        device: Kind,
        user: Option<String>,
    }
    async fn order(Localpart(id): Localpart<u32>) -> String {
        format!("order {id}")
    }
    async fn pair(Localpart((user, device)): Localpart<(String, String)>) -> String {
        format!("{user} {device}")
    }
    async fn device(Localpart(Device { user, device }): Localpart<Device>) -> String {
        format!(
            "{user:?} {}",
            if matches!(device, Kind::Desk) {
                "desk"
            } else {
                "phone"
            }
        )
    }
    async fn host(Localpart(Parsed(address)): Localpart<Parsed<std::net::Ipv4Addr>>) -> String {
        format!("host {address}")
    }
    let mut router = Router::new()
        .at("order-{id}", Router::new().message(order))
        .at("host-{address}", Router::new().message(host))
        .at(
            "{user}/{device}",
            Router::new()
                .message(pair)
                .at("typed-{user}", Router::new().message(device)),
        )
        .at("odd", Router::new().message(order))
        .at("pair-{one}", Router::new().message(pair));
    let mut at = |to: &str| {
        called(
            &mut router,
            &format!("<message to='{to}'><body>hi</body></message>"),
        )
    };
    let rows = [
        ("order-7@bot.localhost", "order 7"),
        ("order-7@bot.localhost/x", "order 7"),
        ("order-x@bot.localhost", "item-not-found"),
        ("order-@bot.localhost", "item-not-found"),
        ("host-127.0.0.1@bot.localhost", "host 127.0.0.1"),
        ("host-x@bot.localhost", "item-not-found"),
        ("Alice@bot.localhost/Desk", "alice Desk"),
        ("typed-a@bot.localhost/desk", "Some(\"a\") desk"),
        ("typed-a@bot.localhost/PHONE", "Some(\"a\") phone"),
        ("typed-a@bot.localhost/car", "item-not-found"),
        // Programming errors: no placeholder at all, and fewer than extracted. A component builder
        // would reject both.
        ("odd@bot.localhost", "internal-server-error"),
        ("pair-a@bot.localhost", "internal-server-error"),
    ];
    for (to, wanted) in rows {
        assert_eq!(at(to), wanted, "{to}");
    }
}

#[test]
fn validate_reports_mismatched_placeholders() {
    use serde::Deserialize;

    #[derive(Deserialize)]
    #[allow(dead_code, reason = "only deserialized")]
    struct Device {
        user: String,
        device: Option<bool>,
        kind: Kind,
    }
    #[derive(Deserialize)]
    enum Kind {
        Desk,
    }
    let one = || Router::new().message(async |_: Localpart<u32>| ());
    let two = || Router::new().message(async |_: Localpart<(String, bool)>| ());
    let named = || Router::new().message(async |_: Option<Localpart<Device>>| ());
    let any = || Router::new().message(async |_: Localpart<Vec<String>>| ());
    let decides =
        || Router::new().message(async |_: Result<Localpart<u32>, crate::error::BoxError>| ());
    let parsed = || Router::new().message(async |_: Localpart<Parsed<std::net::Ipv4Addr>>| ());
    let rows: [(Router, Option<&str>); 12] = [
        (Router::new().at("order-{id}", one()), None),
        (Router::new().at("order-{id}", parsed()), None),
        // The outer router provides the second placeholder.
        (
            Router::new().at("{user}/{device}", Router::new().at("a-{id}", two())),
            None,
        ),
        (Router::new().at("{user}/{device}", any()), None),
        (decides(), None),
        (Router::new().at("{kind}/{user}", named()), None),
        (
            one(),
            Some("the route's recipient pattern has no placeholder"),
        ),
        (
            Router::new().at("order-*", one()),
            Some("the route's recipient pattern has no placeholder"),
        ),
        (
            Router::new().at("{user}/{device}", one()),
            Some("the pattern has 2 placeholders, but the handler extracts a single value"),
        ),
        (
            Router::new().at("order-{id}", two()),
            Some("the pattern has 1 placeholder, but the handler extracts 2 values"),
        ),
        (
            Router::new().at("{user}/{device}", named()),
            Some("the pattern has no placeholder {kind}"),
        ),
        (
            Router::new().at("{kind}", named()),
            Some("the pattern has no placeholder {user}"),
        ),
    ];
    for (router, wanted) in rows {
        let error = router
            .validate()
            .err()
            .map(|error| (error.location().file(), error.to_string()));
        let wanted = wanted.map(|why| format!("can never be called: {why}"));
        match (&error, &wanted) {
            (None, None) => {}
            (Some((file, text)), Some(why)) if text.ends_with(why) && *file == file!() => {}
            _ => panic!("{wanted:?}, not {error:?}"),
        }
    }
    let component = crate::component::Component::builder("bot.localhost")
        .server("127.0.0.1:1")
        .secret("s");
    let line = line!() + 1;
    let orders = Router::new().message(async |_: Localpart<(u8, u8)>| ());
    let refused = component.router(Router::new().at("order-{id}", orders));
    let refused = refused.build().map(drop).unwrap_err().to_string();
    let wanted = "the handler of the route \"message normal or message chat for order-{id}@\" can \
        never be called: \
        the pattern has 1 placeholder, but the handler extracts 2 values";
    assert!(
        refused.starts_with(&format!("{}:{line}:", file!())) && refused.ends_with(wanted),
        "{refused}"
    );
}

#[test]
fn bounces_are_routed() {
    use crate::error::StanzaError;
    use std::sync::Mutex;

    let seen = Arc::new(Mutex::new(Vec::new()));
    let note = Arc::clone(&seen);
    let bounced = move |Sender(from): Sender, why: StanzaError| {
        note.lock()
            .unwrap()
            .push(format!("{from} {}", why.condition()));
        std::future::ready(())
    };
    let mut router = Router::new()
        .bounced(bounced)
        .message(say("message"))
        .presence(say("presence"));
    let error = "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";
    for name in ["message", "presence"] {
        assert_eq!(
            answer(
                &mut router,
                &format!("<{name} type='error'>{error}</{name}>")
            ),
            ""
        );
    }
    assert_eq!(
        *seen.lock().unwrap(),
        ["alice@example.org/desk gone", "alice@example.org/desk gone"]
    );
    assert_eq!(called(&mut router, "<message/>"), "message");
}

#[test]
fn datatypes_are_routed_and_advertised() {
    let datatype = |uri: &str| PayloadPattern::datatype(uri);
    let mut router = Router::new()
        .message_with(datatype("urn:example:a"), say("a"))
        .message_with(datatype("urn:example:b"), say("b"))
        .message_with(("urn:xmpp:json-msg:0", "payload"), say("any datatype"))
        .message(say("message"))
        .at(
            "x",
            Router::new()
                .message_with(datatype("urn:example:x"), say("x"))
                .hidden(),
        );
    let payload = |uri: &str| {
        format!(
            "<message><body>hi</body><payload xmlns='urn:xmpp:json-msg:0' datatype='{uri}'>\
             <json xmlns='urn:xmpp:json:0'>1</json></payload></message>"
        )
    };
    for (uri, wanted) in [
        ("urn:example:a", "a"),
        ("urn:example:b", "b"),
        ("urn:example:c", "any datatype"),
    ] {
        assert_eq!(called(&mut router, &payload(uri)), wanted);
    }
    assert_eq!(
        called(&mut router, "<message><body>hi</body></message>"),
        "message"
    );
    let features = |localpart| {
        router
            .disco()
            .info(localpart, None)
            .unwrap()
            .features
            .clone()
    };
    let wanted = [
        "urn:xmpp:json-msg:0",
        "urn:xmpp:json-msg:0#urn:example:a",
        "urn:xmpp:json-msg:0#urn:example:b",
    ];
    assert!(
        features(None).iter().eq(wanted.iter()),
        "{:?}",
        features(None)
    );
    assert_eq!(features(Some("x")), features(None));
    let error = Router::<()>::new()
        .message_with(datatype("urn:example:a"), say("a"))
        .try_merge(Router::new().message_with(datatype("urn:example:a"), say("again")))
        .unwrap_err();
    let pattern = "message normal or message chat with {urn:xmpp:json-msg:0}payload of \
        datatype \"urn:example:a\" \
        for any recipient";
    assert!(error.to_string().contains(pattern), "{error}");
}

#[test]
fn nodes_are_routed_by_value() {
    let command = |node: &str| {
        PayloadPattern::from(("http://jabber.org/protocol/commands", "command")).node(node)
    };
    let mut router = (0..1000).fold(Router::new(), |router, n: u32| {
        let own = n.to_string();
        router.iq_set(command(&format!("node-{n}")), move || {
            std::future::ready(own.clone())
        })
    });
    for n in [0, 7, 999] {
        let xml = format!(
            "<iq type='set' id='1'><command xmlns='http://jabber.org/protocol/commands' \
            node='node-{n}'/></iq>"
        );
        assert_eq!(called(&mut router, &xml), n.to_string());
    }
    let unknown = "<iq type='set' id='1'><command xmlns='http://jabber.org/protocol/commands' \
        node='x'/></iq>";
    assert_eq!(called(&mut router, unknown), "feature-not-implemented");
}

#[test]
fn route_for_fewer_types_takes_precedence() {
    let mut router = Router::new()
        .on(Filter::any(), say("anything"))
        .on(Filter::message(), say("any message"))
        .message(say("conversation"))
        .on(
            Filter::kinds([Kind::Message(MessageType::Chat)]),
            say("chat"),
        )
        .on(
            Filter::kinds([Kind::Presence(PresenceType::Subscribe)]),
            say("subscribe"),
        )
        .presence(say("presence"));
    let rows = [
        ("<message type='chat'/>", "chat"),
        ("<message/>", "conversation"),
        ("<message type='groupchat'/>", "any message"),
        ("<message type='headline'/>", "any message"),
        ("<presence type='subscribe'/>", "subscribe"),
        ("<presence/>", "presence"),
        ("<presence type='error'/>", "anything"),
        ("<iq type='get' id='1'><q xmlns='urn:a'/></iq>", "anything"),
    ];
    for (xml, wanted) in rows {
        assert_eq!(called(&mut router, xml), wanted, "{xml}");
    }
}

#[test]
fn order_of_children_has_no_effect() {
    let mut router = Router::new()
        .message_with(("urn:b", "b"), say("b"))
        .message_with(("urn:a", "a"), say("a"))
        .message_with("urn:c", say("c"))
        .message(say("none"));
    let children = [
        "<body>hi</body>",
        "<a xmlns='urn:a'/>",
        "<b xmlns='urn:b'/>",
        "<c xmlns='urn:c'/>",
    ];
    let orders = [
        [0, 1, 2, 3],
        [3, 2, 1, 0],
        [1, 0, 3, 2],
        [2, 3, 0, 1],
        [3, 1, 2, 0],
    ];
    for order in orders {
        let all: String = order.iter().map(|at| children[*at]).collect();
        // Both names match; the route that was registered first always handles it.
        assert_eq!(
            called(&mut router, &format!("<message>{all}</message>")),
            "b"
        );
        let without_b = all.replace(children[2], "");
        assert_eq!(
            called(
                &mut router,
                &format!("<message type='chat'>{without_b}</message>")
            ),
            "a"
        );
        let without_names = without_b.replace(children[1], "");
        assert_eq!(
            called(&mut router, &format!("<message>{without_names}</message>")),
            "c"
        );
    }
}

#[test]
fn annotation_never_wins_a_body() {
    const ACTIVE: &str = "<active xmlns='http://jabber.org/protocol/chatstates'/>";
    let signals = || {
        Router::new().on(
            Filter::message().payload("http://jabber.org/protocol/chatstates"),
            say("typing"),
        )
    };
    let groups = || Filter::kinds([Kind::Message(MessageType::Groupchat)]);
    let rows = [
        (signals().message(say("chat")), "chat", "chat"),
        (signals().message(say("chat")), "headline", "typing"),
        (signals().on(groups(), say("room")), "groupchat", "room"),
        (
            signals().on(Filter::message(), say("any")),
            "headline",
            "any",
        ),
        (signals().bounced(say("bounced")), "error", "bounced"),
        (
            signals().chat_command("!hi {name?}", say("command")),
            "chat",
            "command",
        ),
        (
            signals().message_with("urn:a", say("payload")),
            "chat",
            "payload",
        ),
        (signals().fallback(say("fallback")), "chat", "fallback"),
        // A route for all recipients, while the recipient has one for the chat state only.
        (
            Router::new().at("@", signals()).message(say("chat")),
            "chat",
            "chat",
        ),
        (
            Router::new()
                .at("@", signals().spawn())
                .merge(Router::new().fallback(say("fallback"))),
            "chat",
            "fallback",
        ),
    ];
    for (mut router, kind, wanted) in rows {
        let payload = "<a xmlns='urn:a'/>";
        for children in [
            format!("<body>!hi</body>{ACTIVE}{payload}"),
            format!("{payload}{ACTIVE}<body>!hi</body>"),
        ] {
            let xml = format!("<message type='{kind}'>{children}</message>");
            assert_eq!(called(&mut router, &xml), wanted, "{xml}");
        }
        let alone = format!("<message type='{kind}'>{ACTIVE}</message>");
        if !matches!(wanted, "fallback") {
            assert_eq!(called(&mut router, &alone), "typing", "{alone}");
        }
    }
}

#[test]
fn payload_takes_precedence_over_annotation() {
    let mut router = Router::new()
        .message_with(("urn:xmpp:hints", "store"), say("hint"))
        .message_with("urn:xmpp:omemo:2", say("encrypted"));
    let xml = "<message><store xmlns='urn:xmpp:hints'/><encrypted xmlns='urn:xmpp:omemo:2'/>\
        </message>";
    assert_eq!(called(&mut router, xml), "encrypted");
}

#[test]
fn many_payload_names_are_routed() {
    let names: Vec<_> = (0..500)
        .map(|n| (format!("urn:example:service:{n}"), format!("n{}", n % 7)))
        .collect();
    let mut router = names
        .iter()
        .fold(Router::new(), |router, (namespace, name)| {
            let own = namespace.clone();
            router.iq_get((namespace.as_str(), name.as_str()), move || {
                std::future::ready(own.clone())
            })
        });
    for (namespace, name) in &names {
        assert_eq!(
            called(&mut router, &iq(&format!("<{name} xmlns='{namespace}'/>"))),
            *namespace
        );
    }
}

#[test]
fn unmatched_iq_replies_error() {
    let mut router = Router::new()
        .iq_get(("urn:a", "q"), say("q"))
        .at("x", Router::new().iq_set("urn:x", say("x")));
    assert_eq!(
        called(&mut router, &iq("<other xmlns='urn:a'/>")),
        "feature-not-implemented"
    );
    assert_eq!(
        called(&mut router, "<iq type='set' id='1'><q xmlns='urn:a'/></iq>"),
        "feature-not-implemented"
    );
    assert_eq!(
        called(&mut router, &iq("<q xmlns='urn:b'/>")),
        "service-unavailable"
    );
    assert_eq!(
        called(&mut router, &iq("<q xmlns='urn:x'/>")),
        "service-unavailable"
    );
    let at_x = "<iq type='get' id='1' to='x@bot.localhost'><q xmlns='urn:x'/></iq>";
    assert_eq!(called(&mut router, at_x), "feature-not-implemented");
}

#[test]
fn iq_without_exactly_one_child_replies_bad_request() {
    let mut router = Router::new().on(Filter::any(), say("anything"));
    for payload in ["", "<a xmlns='urn:a'/><b xmlns='urn:b'/>"] {
        assert_eq!(called(&mut router, &iq(payload)), "bad-request");
    }
}

#[test]
fn unmatched_message_replies_service_unavailable() {
    let mut router = Router::new();
    let refused = answer(
        &mut router,
        "<message type='chat' id='1'><body>hi</body></message>",
    );
    let wanted = "<message from='bot.localhost' to='alice@example.org/desk' id='1' type='error'>\
        <error type='cancel'><service-unavailable \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>";
    assert_eq!(refused, wanted);
    let silent = [
        "<message type='chat'><active xmlns='http://jabber.org/protocol/chatstates'/></message>",
        "<message type='groupchat'><body>hi</body></message>",
        "<message type='headline'><body>hi</body></message>",
        "<message type='error'><body>hi</body></message>",
        "<presence/>",
        "<presence type='unavailable'/>",
        "<presence type='unsubscribe'/>",
    ];
    for xml in silent {
        assert!(matches!(call(&mut router, xml), Ok(Reply::Empty)), "{xml}");
    }
}

#[test]
fn unmatched_subscription_replies_unsubscribed() {
    let wanted = "<presence from='x@bot.localhost' to='alice@example.org' type='unsubscribed'/>";
    for kind in ["subscribe", "probe"] {
        let xml = format!("<presence type='{kind}' to='x@bot.localhost'/>");
        assert_eq!(answer(&mut Router::new(), &xml), wanted);
    }
}

#[test]
fn fallback_handles_unmatched_stanzas_of_its_recipients() {
    let mut router = Router::new()
        .iq_get("urn:a", say("a"))
        .fallback(say("left"))
        .at(
            "x",
            Router::new()
                .fallback(say("left at x"))
                .message(say("message to x")),
        );
    assert_eq!(
        called(&mut router, "<message to='x@bot.localhost'/>"),
        "message to x"
    );
    assert_eq!(
        called(&mut router, "<message to='y@bot.localhost'/>"),
        "left"
    );
    // A route for any recipient takes precedence over the fallback of x.
    assert_eq!(
        called(
            &mut router,
            "<iq type='get' id='1' to='x@bot.localhost'><q xmlns='urn:a'/></iq>"
        ),
        "a"
    );
    assert_eq!(
        called(
            &mut router,
            "<iq type='get' id='1' to='x@bot.localhost'><q xmlns='urn:b'/></iq>"
        ),
        "left at x"
    );
}

#[test]
fn default_handlers_run_only_for_registered_addresses() {
    let ping = Filter::iq_get().payload(("urn:xmpp:ping", "ping"));
    let mut router = Router::new()
        .default_handler(ping, say("pong"))
        .message(say("any recipient"))
        .at("x", Router::new())
        .at("own", Router::new().iq_get("urn:xmpp:ping", say("own")))
        .at("o-*", Router::new().message(say("o")));
    let mut at = |to: &str| {
        called(
            &mut router,
            &format!("<iq type='get' id='1' to='{to}'><ping xmlns='urn:xmpp:ping'/></iq>"),
        )
    };
    assert_eq!(at("bot.localhost"), "pong");
    assert_eq!(at("x@bot.localhost/r"), "pong");
    assert_eq!(at("o-1@bot.localhost"), "pong");
    assert_eq!(at("own@bot.localhost"), "own");
    assert_eq!(at("unknown@bot.localhost"), "service-unavailable");
    let other = "<iq type='set' id='1'><ping xmlns='urn:xmpp:ping'/></iq>";
    assert_eq!(called(&mut router, other), "feature-not-implemented");
    assert_eq!(
        called(
            &mut router,
            &other.replace("<iq", "<iq to='unknown@bot.localhost'")
        ),
        "service-unavailable"
    );
}

#[test]
fn overlap_error_names_both_routes() {
    let one = || Router::<()>::new().iq_get(("urn:a", "q"), say("one"));
    let both = Router::new().on(Filter::iq().payload(("urn:a", "q")), say("two"));
    // Fewer types are more specific, so this is not an overlap.
    assert!(one().try_merge(both).is_ok());
    let error = one().try_merge(one()).unwrap_err();
    let pattern = "iq get with {urn:a}q for any recipient";
    assert_eq!(
        error.to_string(),
        format!("route \"{pattern}\" overlaps registered route \"{pattern}\"")
    );
    let chat = Filter::kinds([
        Kind::Message(MessageType::Chat),
        Kind::Message(MessageType::Headline),
    ]);
    let error = Router::<()>::new()
        .message(say("m"))
        .try_merge(Router::new().on(chat, say("c")))
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "route \"message chat or message headline for any recipient\" overlaps registered route \
         \"message normal or message chat for any recipient\""
    );
    let fallback = || Router::<()>::new().at("x", Router::new().fallback(say("f")));
    let error = fallback().try_merge(fallback()).unwrap_err();
    assert!(error.to_string().contains("\"fallback for x@\""), "{error}");
    assert!(one().try_merge(Router::new().at("x", one())).is_ok());
}

#[test]
fn nested_routers_combine_patterns() {
    let inner = Router::new()
        .message(say("all orders"))
        .at("order-1", Router::new().message(say("order 1")));
    let mut router = Router::new().at("order-*", inner);
    assert_eq!(
        called(&mut router, "<message to='order-1@bot.localhost'/>"),
        "order 1"
    );
    assert_eq!(
        called(&mut router, "<message to='order-2@bot.localhost'/>"),
        "all orders"
    );
    let debug = format!("{router:?}");
    assert_eq!(
        debug,
        "[\"message normal or message chat for order-*@\", \"message normal or message chat for \
        order-1@\"]"
    );
}

#[test]
fn merged_routers_can_use_different_states() {
    async fn count(State(count): State<u8>) -> String {
        count.to_string()
    }
    async fn name(State(name): State<&'static str>, Sender(_): Sender, Body(body): Body) -> String {
        format!("{name} {body}")
    }
    let numbers = Router::new()
        .iq_get("urn:n", count)
        .with_state::<&'static str>(7);
    let mut router: Router = numbers.message(name).with_state("seven");
    assert_eq!(called(&mut router, &iq("<q xmlns='urn:n'/>")), "7");
    assert_eq!(
        called(&mut router, "<message><body>up</body></message>"),
        "seven up"
    );
}

#[test]
fn routes_added_after_a_call_do_not_affect_clones() {
    let mut router = Router::new().message(say("message"));
    assert_eq!(called(&mut router, "<message/>"), "message");
    let mut clone = router.clone();
    router = router.presence(say("presence"));
    assert_eq!(called(&mut router, "<presence/>"), "presence");
    assert!(matches!(call(&mut clone, "<presence/>"), Ok(Reply::Empty)));
}

#[test]
fn trait_objects_are_handlers() {
    #[derive(Default)]
    struct Count(AtomicUsize);
    #[async_trait]
    impl StanzaHandler for Count {
        async fn handle(&self, inbound: Inbound) -> Result<Reply, BoxError> {
            let before = self.0.fetch_add(1, Ordering::Relaxed);
            format!("{} {before}", inbound.kind()).into_reply()
        }
    }
    let count = Arc::new(Count::default());
    let object: Arc<dyn StanzaHandler> = count.clone();
    let mut router = Router::new()
        .message(object.clone())
        .presence(object)
        .fallback(count);
    assert_eq!(called(&mut router, "<message/>"), "message normal 0");
    assert_eq!(called(&mut router, "<presence/>"), "presence 1");
    assert_eq!(
        called(&mut router, "<message type='error'/>"),
        "message error 2"
    );
}

#[test]
fn rejected_argument_replies_stanza_error() {
    async fn ping(_: Payload<Ping>) {}
    let mut router = Router::new().on(Filter::iq(), ping);
    assert_eq!(
        called(&mut router, &iq("<q xmlns='urn:a'/>")),
        "bad-request"
    );
    let pong = answer(&mut router, &iq("<ping xmlns='urn:xmpp:ping'/>"));
    assert_eq!(
        pong,
        "<iq from='bot.localhost' to='alice@example.org/desk' id='1' type='result'/>"
    );
}

#[test]
fn handler_takes_sixteen_arguments_in_any_order() {
    use crate::client::Client;
    use crate::extract::{Recipient, StanzaRef};
    use crate::stanza::Children;
    #[allow(clippy::too_many_arguments, reason = "sixteen are allowed")]
    async fn all(
        body: Body,
        _: Client,
        State(()): State<()>,
        Sender(from): Sender,
        kind: Kind,
        stanza: StanzaRef,
        Recipient(to): Recipient,
        children: Children,
        _: Inbound,
        _: Option<Body>,
        _: State<()>,
        _: Sender,
        _: Recipient,
        _: Kind,
        _: Client,
        _: StanzaRef,
    ) -> String {
        format!(
            "{} {kind} {from} {to} {} {}",
            body.0,
            children.len(),
            stanza.children().len()
        )
    }
    let mut router = Router::new().message(all);
    assert_eq!(
        called(&mut router, "<message><body>hi</body></message>"),
        "hi message normal alice@example.org/desk bot.localhost 1 1"
    );
}

#[tokio::test]
async fn spawned_route_runs_in_its_own_task() {
    let here = tokio::task::try_id();
    let elsewhere = move || async move {
        if tokio::task::try_id() == here {
            "here"
        } else {
            "elsewhere"
        }
    };
    let router = Router::new().message(elsewhere).spawn().presence(elsewhere);
    let body = async |xml| {
        let request = crate::test_util::inbound(xml);
        let Ok(Reply::Children(children)) = router.clone().call(request).await else {
            panic!("no body")
        };
        children.first().unwrap().text().into_owned()
    };
    assert_eq!(body("<message/>").await, "elsewhere");
    assert_eq!(body("<presence/>").await, "here");
}

#[tokio::test]
async fn spawned_route_is_aborted_on_drop_and_propagates_panics() {
    struct Held(Arc<AtomicUsize>);
    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    async fn broken() {
        panic!("no presence");
    }
    let dropped = Arc::new(AtomicUsize::new(0));
    let started = Arc::new(tokio::sync::Notify::new());
    let count = Arc::clone(&dropped);
    let notify = Arc::clone(&started);
    let endless = move || {
        let held = Held(Arc::clone(&count));
        let notify = Arc::clone(&notify);
        async move {
            let _held = held;
            notify.notify_one();
            std::future::pending::<()>().await;
        }
    };
    let mut router = Router::new().message(endless).presence(broken).spawn();
    let future = tokio::spawn(router.call(crate::test_util::inbound("<message/>")));
    started.notified().await;
    future.abort();
    assert!(future.await.unwrap_err().is_cancelled());
    while dropped.load(Ordering::Relaxed) == 0 {
        tokio::task::yield_now().await;
    }
    let panicked = tokio::spawn(router.call(crate::test_util::inbound("<presence/>")))
        .await
        .unwrap_err();
    assert_eq!(panicked.into_panic().downcast_ref(), Some(&"no presence"));
}
