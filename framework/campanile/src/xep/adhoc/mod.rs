//! Ad-hoc commands (XEP-0050): forms and actions that users run from a menu of their client.
//!
//! Use them for anything that needs more than one value from a user: an order, a booking, a
//! configuration dialog. Clients list the commands, show each step as a form and send back what was
//! filled in. The framework keeps the session between two steps.
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
//!     format!("ordered: {} × {}", order.count, order.sku)
//! }
//!
//! let form = Definition::of::<Order>().title("An order").edit("sku", |field| field.label("Article"));
//! let commands = Commands::new()
//!     .add(Command::new("order", "Order something", order).form(form))
//!     .add(Command::new("stop", "Close the shop", async || "The shop is closed.").allow(["admin@example.org"]));
//! let router: Router = Router::new().adhoc(commands);
//! ```
//!
//! A [`Command`] consists of any number of steps and one final handler that does the work. Each
//! step is a form: either fixed ([`Command::form`]) or built by a handler from the values entered
//! so far ([`Command::step`]). All of these functions are ordinary [handlers](crate::handler).
//!
//! [`Commands::chat`] makes the same commands available in a chat, for clients without form
//! support. The words after the command become the values of its fields: `!order abc 3`. The result
//! is rendered as text.
//!
//! # Errors
//!
//! | request | reply |
//! |---|---|
//! | sender is not permitted to run the command | forbidden |
//! | unknown node | item-not-found |
//! | unknown action | bad-request with malformed-action |
//! | action that is not allowed at this step | bad-request with bad-action |
//! | unknown session, or the session of another user | bad-request with bad-sessionid |
//! | session that is completed, canceled or timed out | not-allowed with session-expired |
//! | form that violates its definition, or for which a handler returns a [`FormError`](crate::form::FormError) | bad-request with bad-payload and the name of the field; the step can be repeated |
//! | too many sessions | resource-constraint of type wait; counted ([`sessions_refused`](crate::metrics::Counters::sessions_refused)) |
//!
//! Errors within a session repeat the node and the session id, so that a client can tell which
//! session an error belongs to.
//!
//! # Actions
//!
//! The last step completes the command. Earlier steps can complete it if they are marked with
//! [`Command::allow_complete`]. The action `execute`, which clients send when the user has not
//! chosen one, moves on to the next step.
//!
//! # Sessions
//!
//! A session is bound to the full JID that started it, the address it was started at, and the node
//! of the command. It expires when it waits too long for its next step ([`Commands::timeout`]).
//!
//! When [several processes](crate::client::Client::has_peers) serve one JID, each process keeps its
//! own sessions. A command with a single fixed form still works across processes, since its form
//! needs no stored state. For all other commands, configure a shared [`SessionStore`].

mod active_session;
mod chat;
mod commands;
mod definition;
mod fault;
mod flow;
mod output;
mod progress;
mod request;
mod serialize;
mod session;
mod session_backend;
mod step;

pub use self::commands::Commands;
pub use self::definition::Command;
pub use self::output::{CommandOutput, IntoCommandOutput};
pub use self::session::Sessions;
pub use self::step::IntoStep;
pub use crate::instances::{AcquireOutcome, BeginOutcome, SessionKey, SessionLimits, SessionStore};
