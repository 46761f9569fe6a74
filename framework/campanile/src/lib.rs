//! External components for XMPP servers ([XEP-0114](https://xmpp.org/extensions/xep-0114.html)), on
//! [tower](https://docs.rs/tower).
//!
//! A component holds one authenticated stream to an XMPP server, is mounted on a domain such as
//! `bot.example.org`, and is sent every stanza for an address in that domain. This crate connects
//! it, keeps it connected, and brings each stanza to the handler that wants it.
//!
//! 1. [A component](#a-component) · 2. [Handlers](#handlers) · 3. [Routes](#routes) · 4.
//!    [Errors](#errors) ·
//! 5. [Order, bounds, backpressure](#order-bounds-backpressure) · 6. [Sending](#sending) · 7.
//!    [Layers](#layers) ·
//! 8. [Modules](#modules) · 9. [Usual duties](#usual-duties) · 10. [Features](#features)
//!
//! # A component
//!
//! ```no_run
//! use campanile::component::Component;
//! use campanile::extract::{Body, Sender};
//! use campanile::router::Router;
//!
//! async fn greet(Sender(who): Sender, Body(body): Body) -> String {
//!     format!("{who}, you said: {body}")
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let bot = Component::builder("bot.localhost")
//!         .server("127.0.0.1:5347")
//!         .secret(std::env::var("BOT_SECRET")?)
//!         .router(Router::new().message(greet))
//!         .build()?;
//!     Ok(bot.run().await?)
//! }
//! ```
//!
//! [`run_until`](component::Component::run_until) connects, and connects again when the link is
//! lost, with waits that fit the cause. When it is told to stop, it refuses what is new, finishes
//! what was begun, and closes the stream.
//!
//! # Handlers
//!
//! A [handler] is an async function. Its arguments are [extractors](extract), in any order: who
//! sent the stanza, its body, a payload as a Rust type, shared state. What it returns [becomes the
//! reply](reply::IntoReply): nothing, text, a payload, several stanzas, or a promise to answer
//! [later](reply::Deferred). Addresses and ids are not its business.
//!
//! ```
//! use campanile::extract::{Payload, Sender};
//! use campanile::router::Router;
//! use xso::{AsXml, FromXml}; // cargo add xso --features macros
//!
//! #[derive(FromXml)]
//! #[xml(namespace = "urn:example:shelf", name = "order")]
//! struct Order {
//!     #[xml(attribute)]
//!     count: u32,
//! }
//!
//! #[derive(AsXml)]
//! #[xml(namespace = "urn:example:shelf", name = "receipt")]
//! struct Receipt {
//!     #[xml(attribute)]
//!     total: u32,
//! }
//!
//! async fn order(Sender(who): Sender, Payload(order): Payload<Order>) -> Payload<Receipt> {
//!     println!("{who} orders {}", order.count);
//!     Payload(Receipt { total: order.count * 7 })
//! }
//!
//! let router: Router = Router::new().iq_set(("urn:example:shelf", "order"), order);
//! ```
//!
//! → [`guide::extractors`]
//!
//! # Routes
//!
//! The [`Router`](router::Router) finds one handler for each stanza, by its kind and type, by the
//! names of its payloads and by its recipient. What is routed is what [service discovery](disco)
//! tells the world.
//!
//! ```
//! use campanile::extract::{Args, Localpart};
//! use campanile::router::Router;
//!
//! async fn weather(Args(city): Args<String>) -> String {
//!     format!("rain in {city}")
//! }
//!
//! async fn state(Localpart(order): Localpart<u32>) -> String {
//!     format!("order {order} is on its way")
//! }
//!
//! let router: Router = Router::new()
//!     .chat_command(("!weather {city}", "The weather in a city"), weather)
//!     .at("order-{id}", Router::new().message(state));
//! ```
//!
//! → [`guide::routing`]; what people fill in and run from a menu: [`form`], [`adhoc`]
//!
//! # Errors
//!
//! Any error can be returned with `?`. A [`StanzaError`](error::StanzaError) anywhere in its chain
//! is what the peer is told; all else becomes internal-server-error and a line in the log, and its
//! text stays here.
//!
//! → [`guide::errors`]
//!
//! # Order, bounds, backpressure
//!
//! Stanzas from one bare JID to another are handled one after the other, in the order in which they
//! came; all else at the same time. Nothing grows without [bound](limits::Limits), and what a bound
//! turns away is answered, [counted](metrics) and logged. One sender holds at most a quarter of
//! anything.
//!
//! → [`guide::order`]
//!
//! # Sending
//!
//! A [`Client`](client::Client), also an extractor, sends messages and presence and makes IQ
//! requests. An answer counts only when it comes from the address that was asked. What must not be
//! lost is sent by [`send_confirmed`](client::Client::send_confirmed), which waits until the server
//! has taken it. What is often asked of others, from their version to their archive, is a method
//! that returns [plain types](request).
//!
//! # Layers
//!
//! Every level is a `tower::Service<Inbound, Response = Reply, Error = BoxError>`: a route, a
//! router, the whole component. Every layer of tower fits anywhere, and [`layer`] has some of our
//! own. What a component sends passes the layers of [`outbound`](component::ComponentBuilder::outbound),
//! answers, messages and requests alike.
//!
//! → [`guide::layers`]
//!
//! # Modules
//!
//! A [`Module`](module::Module) is routes with a life cycle: how ready-made components are mounted
//! in one line, and how a configuration [chooses](module::Catalog) among them.
//!
//! → [`guide::modules`]
//!
//! # Usual duties
//!
//! | duty | |
//! |---|---|
//! | disco and ping are answered | [without being asked for](defaults) |
//! | forms of fields that people fill in | [`form`] |
//! | commands in a menu of the client, and written in a chat | [`adhoc`] |
//! | presence and subscriptions of the component and its bots | [`presence`] |
//! | their vCards and photos | [`vcard`] |
//! | long lists a page at a time | [`paging`] |
//! | payloads that everybody needs, receipts | [`payload`], [`ReceiptsLayer`](receipts::ReceiptsLayer) |
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `tls` | direct TLS to the server, by rustls on ring |
//! | `tokio-xmpp` | conversions to and from `tokio_xmpp::Stanza` |
//!
//! None is on by default.

pub mod client;
pub mod component;
pub mod connection;
pub mod dispatch;
pub mod error;
pub mod extract;
pub mod guide;
pub mod handler;
pub mod inbound;
pub mod layer;
pub mod limits;
pub mod metrics;
pub mod module;
pub mod reply;
pub mod router;
mod slow_handlers;
#[cfg(test)]
mod test_util;
mod throttle;
mod xep;

pub use campanile_stanza::{payload, stanza};

pub use crate::xep::{
    adhoc, caps, defaults, disco, form, paging, presence, receipts, request, vcard,
};
pub use {bytes, jid, minidom, serde_json, tower_layer, tower_service, xmpp_parsers, xso};
