//! Tests of commands with literal XML over the embedded server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    missing_docs,
    reason = "a test may say so and fail"
)]

use serde::{Deserialize, Serialize};
use tokio::time::Duration;

use campanile::adhoc::*;
use campanile::error::{BoxError, Condition};
use campanile::extract::{Sender, State};
use campanile::form::{Definition, Field, Form, FormError, Table};
use campanile::payload::Note;
use campanile::router::Router;
use campanile_testing::Mounted;
use campanile_testing::host::User;

#[derive(Deserialize)]
struct Order {
    sku: String,
    count: u32,
}

async fn order(Form(order): Form<Order>) -> Result<String, BoxError> {
    match order.count {
        13 => Err(FormError::field("count", "brings bad luck").into()),
        99 => Err(Condition::ResourceConstraint.into()),
        count => Ok(format!("{count} × {}", order.sku)),
    }
}

#[derive(Deserialize)]
struct Service {
    service: String,
}

#[derive(Deserialize)]
struct Configuration {
    service: String,
    state: Option<String>,
}

/// Builds a step that depends on the previous one. The service `core` has no such step.
async fn state_of(
    Form(Service { service }): Form<Service>,
) -> Result<Option<Definition>, BoxError> {
    match service.as_str() {
        "core" => Ok(None),
        "none" => Err(FormError::field("service", "is not installed").into()),
        _ => Ok(Some(
            Definition::new()
                .title(format!("The state of {service}"))
                .field(
                    Field::choice("state")
                        .option("on", "On")
                        .option("off", "Off")
                        .required(),
                ),
        )),
    }
}

async fn configure(Form(Configuration { service, state }): Form<Configuration>) -> Note {
    Note::info(format!(
        "{service} is {}",
        state.as_deref().unwrap_or("unchanged")
    ))
}

#[derive(Serialize, Deserialize)]
struct Host {
    name: String,
    up: bool,
}

async fn hosts() -> Result<(Note, Table), BoxError> {
    let definition = Definition::of::<Host>().edit("name", |field| field.label("Host"));
    Ok((
        Note::warn("one is down"),
        definition.table(&[Host {
            name: "a".into(),
            up: false,
        }])?,
    ))
}

fn commands() -> Commands {
    let order_form = Definition::of::<Order>().title("An order");
    let service_form = Definition::of::<Service>();
    Commands::new()
        .add(Command::new("order", "Order something", order).form(order_form))
        .add(
            Command::new("config", "Configure a service", configure)
                .form(service_form)
                .step(state_of),
        )
        .add(Command::new("hosts", "List hosts", hosts).allow(["alice@localhost", "example.org"]))
        .add(
            Command::new("who", "Who am I", async |Sender(who): Sender| {
                who.to_string()
            })
            .allow(["admin@localhost"]),
        )
}

async fn mounted(commands: Commands) -> Mounted {
    campanile_testing::mount("bot.localhost", |bot| {
        bot.router(Router::new().adhoc(commands))
    })
    .await
}

fn request(attributes: &str, content: &str) -> String {
    format!(
        "<iq type='set' to='bot.localhost'><command xmlns='http://jabber.org/protocol/commands' \
        {attributes}>{content}\
         </command></iq>"
    )
}

fn submit(fields: &[(&str, &str)]) -> String {
    let fields = fields
        .iter()
        .map(|(var, value)| format!("<field var='{var}'><value>{value}</value></field>"));
    format!(
        "<x xmlns='jabber:x:data' type='submit'>{}</x>",
        fields.collect::<String>()
    )
}

/// Sends a request. Returns the session id, and the content of the reply with the id replaced by
/// `S`.
async fn run(user: &User, attributes: &str, content: &str) -> (String, String) {
    let answer = user
        .request(request(attributes, content).as_str())
        .await
        .unwrap();
    let payload = answer.children().first().unwrap();
    let session = payload
        .attribute("sessionid")
        .unwrap_or_default()
        .into_owned();
    (session.clone(), payload.as_str().replace(&session, "S"))
}

/// Asserts that two elements are equal, ignoring the order of attributes.
#[track_caller]
fn same(seen: &str, wanted: &str) {
    let tree = |xml: &str| xml.parse::<minidom::Element>().unwrap();
    assert_eq!(
        tree(seen),
        tree(wanted),
        "\n  seen: {seen}\nwanted: {wanted}"
    );
}

/// Returns the condition, application-specific condition and text of an error reply.
async fn refused(
    user: &User,
    attributes: &str,
    content: &str,
) -> (Condition, Option<String>, Option<String>) {
    let answer = user
        .request(request(attributes, content).as_str())
        .await
        .unwrap();
    assert!(answer.kind().is_error(), "{}", answer.to_xml());
    let error = campanile::error::StanzaError::from_stanza(&answer);
    (
        error.condition(),
        error.application().map(|child| child.name().to_owned()),
        error.text().map(str::to_owned),
    )
}

async fn condition(user: &User, attributes: &str, content: &str) -> (Condition, Option<String>) {
    let (condition, application, _) = refused(user, attributes, content).await;
    (condition, application)
}

fn bad(name: &str) -> (Condition, Option<String>) {
    (Condition::BadRequest, Some(name.to_owned()))
}

const ACTIONS_LAST: &str = "<actions execute='complete'><complete/></actions>";

#[tokio::test]
async fn disco_lists_commands_for_permitted_users_only() {
    let bot = mounted(commands()).await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    let ask = |kind: &str, node: &str| {
        let query =
            format!("<query xmlns='http://jabber.org/protocol/disco#{kind}' node='{node}'/>");
        format!("<iq type='get' to='bot.localhost'>{query}</iq>")
    };
    let list = |items: &str| {
        format!(
            "<iq type='result'><query xmlns='http://jabber.org/protocol/disco#items' \
             node='http://jabber.org/protocol/commands'><item jid='bot.localhost' node='order' \
             name='Order something'/>\
             <item jid='bot.localhost' node='config' name='Configure a \
             service'/>{items}</query></iq>"
        )
    };
    let items = ask("items", "http://jabber.org/protocol/commands");
    alice
        .ask(
            &items,
            &list("<item jid='bot.localhost' node='hosts' name='List hosts'/>"),
        )
        .await;
    bob.ask(&items, &list("")).await;
    let info = |node: &str, content: &str| {
        format!(
            "<iq type='result'><query xmlns='http://jabber.org/protocol/disco#info' \
            node='{node}'>{content}</query></iq>"
        )
    };
    let wanted = "<identity category='automation' type='command-list'/><feature \
        var='http://jabber.org/protocol/commands'/>";
    let node = "http://jabber.org/protocol/commands";
    bob.ask(&ask("info", node), &info(node, wanted)).await;
    let wanted = "<identity category='automation' type='command-node' name='List hosts'/>\
        <feature var='http://jabber.org/protocol/commands'/><feature var='jabber:x:data'/>";
    alice
        .ask(&ask("info", "hosts"), &info("hosts", wanted))
        .await;
    alice
        .ask(
            &ask("items", "hosts"),
            "<iq type='result'><query xmlns='http://jabber.org/protocol/disco#items' \
            node='hosts'/></iq>",
        )
        .await;
    let forbidden = "<iq type='error'><error type='auth'><forbidden \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>";
    bob.ask(&ask("info", "hosts"), forbidden).await;
    assert_eq!(
        condition(&bob, "node='hosts'", "").await,
        (Condition::Forbidden, None)
    );
    let features = bob
        .request(
            "<iq type='get' to='bot.localhost'><query \
            xmlns='http://jabber.org/protocol/disco#info'/></iq>",
        )
        .await;
    let features = features.unwrap().to_xml();
    for feature in ["http://jabber.org/protocol/commands", "jabber:x:data"] {
        assert!(
            features.contains(&format!("<feature var='{feature}'/>")),
            "{features}"
        );
    }
}

#[tokio::test]
async fn command_without_form_completes_immediately() {
    let bot = mounted(commands()).await;
    let alice = bot.user("alice@localhost");
    let wanted = "<command xmlns='http://jabber.org/protocol/commands' node='hosts' sessionid='S' \
        status='completed'>\
        <note type='warn'>one is down</note><x xmlns='jabber:x:data' type='result'><reported>\
        <field var='name' label='Host'/><field var='up' type='boolean'/></reported><item><field \
        var='name'><value>a</value>\
        </field><field var='up'><value>0</value></field></item></x></command>";
    for action in ["", "action='execute'"] {
        let (session, answer) = run(&alice, &format!("node='hosts' {action}"), "").await;
        same(&answer, wanted);
        assert_eq!(
            condition(&alice, &format!("node='hosts' sessionid='{session}'"), "").await,
            bad("bad-sessionid")
        );
    }
}

#[tokio::test]
async fn command_with_one_form_validates_and_completes() {
    let bot = mounted(commands()).await;
    let alice = bot.user("alice@localhost");
    let (session, form) = run(&alice, "node='order' action='execute'", "").await;
    let wanted = format!(
        "<command xmlns='http://jabber.org/protocol/commands' node='order' sessionid='S' \
        status='executing'>{ACTIONS_LAST}\
         <x xmlns='jabber:x:data' type='form'><title>An order</title><field var='sku' \
         type='text-single'><required/></field>\
         <field var='count' type='text-single'><required/></field></x></command>"
    );
    same(&form, &wanted);
    let attributes = format!("node='order' sessionid='{session}' action='complete'");
    // Invalid input can be corrected.
    for (fields, text) in [
        (&[("sku", "abc")][..], "field \"count\" is required"),
        (
            &[("sku", "abc"), ("count", "many")],
            "field \"count\" must be a non-negative whole number, not \"many\"",
        ),
        (
            &[("sku", "abc"), ("count", "13")],
            "field \"count\" brings bad luck",
        ),
    ] {
        let (condition, application, told) = refused(&alice, &attributes, &submit(fields)).await;
        assert_eq!((condition, application), bad("bad-payload"));
        assert_eq!(told.as_deref(), Some(text));
    }
    assert_eq!(condition(&alice, &attributes, "").await, bad("bad-payload"));
    assert_eq!(
        condition(
            &alice,
            &attributes,
            "<x xmlns='jabber:x:data' type='what'/>"
        )
        .await,
        bad("bad-payload")
    );
    // Other errors of the handler are sent unchanged, and do not end the session.
    let busy = condition(
        &alice,
        &attributes,
        &submit(&[("sku", "abc"), ("count", "99")]),
    )
    .await;
    assert_eq!(busy, (Condition::ResourceConstraint, None));
    let (_, done) = run(
        &alice,
        &attributes,
        &submit(&[("sku", "abc"), ("count", "3")]),
    )
    .await;
    let wanted = "<command xmlns='http://jabber.org/protocol/commands' node='order' sessionid='S' \
        status='completed'>\
        <note type='info'>3 × abc</note></command>";
    same(&done, wanted);
    let over = condition(
        &alice,
        &attributes,
        &submit(&[("sku", "abc"), ("count", "3")]),
    )
    .await;
    assert_eq!(
        over,
        (Condition::NotAllowed, Some("session-expired".to_owned()))
    );
}

fn step(actions: &str, form: &str) -> String {
    format!(
        "<command xmlns='http://jabber.org/protocol/commands' node='config' sessionid='S' \
        status='executing'>\
         <actions execute='{actions}</actions><x xmlns='jabber:x:data' \
         type='form'>{form}</x></command>"
    )
}

const STATES: &str =
    "<option label='On'><value>on</value></option><option label='Off'><value>off</value></option>";

#[tokio::test]
async fn wizard_supports_next_and_prev() {
    let bot = mounted(commands()).await;
    let alice = bot.user("alice@localhost");
    let (session, first) = run(&alice, "node='config'", "").await;
    same(
        &first,
        &step(
            "next'><next/>",
            "<field var='service' type='text-single'><required/></field>",
        ),
    );
    let with = |action: &str| format!("node='config' sessionid='{session}' {action}");
    assert_eq!(
        condition(&alice, &with("action='prev'"), "").await,
        bad("bad-action")
    );
    assert_eq!(
        condition(
            &alice,
            &with("action='complete'"),
            &submit(&[("service", "httpd")])
        )
        .await,
        bad("bad-action")
    );
    assert_eq!(
        condition(&alice, &with("action='jump'"), "").await,
        bad("malformed-action")
    );
    let (_, _, told) = refused(
        &alice,
        &with("action='next'"),
        &submit(&[("service", "none")]),
    )
    .await;
    assert_eq!(told.as_deref(), Some("field \"service\" is not installed"));
    // Without an action, the default of the step applies.
    let (_, second) = run(&alice, &with(""), &submit(&[("service", "httpd")])).await;
    let state = |value: &str| {
        format!(
            "<title>The state of httpd</title><field var='state' \
            type='list-single'><required/>{STATES}{value}</field>"
        )
    };
    same(&second, &step("complete'><prev/><complete/>", &state("")));
    assert_eq!(
        condition(&alice, &with("action='next'"), &submit(&[("state", "on")])).await,
        bad("bad-action")
    );
    let (_, again) = run(&alice, &with("action='prev'"), "").await;
    same(
        &again,
        &step(
            "next'><next/>",
            "<field var='service' type='text-single'><required/><value>httpd</value></field>",
        ),
    );
    let (_, second) = run(
        &alice,
        &with("action='next'"),
        &submit(&[("service", "httpd")]),
    )
    .await;
    same(&second, &step("complete'><prev/><complete/>", &state("")));
    // XEP-0050 §3.5.1: a form of type cancel counts as submitted.
    let form = submit(&[("state", "off")]).replace("submit", "cancel");
    let (_, done) = run(&alice, &with("action='execute'"), &form).await;
    assert!(
        done.contains("status='completed'") && done.contains("httpd is off"),
        "{done}"
    );
}

#[tokio::test]
async fn step_without_form_is_skipped() {
    let bot = mounted(commands()).await;
    let alice = bot.user("alice@localhost");
    let (session, _) = run(&alice, "node='config'", "").await;
    let attributes = format!("node='config' sessionid='{session}' action='next'");
    let (_, done) = run(&alice, &attributes, &submit(&[("service", "core")])).await;
    assert!(
        done.contains("status='completed'") && done.contains("core is unchanged"),
        "{done}"
    );
}

#[derive(Deserialize)]
struct Coffee {
    size: String,
    milk: Option<String>,
    name: Option<String>,
}

/// Asks for sugar if the size is small.
async fn sugar(Form(coffee): Form<Coffee>) -> Option<Definition> {
    (coffee.size == "small").then(|| Definition::new().field(Field::text("sugar").required()))
}

async fn brew(Form(Coffee { size, milk, name }): Form<Coffee>) -> String {
    format!("{size}, milk {milk:?}, for {name:?}")
}

#[tokio::test]
async fn allow_complete_uses_preset_values_of_remaining_steps() {
    let size = Definition::new().field(Field::text("size").required());
    let milk = Definition::new().field(
        Field::choice("milk")
            .option("none", "No")
            .option("oat", "Oat")
            .value("none")
            .required(),
    );
    let name = Definition::new().field(Field::text("name"));
    let coffee = Command::new("coffee", "A coffee", brew)
        .form(size)
        .allow_complete()
        .form(milk)
        .step(sugar)
        .form(name);
    let bot = mounted(Commands::new().add(coffee)).await;
    let alice = bot.user("alice@localhost");
    let actions = |answer: &str| {
        let (_, actions) = answer.split_once("<actions ").unwrap();
        actions.split_once("</actions>").unwrap().0.to_owned()
    };
    let (session, first) = run(&alice, "node='coffee'", "").await;
    // The default action is still `next`.
    assert_eq!(actions(&first), "execute='next'><next/><complete/>");
    let complete = |session: &str| format!("node='coffee' sessionid='{session}' action='complete'");
    // Required fields of this step must still be filled in.
    assert_eq!(
        condition(&alice, &complete(&session), &submit(&[])).await,
        bad("bad-payload")
    );
    let (_, done) = run(&alice, &complete(&session), &submit(&[("size", "large")])).await;
    assert!(
        done.contains("status='completed'")
            && done.contains("large, milk Some(\"none\"), for None"),
        "{done}"
    );

    // After moving on, the remaining steps cannot be skipped.
    let (session, _) = run(&alice, "node='coffee'", "").await;
    let next = format!("node='coffee' sessionid='{session}'");
    let (_, second) = run(&alice, &next, &submit(&[("size", "large")])).await;
    assert_eq!(actions(&second), "execute='next'><prev/><next/>");
    assert_eq!(
        condition(&alice, &complete(&session), &submit(&[("milk", "oat")])).await,
        bad("bad-action")
    );

    // A step without preset values is shown; the steps before it are completed.
    let (session, _) = run(&alice, "node='coffee'", "").await;
    let (_, third) = run(&alice, &complete(&session), &submit(&[("size", "small")])).await;
    assert!(
        third.contains("status='executing'") && third.contains("var='sugar'"),
        "{third}"
    );
    let (_, second) = run(
        &alice,
        &format!("node='coffee' sessionid='{session}' action='prev'"),
        "",
    )
    .await;
    assert!(
        second.contains("var='milk'") && second.contains("<value>none</value></field>"),
        "{second}"
    );
}

#[test]
#[should_panic(
    expected = "command \"a\" has no steps: call form() or step() before allow_complete()"
)]
fn allow_complete_without_step_panics() {
    let _ = Command::<()>::new("a", "a", async || ()).allow_complete();
}

#[tokio::test]
async fn cancel_ends_session() {
    let bot = mounted(commands()).await;
    let alice = bot.user("alice@localhost");
    let (session, _) = run(&alice, "node='order'", "").await;
    let attributes = format!("node='order' sessionid='{session}' action='cancel'");
    let (_, canceled) = run(&alice, &attributes, "").await;
    let wanted = "<command xmlns='http://jabber.org/protocol/commands' node='order' sessionid='S' \
        status='canceled'/>";
    same(&canceled, wanted);
    let over = (Condition::NotAllowed, Some("session-expired".to_owned()));
    assert_eq!(condition(&alice, &attributes, "").await, over);
}

#[tokio::test]
async fn a_session_belongs_to_who_began_it() {
    let bot = campanile_testing::mount("bot.localhost", |bot| {
        bot.router(
            Router::new()
                .adhoc(commands())
                .at("x", Router::new().message(async || ())),
        )
    })
    .await;
    let phone = bot.user("alice@localhost/phone");
    let desk = bot.user("alice@localhost/desk");
    let (session, _) = run(&phone, "node='order'", "").await;
    let cancel = |node: &str| format!("node='{node}' sessionid='{session}' action='cancel'");
    assert_eq!(
        condition(&desk, &cancel("order"), "").await,
        bad("bad-sessionid")
    );
    assert_eq!(
        condition(&phone, &cancel("config"), "").await,
        bad("bad-sessionid")
    );
    assert_eq!(
        condition(&phone, "node='order' sessionid='made up'", "").await,
        bad("bad-sessionid")
    );
    let elsewhere =
        request(&cancel("order"), "").replace("to='bot.localhost'", "to='x@bot.localhost'");
    let answer = phone.request(elsewhere.as_str()).await.unwrap().to_xml();
    assert!(answer.contains("<bad-sessionid"), "{answer}");
    let refused = phone
        .request(request("node='order' sessionid='made up'", "").as_str())
        .await
        .unwrap()
        .to_xml();
    let repeated = "<command xmlns='http://jabber.org/protocol/commands' node='order' \
        sessionid='made up'/><error ";
    assert!(refused.contains(repeated), "{refused}");
    for action in ["next", "prev", "complete", "cancel"] {
        assert_eq!(
            condition(&phone, &format!("node='order' action='{action}'"), "").await,
            bad("bad-sessionid")
        );
    }
    run(&phone, &cancel("order"), "").await;
}

#[tokio::test]
async fn unknown_nodes_and_malformed_requests_are_rejected() {
    let bot = mounted(commands()).await;
    let alice = bot.user("alice@localhost");
    assert_eq!(
        condition(&alice, "node='what'", "").await,
        (Condition::ItemNotFound, None)
    );
    assert_eq!(
        condition(&alice, "", "").await,
        (Condition::ItemNotFound, None)
    );
    assert_eq!(
        condition(&alice, "node='order' status='busy'", "").await,
        (Condition::BadRequest, None)
    );
    let get = request("node='order'", "").replace("type='set'", "type='get'");
    let answer = alice.request(get.as_str()).await.unwrap().to_xml();
    assert!(answer.contains("<feature-not-implemented"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn idle_session_expires() {
    let mut commands = commands().timeout(Duration::from_secs(60));
    let sessions = commands.sessions();
    let bot = mounted(commands).await;
    let alice = bot.user("alice@localhost");
    let (session, _) = run(&alice, "node='config'", "").await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    let attributes = format!("node='config' sessionid='{session}'");
    run(&alice, &attributes, &submit(&[("service", "httpd")])).await;
    // Each step resets the timeout.
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(sessions.open(), 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(sessions.open(), 0);
    let over = (Condition::NotAllowed, Some("session-expired".to_owned()));
    assert_eq!(
        condition(&alice, &attributes, &submit(&[("state", "on")])).await,
        over
    );
}

#[tokio::test]
async fn session_limits_apply_per_sender_and_domain() {
    let mut commands = commands().limit(20);
    let sessions = commands.sessions();
    let bot = mounted(commands).await;
    let alice = bot.user("alice@localhost");
    let (first, _) = run(&alice, "node='order'", "").await;
    for _ in 0..4 {
        run(&alice, "node='order'", "").await;
    }
    // The fifth session of a JID ends its oldest.
    assert_eq!(sessions.open(), 4);
    let over = (Condition::NotAllowed, Some("session-expired".to_owned()));
    assert_eq!(
        condition(&alice, &format!("node='order' sessionid='{first}'"), "").await,
        over
    );
    // One domain holds at most a quarter of all sessions.
    let bob = bot.user("bob@localhost");
    run(&bob, "node='order'", "").await;
    assert_eq!(
        condition(&bob, "node='order'", "").await,
        (Condition::ResourceConstraint, None)
    );
    assert_eq!(sessions.open(), 5);
    assert_eq!(bot.counters().sessions_refused, 1);
    run(&bot.user("carol@example.org"), "node='order'", "").await;
    assert_eq!(sessions.open(), 6);
    // Commands without steps need no session.
    run(&alice, "node='hosts'", "").await;
}

#[tokio::test]
async fn oversized_form_data_is_rejected() {
    let form = Definition::new().field(Field::lines("text"));
    let last = Definition::new().field(Field::text("more"));
    let commands = Commands::new().add(
        Command::new("note", "A note", async || ())
            .form(form)
            .form(last),
    );
    let bot = mounted(commands).await;
    let alice = bot.user("alice@localhost");
    let (session, _) = run(&alice, "node='note'", "").await;
    let attributes = format!("node='note' sessionid='{session}'");
    let large = "x".repeat(33 * 1024);
    assert_eq!(
        condition(&alice, &attributes, &submit(&[("text", &large)])).await,
        (Condition::PolicyViolation, None)
    );
    let (_, second) = run(&alice, &attributes, &submit(&[("text", "x")])).await;
    assert!(second.contains("<prev/><complete/>"), "{second}");
}

#[tokio::test]
async fn command_handlers_get_router_state_at_router_address() {
    let who = async |State(shop): State<&'static str>| shop;
    let commands = Commands::new().add(Command::new("who", "Who are you", who));
    let shop: Router = Router::new().adhoc(commands).with_state("the shop");
    let bot = campanile_testing::mount("bot.localhost", |bot| {
        bot.router(Router::new().at("shop", shop))
    })
    .await;
    let alice = bot.user("alice@localhost");
    let at_shop =
        request("node='who'", "").replace("to='bot.localhost'", "to='shop@bot.localhost'");
    let answer = alice.request(at_shop.as_str()).await.unwrap().to_xml();
    assert!(
        answer.contains("<note type='info'>the shop</note>"),
        "{answer}"
    );
    let (condition, _) = condition(&alice, "node='who'", "").await;
    assert_eq!(condition, Condition::ServiceUnavailable);
}

#[tokio::test]
async fn merged_routers_serve_commands_of_both() {
    let one = |node: &'static str| {
        Router::new().adhoc(Commands::new().add(Command::new(node, node, async || ())))
    };
    let bot =
        campanile_testing::mount("bot.localhost", |bot| bot.router(one("a").merge(one("b")))).await;
    let alice = bot.user("alice@localhost");
    for node in ["a", "b"] {
        let (_, answer) = run(&alice, &format!("node='{node}'"), "").await;
        assert!(answer.contains("status='completed'"), "{answer}");
    }
    assert_eq!(
        condition(&alice, "node='c'", "").await,
        (Condition::ItemNotFound, None)
    );
    assert!(one("a").try_merge(one("a")).is_err());
}

#[test]
#[should_panic(expected = "\"a@b/c\" is neither a bare JID nor a domain")]
fn allow_rejects_full_jid() {
    let _ = Command::<()>::new("a", "a", async || ()).allow(["a@b/c"]);
}

#[test]
fn output_renders_as_text() {
    let text = |outcome: Result<CommandOutput, BoxError>| outcome.unwrap().to_string();
    assert_eq!(text(().into_command_output()), "Done.");
    assert_eq!(
        text(vec![Note::info("a"), Note::warn("b"), Note::error("c")].into_command_output()),
        "a\nWarning: b\nError: c"
    );
    let host = Host {
        name: "a".into(),
        up: true,
    };
    let definition = Definition::of::<Host>()
        .title("Hosts")
        .form_type("urn:x")
        .edit("name", |field| field.label("Host"));
    assert_eq!(
        text(definition.result(&host).into_command_output()),
        "Hosts\nHost: a\nup: 1"
    );
    assert_eq!(
        text(definition.table(&[host]).into_command_output()),
        "Hosts\nHost | up\na | 1"
    );
    assert_eq!(
        text(
            Form(Host {
                name: "b".into(),
                up: false
            })
            .into_command_output()
        ),
        "name: b\nup: 0"
    );
    assert_eq!(text(Some("x").into_command_output()), "x");
    let ping = CommandOutput::new().payload(&xmpp_parsers::ping::Ping);
    assert_eq!(text(ping), "Done.");
}

/// Sends a chat message and returns the body of the reply.
async fn said(user: &User, text: &str) -> String {
    user.say("bot.localhost", text).await.unwrap();
    let answer = user.recv().await.unwrap();
    let body = answer.children().first().unwrap();
    assert_eq!(body.name(), "body", "{}", answer.to_xml());
    body.text().into_owned()
}

#[tokio::test]
async fn chat_commands_run_all_steps() {
    let bot = mounted(commands().chat("!")).await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    let rows = [
        ("!order abc 3", "3 × abc"),
        ("!order \"a b\" 3", "3 × a b"),
        (
            "!order abc",
            "count is missing\nUsage: !order <sku> <count>",
        ),
        (
            "!order abc many",
            "field \"count\" must be a non-negative whole number, not \"many\"\nUsage: \
            !order <sku> <count>",
        ),
        (
            "!order abc 13",
            "field \"count\" brings bad luck\nUsage: !order <sku> <count>",
        ),
        ("!config core", "core is unchanged"),
        ("!config httpd OFF", "httpd is off"),
        (
            "!config httpd",
            "field \"state\" is required\nUsage: !config <service> [...]",
        ),
        (
            "!config httpd loud",
            "field \"state\" must be one of on, off, not \"loud\"\nUsage: !config \
            <service> [...]",
        ),
        (
            "!config none",
            "field \"service\" is not installed\nUsage: !config <service> [...]",
        ),
        ("!hosts", "Warning: one is down\nHost | up\na | 0"),
        ("!who", "Error: you are not allowed to use this command"),
        (
            "!help",
            "Commands:\n!config <service> [...] – Configure a service\n!hosts – List hosts\n\
            !order <sku> <count> – Order something",
        ),
    ];
    for (text, wanted) in rows {
        assert_eq!(said(&alice, text).await, wanted, "{text}");
    }
    assert_eq!(
        said(&bob, "!hosts").await,
        "Error: you are not allowed to use this command"
    );
    bob.say("bot.localhost", "!order abc 99").await.unwrap();
    bob.expect(
        "<message type='error'><error type='wait'><resource-constraint \
        xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
    )
    .await;
}

#[tokio::test]
async fn chat_arguments_convert_to_field_values() {
    #[derive(Debug, Deserialize)]
    #[allow(dead_code, reason = "read by its Debug")]
    struct All {
        note: Option<String>,
        gift: bool,
        tags: Vec<String>,
        to: String,
        kind: String,
    }
    let show = async |Form(all): Form<All>| format!("{all:?}");
    let form = Definition::of::<All>()
        .edit("tags", |field| {
            field
                .of_type(campanile::form::FieldType::ListMulti)
                .option("a", "A")
                .option("b", "B")
                .required()
        })
        .field(Field::hidden("kind", "k"));
    let commands = Commands::new().chat("/").add(
        Command::new("urn:example:show", "Show", show)
            .chat_name("show all")
            .form(form),
    );
    let bot = mounted(commands).await;
    let alice = bot.user("alice@localhost");
    let wanted = "All { note: None, gift: true, tags: [\"a\", \"b\"], to: \"bob\", kind: \"k\" }";
    assert_eq!(said(&alice, "/show all a,B bob \"\" yes").await, wanted);
    let wanted =
        "All { note: Some(\"x y\"), gift: false, tags: [\"b\"], to: \"bob\", kind: \"k\" }";
    assert_eq!(said(&alice, "/show all b bob \"x y\"").await, wanted);
    assert_eq!(
        said(&alice, "/show all").await,
        "tags is missing\nUsage: /show all <tags> <to> [note] [gift]"
    );
}

/// Simulates several processes on one JID, where each request may reach any of them.
#[tokio::test(start_paused = true)]
async fn one_form_command_continues_at_another_process() {
    let mut bot = mounted(commands()).await;
    let alice = bot.user("alice@localhost/desk");
    let id = |instance: &str| format!("{instance}-0123456789abcdef01234567");
    let attributes =
        |node: &str, instance: &str| format!("node='{node}' sessionid='{}'", id(instance));
    let filled = submit(&[("sku", "abc"), ("count", "3")]);
    // No other process is known yet.
    assert_eq!(
        condition(&alice, &attributes("order", "00112233"), &filled).await,
        bad("bad-sessionid")
    );
    let ping = "<iq type='get' id='0123-ping' from='bot.localhost/ping' to='bot.localhost/pong'>\
                 <ping xmlns='urn:xmpp:ping'/></iq>";
    bot.host().inject("bot.localhost", ping);
    let (_, answer) = run(&alice, &attributes("order", "00112233"), &filled).await;
    assert!(
        answer.contains("status='completed'") && answer.contains("3 × abc"),
        "{answer}"
    );
    // The session has ended, as if it had been started here.
    let expired = (Condition::NotAllowed, Some("session-expired".to_owned()));
    assert_eq!(
        condition(&alice, &attributes("order", "00112233"), &filled).await,
        expired
    );
    // Input is validated as usual and can be corrected.
    let wrong = submit(&[("sku", "abc"), ("count", "many")]);
    assert_eq!(
        condition(&alice, &attributes("order", "33445566"), &wrong)
            .await
            .0,
        Condition::BadRequest
    );
    let (_, answer) = run(&alice, &attributes("order", "33445566"), &filled).await;
    assert!(answer.contains("status='completed'"), "{answer}");
    let (_, answer) = run(
        &alice,
        &format!("{} action='cancel'", attributes("order", "44556677")),
        "",
    )
    .await;
    assert!(answer.contains("status='canceled'"), "{answer}");
    // Rejected: an unknown session of this process, and a command whose steps depend on each other.
    let own = bot.running().client().instance().to_owned();
    assert_eq!(
        condition(&alice, &attributes("order", &own), &filled).await,
        bad("bad-sessionid")
    );
    assert_eq!(
        condition(
            &alice,
            &attributes("config", "00112244"),
            &submit(&[("service", "web")])
        )
        .await,
        bad("bad-sessionid")
    );
    // Access rules still apply.
    let mallory = bot.user("mallory@example.net/desk");
    assert_eq!(
        condition(&mallory, &attributes("hosts", "00112233"), "")
            .await
            .0,
        Condition::Forbidden
    );
}
