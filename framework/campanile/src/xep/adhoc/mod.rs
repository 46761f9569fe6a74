//! Ad-hoc commands (XEP-0050): what people run from a menu of their client, step by step.
//!
//! ```
//! use campanile::adhoc::{Command, Commands};
//! use campanile::form::{Definition, Field, Form};
//! use campanile::router::Router;
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Order { sku: String, count: u32 }
//!
//! async fn order(Form(order): Form<Order>) -> String {
//!     format!("{} × {} are on their way", order.count, order.sku)
//! }
//!
//! let form = Definition::of::<Order>().title("An order").edit("sku", |field| field.label("Article"));
//! let commands = Commands::new()
//!     .add(Command::new("order", "Order something", order).form(form))
//!     .add(Command::new("stop", "Stop the shop", async || "It is closed.").allow(["admin@example.org"]));
//! let router: Router = Router::new().adhoc(commands);
//! ```
//!
//! A [`Command`] has any number of steps, each a form, fixed or made by a function from what was
//! filled in before, and one function that does the work in the end. All of them are
//! [handlers](crate::handler).
//!
//! [`Commands::chat`] lets people write the same commands in a chat, where the words behind a
//! command are its fields: `!order abc 3`. What is answered becomes text.
//!
//! | request | answer |
//! |---|---|
//! | of who may not run it | forbidden |
//! | an unknown node | item-not-found |
//! | an unknown action; one that is not allowed at this step | bad-request with malformed-action, bad-action |
//! | an unknown session, or somebody else's | bad-request with bad-sessionid |
//! | a session that is done, cancelled, timed out | not-allowed with session-expired |
//! | a form that breaks a rule, or that a function returns a [`FormError`](crate::form::FormError) for | bad-request with bad-payload and the name of the field; the step can be taken again |
//! | too many sessions | resource-constraint, to wait; counted ([`sessions_refused`](crate::metrics::Counters::sessions_refused)) |
//!
//! At its last step a command is completed; before it, where the definition says that what was
//! asked is [enough](Command::allow_complete). Otherwise `execute`, which clients send for want of a
//! choice, goes on to the next step.
//!
//! What is refused within a session repeats its node and its id, so that a client can tell which
//! one it is about.
//!
//! A session is good for the full JID that began it, at the address it was begun at. It ends when
//! it waits too long. Where [several processes](crate::client::Client::has_peers) are mounted on
//! one JID, each has sessions of its own, and a command with one form, always the same, goes on at
//! any of them; with a [`SessionStore`] every command does.

mod chat;
mod commands;
mod definition;
mod fault;
mod flow;
mod lease;
mod output;
mod request;
mod serialize;
mod session;
mod session_backend;
mod step;
mod store;

pub use self::commands::Commands;
pub use self::definition::Command;
pub use self::output::{CommandOutput, IntoCommandOutput};
pub use self::session::Sessions;
pub use self::step::IntoStep;
pub use self::store::{AcquireOutcome, BeginOutcome, SessionKey, SessionLimits, SessionStore};
