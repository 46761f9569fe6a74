//! Ad-hoc commands of the demo's components, one of them with a form.

use std::sync::Arc;

use campanile::adhoc::{Command, Commands};
use campanile::error::BoxError;
use campanile::form::{Definition, Form};
use campanile::module::Module;
use campanile::router::Router;
use serde::Deserialize;

pub(super) struct AdhocCommands;

#[derive(Deserialize)]
struct Order {
    article: String,
    count: u32,
}

async fn order(Form(order): Form<Order>) -> String {
    format!("{} × {} are on their way", order.count, order.article)
}

impl Module for AdhocCommands {
    fn name(&self) -> &'static str {
        "adhoc"
    }

    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        let form = Definition::of::<Order>()
            .title("An order")
            .edit("article", |field| field.label("Article"))
            .edit("count", |field| field.label("How many").value("1"));
        Ok(router.adhoc(
            Commands::new()
                .add(Command::new(
                    "about",
                    "What is this?",
                    async || "A Campanile component on an embedded server.",
                ))
                .add(Command::new("order", "Order something", order).form(form)),
        ))
    }
}
