//! The Profanity client, on the embedded server and on Prosody.

use campanile::adhoc::{Command, Commands};
use campanile::component::Component;
use campanile::extract::Body;
use campanile::form::{Definition, Form};
use campanile::presence::{Availability, MemoryStore, Roster};
use campanile::router::Router;
use campanile_tests::clients::Profanity;
use campanile_tests::demo::{Demo, PASSWORD};
use campanile_tests::setup::{SECRET, password};
use campanile_tests::{Prosody, Setup};
use serde::Deserialize;

/// Runs a session from discovery to a conversation. The component must have a bot and the commands
/// `about` and `order`.
async fn a_person_finds_her_way(alice: &Profanity, component: &str) {
    // Discovers the component.
    alice
        .does("/disco items localhost", &format!("-   {component}"))
        .await;
    alice
        .does(
            &format!("/disco info {component}"),
            "http://jabber.org/protocol/commands",
        )
        .await;

    // Runs a command, and one with a form.
    alice
        .does(&format!("/cmd list {component}"), "!   order")
        .await;
    alice
        .does(&format!("/cmd exec about {component}"), "! about completed")
        .await;
    alice
        .does(&format!("/cmd exec order {component}"), "[field2] How many")
        .await;
    alice.does("/field1 Bells", "Field updated").await;
    alice.does("/field2 3", "3").await;
    alice.does("/form submit", "").await;
    alice.does("/win 1", "3 × Bells are on their way").await;

    // Adds the bot to the roster and receives its presence.
    alice
        .does(
            &format!("/roster add bot@{component} Bot"),
            "Roster item added",
        )
        .await;
    alice
        .does(&format!("/sub request bot@{component}"), "++ Bot is online")
        .await;

    // Messages the bot.
    alice
        .does(
            &format!("/msg bot@{component} Is anybody up there?"),
            "Bot: Is anybody up there?",
        )
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profanity_uses_embedded_server() {
    let mut demo = Demo::start().await;
    let alice = Profanity::login_at(&demo.address(), "alice@localhost", PASSWORD).await;
    a_person_finds_her_way(&alice, "echo.localhost").await;
    assert!(demo.stop().await.success());
}

#[derive(Deserialize)]
struct Order {
    article: String,
    count: u32,
}

fn app() -> Router {
    let form = Definition::of::<Order>()
        .edit("article", |field| field.label("Article"))
        .edit("count", |field| field.label("How many"));
    let order = async |Form(order): Form<Order>| {
        format!("{} × {} are on their way", order.count, order.article)
    };
    let commands = Commands::new()
        .add(Command::new("about", "What is this?", async || "A shop."))
        .add(Command::new("order", "Order something", order).form(form));
    Router::new()
        .adhoc(commands)
        .message(async |Body(body): Body| body)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn profanity_uses_prosody() {
    let server = Prosody::start(&Setup::new().component("shop.localhost")).await;
    let roster = Roster::builder(MemoryStore::new())
        .bots(["bot"])
        .availability(Availability::online())
        .build();
    let shop = Component::builder("shop.localhost")
        .server(server.component_address())
        .secret(SECRET);
    let shop = campanile_testing::start(shop.router(app()).module(roster));
    shop.mounted().await;
    let alice = Profanity::login_at(
        &server.client_address(),
        "alice@localhost",
        &password("alice"),
    )
    .await;
    a_person_finds_her_way(&alice, "shop.localhost").await;
}
