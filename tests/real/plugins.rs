//! slixmpp's plugins with a component that supports the features they are for.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use campanile::adhoc::{self, Commands};
use campanile::component::{Component, Status};
use campanile::disco::DiscoItem;
use campanile::extract::{Body, Json};
use campanile::form::{Definition, Field, Form};
use campanile::presence::{Availability, MemoryStore, Roster};
use campanile::router::Router;
use campanile::vcard::{VCard, VCardModule};
use campanile::xmpp_parsers::disco::Identity;
use campanile_basics::Basics;
use campanile_tests::clients::interpreter;
use campanile_tests::output::Output;
use campanile_tests::process::Process;
use campanile_tests::setup::SECRET;
use campanile_tests::{Server, on_both};
use serde::{Deserialize, Serialize};

use crate::support::setup_for;

const SHOP: &str = "shop.localhost";
/// Number of disco#items besides the bot.
const SHELVES: usize = 250;
/// A PNG signature. The rest is not inspected.
const PHOTO: &[u8] = b"\x89PNG\r\n\x1a\n and so on";

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Order {
    sku: String,
    count: u32,
}

/// Fields of all steps.
#[derive(Debug, Deserialize)]
struct Filled {
    sku: String,
    count: u32,
    express: Option<bool>,
}

fn order() -> adhoc::Command<()> {
    let article = Definition::of::<Order>()
        .title("An order")
        .edit("sku", |field| field.label("Article"));
    let delivery = async |Form(order): Form<Order>| {
        // A single item needs no delivery.
        (order.count > 1).then(|| {
            Definition::new()
                .title("Its way")
                .field(Field::boolean("express").label("Express"))
        })
    };
    adhoc::Command::new("order", "Order something", ordered)
        .form(article)
        .step(delivery)
}

/// Encodes the delivery in the count: without express delivery it is 1.
async fn ordered(Form(filled): Form<Filled>) -> Form<Order> {
    let count = if filled.express == Some(true) {
        filled.count
    } else {
        1
    };
    Form(Order {
        sku: filled.sku,
        count,
    })
}

fn shop() -> Router {
    let keeper = Identity::new("client", "bot", "en", "Shopkeeper");
    let keeper = Router::new()
        .message(async |Body(text): Body| text)
        .receipts()
        .identity(keeper);
    let shelves = (0..SHELVES).map(|number| DiscoItem {
        node: Some(format!("shelf-{number}")),
        name: Some(format!("Shelf {number}")),
        ..DiscoItem::default()
    });
    let router = Router::new()
        .adhoc(Commands::new().add(order()))
        .message_with(
            ("urn:xmpp:json:0", "json"),
            async |Json(order): Json<Order>| {
                Json(Order {
                    count: order.count * 2,
                    ..order
                })
            },
        )
        .at("keeper", keeper);
    shelves.fold(router, Router::item)
}

async fn slixmpp_plugins_work(server: Server) {
    let card = VCard::new()
        .name("Shopkeeper")
        .description("Sells tea")
        .photo(PHOTO.to_vec())
        .unwrap();
    let cards = VCardModule::new()
        .domain(VCard::new().name("The shop"))
        .bot("keeper", card)
        .unwrap();
    let availability = Availability::online().status("open");
    let roster = Roster::builder(MemoryStore::new())
        .availability(availability)
        .extension(cards.clone())
        .build();
    let component = Component::builder(SHOP)
        .server(server.component_address())
        .secret(SECRET)
        .router(shop())
        .module(Basics::new("a shop", "1.2.3"))
        .module(cards)
        .module(roster)
        .build()
        .unwrap();
    let mut status = component.status();
    tokio::spawn(component.run());
    status.wait_for(Status::is_ready).await.unwrap();

    let address = server.client_address();
    let (host, port) = address.rsplit_once(':').unwrap();
    let mut command = Command::new(interpreter());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("python/plugins.py"));
    command.args([host, port, "alice@localhost", "alice-pw", SHOP]);
    let output = Output::default();
    let mut asker = Process::start("plugins.py", command, &output);
    let ended = asker.end(Duration::from_secs(120)).await;
    assert!(ended.success(), "{ended}\n{}", output.tail());
    eprintln!(
        "slixmpp's plugins on {:?}: {}",
        server.kind(),
        output.lines().join(", ")
    );
}
on_both!(slixmpp_plugins_work, setup_for(&[SHOP]));
