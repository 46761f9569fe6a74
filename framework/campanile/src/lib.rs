//! Campanile is a framework for external components of XMPP servers
//! ([XEP-0114](https://xmpp.org/extensions/xep-0114.html)), built on
//! [tower](https://docs.rs/tower) and [tokio](https://docs.rs/tokio).
//!
//! # Concepts
//!
//! An XMPP server exchanges *stanzas*: messages, presence, and IQ requests with their responses. An
//! *external component* is a program that connects to the server over one authenticated TCP stream
//! and owns a domain such as `bot.example.org`. The server forwards every stanza that is addressed
//! to this domain, or to any address in it, to the component. The component needs no accounts, and
//! the server needs no plug-in.
//!
//! Components are the right tool for bots with many addresses, gateways, and services that other
//! programs talk to. If you need a single bot with a normal account, use a client library such as
//! [`tokio-xmpp`](https://docs.rs/tokio-xmpp) instead.
//!
//! This crate connects the component, keeps it connected, and calls the right handler for each
//! stanza. If you know [axum](https://docs.rs/axum), you know most of it:
//!
//! | axum | this crate |
//! |---|---|
//! | request | [`Inbound`]: a stanza |
//! | response | [`Reply`](reply::Reply) |
//! | method and path | kind, payload and recipient |
//! | `FromRequest` | [`FromInbound`](extract::FromInbound) |
//! | `IntoResponse` | [`IntoReply`](reply::IntoReply) |
//! | `Router::nest` | [`Router::at`](router::Router::at) |
//! | `axum::serve` | [`Component::run_until`](component::Component::run_until) |
//!
//! # Getting started
//!
//! Create a program and add its dependencies:
//!
//! ```text
//! cargo new greeter && cd greeter
//! cargo add campanile
//! cargo add tokio --features macros,rt-multi-thread
//! cargo add tracing-subscriber
//! ```
//!
//! This component replies to every chat message:
//!
//! ```no_run
//! use campanile::extract::{Body, Sender};
//! use campanile::{Component, Router, shutdown_signal};
//!
//! async fn greet(Sender(sender): Sender, Body(body): Body) -> String {
//!     format!("{sender}, you said: {body}")
//! }
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Prints log lines, such as failed connection attempts.
//!     tracing_subscriber::fmt::init();
//!
//!     let bot = Component::builder("bot.localhost")
//!         .server("127.0.0.1:5347")
//!         .secret(std::env::var("BOT_SECRET")?)
//!         .router(Router::new().message(greet))
//!         .build()?;
//!     Ok(bot.run_until(shutdown_signal()).await?)
//! }
//! ```
//!
//! The server needs the domain, the port and the same secret. For Prosody:
//!
//! ```lua
//! component_ports = { 5347 }
//!
//! Component "bot.localhost"
//!     component_secret = "change me"
//! ```
//!
//! Start the component with `BOT_SECRET="change me" cargo run`, and send a chat message to
//! `bot.localhost` from any account of the server. If the server is down or rejects the component,
//! the log says why. To try a component without a server, see [Testing](#testing).
//!
//! [`run_until`](component::Component::run_until) reconnects after a lost connection, with delays
//! that depend on the cause. When its argument completes, in this case on Ctrl+C or SIGTERM, it
//! shuts down gracefully: it rejects new requests, waits for running handlers
//! ([`Limits::shutdown_grace`](limits::Limits::shutdown_grace), 10 s by default), and closes the
//! stream.
//!
//! The root of the crate re-exports the types that most programs name: [`Component`], [`Router`],
//! [`Client`], [`Inbound`], [`Stanza`], [`StanzaError`], [`Condition`], [`BoxError`] and
//! [`Limits`].
//!
//! # Handlers
//!
//! A [handler] is an async function that is called for each matching stanza. Its arguments are
//! *extractors*, and its return value becomes the reply:
//!
//! ```
//! use campanile::extract::{Payload, Sender};
//! use campanile::router::Router;
//!
//! #[derive(Payload)]
//! #[xml(namespace = "urn:example:shelf", name = "order")]
//! struct Order {
//!     #[xml(attribute)]
//!     count: u32,
//! }
//!
//! #[derive(Payload)]
//! #[xml(namespace = "urn:example:shelf", name = "receipt")]
//! struct Receipt {
//!     #[xml(attribute)]
//!     total: u32,
//! }
//!
//! async fn order(Sender(sender): Sender, Payload(order): Payload<Order>) -> Payload<Receipt> {
//!     println!("{sender} orders {}", order.count);
//!     Payload(Receipt { total: order.count * 7 })
//! }
//!
//! let router: Router = Router::new().iq_set(("urn:example:shelf", "order"), order);
//! ```
//!
//! Handlers do not deal with addresses and ids: the framework adds them to each reply. If the
//! compiler does not accept a function as a handler, see [`guide::compiler_errors`].
//!
//! # Extractors
//!
//! An extractor is an argument type that implements [`FromInbound`](extract::FromInbound). It takes
//! one part of the stanza, checks it, and converts it to a Rust type. If it fails, the handler is
//! not called and the sender receives an error. Commonly used extractors are:
//!
//! ```
//! use campanile::client::Client;
//! use campanile::extract::{Args, Body, Json, Payload, Recipient, Sender, State};
//! use campanile::inbound::Inbound;
//! use campanile::router::Router;
//! use campanile::xmpp_parsers::ping::Ping;
//!
//! // The addresses of the stanza.
//! async fn addresses(Sender(from): Sender, Recipient(to): Recipient) {}
//!
//! // The text of a message. `Option` makes an extractor optional.
//! async fn text(body: Option<Body>) {}
//!
//! // A child element as a typed struct.
//! async fn payload(Payload(ping): Payload<Ping>) {}
//!
//! // JSON in an XEP-0335 container.
//! async fn json(Json(value): Json<serde_json::Value>) {}
//!
//! // The arguments of a text command such as `!weather Rome 3`.
//! async fn args(Args((city, days)): Args<(String, u8)>) {}
//!
//! // Shared state, and the handle for sending.
//! async fn shared(State(name): State<&'static str>, client: Client) {}
//!
//! // The whole stanza.
//! async fn whole(inbound: Inbound) {}
//! # let _: Router<&'static str> = Router::new()
//! #     .iq_get("urn:a", addresses).iq_get("urn:b", text).iq_get("urn:c", payload)
//! #     .iq_get("urn:d", json).chat_command("!weather {city} {days}", args)
//! #     .iq_get("urn:e", shared).iq_get("urn:f", whole);
//! ```
//!
//! See [`extract`] for all extractors, and [`guide::extractors`] for how to write your own.
//!
//! # Replies
//!
//! A handler can return any type that implements [`IntoReply`](reply::IntoReply):
//!
//! ```
//! use campanile::error::{Condition, StanzaError};
//! use campanile::extract::Payload;
//! use campanile::router::Router;
//! use campanile::xmpp_parsers::ping::Ping;
//!
//! // No reply to a message; an empty result to an IQ request.
//! async fn nothing() {}
//!
//! // A message with this body.
//! async fn text() -> String {
//!     "hello".to_owned()
//! }
//!
//! // A payload.
//! async fn payload() -> Payload<Ping> {
//!     Payload(Ping)
//! }
//!
//! // Either a value or an error.
//! async fn fallible() -> Result<&'static str, StanzaError> {
//!     Err(StanzaError::new(Condition::ItemNotFound).with_text("no such item"))
//! }
//!
//! // Several messages.
//! async fn several() -> Vec<String> {
//!     vec!["one".to_owned(), "two".to_owned()]
//! }
//! # let _: Router = Router::new()
//! #     .iq_get("urn:a", nothing).message(text).iq_get("urn:b", payload)
//! #     .iq_get("urn:c", fallible).chat_command("!count", several);
//! ```
//!
//! A handler that cannot answer yet returns a [`Deferred`](reply::Deferred), which ends the
//! handler at once; the reply follows when it is available. See [`guide::order`].
//!
//! # Routing
//!
//! A [`Router`] selects exactly one handler for each stanza, by its kind and type,
//! the names of its payloads, and its recipient:
//!
//! ```
//! use campanile::extract::{Args, Localpart};
//! use campanile::router::Router;
//!
//! async fn weather(Args(city): Args<String>) -> String {
//!     format!("Rain in {city}.")
//! }
//!
//! async fn order_status(Localpart(order): Localpart<u32>) -> String {
//!     format!("Order {order} has been shipped.")
//! }
//!
//! let router: Router = Router::new()
//!     .chat_command(("!weather {city}", "The weather in a city"), weather)
//!     .at("order-{id}", Router::new().message(order_status));
//! ```
//!
//! Of several routes that match, the more specific one wins; the order of registration does not
//! matter. Two routes of equal precedence are rejected when the router is built. [Service
//! discovery](disco) is answered from the routes, so clients see what the component supports.
//!
//! See [`guide::routing`] for addresses, text commands, and service discovery.
//!
//! # State
//!
//! *State* is what handlers share: database pools, configuration, caches. Pass it to
//! [`Router::with_state`](router::Router::with_state), and extract it with
//! [`State`](extract::State):
//!
//! ```
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! use campanile::extract::State;
//! use campanile::router::Router;
//!
//! #[derive(Clone, Default)]
//! struct AppState {
//!     visits: Arc<AtomicU64>,
//! }
//!
//! async fn visit(State(state): State<AppState>) -> String {
//!     let visits = state.visits.fetch_add(1, Ordering::Relaxed) + 1;
//!     format!("You are visitor number {visits}.")
//! }
//!
//! let router: Router = Router::new().message(visit).with_state(AppState::default());
//! ```
//!
//! See [`guide::state`] for mutable state, parts of a state, and state per address.
//!
//! # Error handling
//!
//! Handlers can return any error with `?`. If the error, or any of its sources, is a
//! [`StanzaError`](error::StanzaError), the peer receives it. All other errors are logged, and
//! the peer receives internal-server-error without any text, so that no internal detail leaks.
//!
//! ```
//! use campanile::error::{BoxError, Condition, StanzaError};
//! use campanile::extract::Body;
//! use campanile::router::Router;
//!
//! async fn double(Body(text): Body) -> Result<String, BoxError> {
//!     let invalid = StanzaError::new(Condition::NotAcceptable).with_text("please send a number");
//!     let number: u32 = text.trim().parse().map_err(|_| invalid)?; // sent to the peer
//!     let double = number.checked_mul(2).ok_or("overflow")?; // logged; internal-server-error
//!     Ok(double.to_string())
//! }
//!
//! let router: Router = Router::new().message(double);
//! ```
//!
//! See [`guide::errors`] for the rules, and for errors that a component receives.
//!
//! # Ordering, limits and backpressure
//!
//! A *lane* consists of all stanzas from one bare JID to one bare JID. The stanzas of a lane are
//! handled one after the other, in the order in which they arrived. Different lanes run
//! concurrently, so a slow handler delays only the sender it works for.
//!
//! Every queue, map and set of tasks has a bound, listed in [`Limits`]. One sender
//! may use at most a quarter of the capacity, so a single flood does not block other users. A
//! stanza beyond a limit is rejected, [counted](metrics) and logged.
//!
//! *Backpressure* means that a slow consumer slows down its producer. It applies to what a
//! component sends: [`Client::send`](client::Client::send) waits while more than 1 MiB is waiting
//! to be written, and if the server does not read, the component stops reading from it as well.
//!
//! See [`guide::order`] for slow handlers, limits and overload.
//!
//! # Sending
//!
//! A [`Client`] sends messages, presence and IQ requests. Handlers extract it as an
//! argument; other parts of a program get it from
//! [`Component::client`](component::Component::client).
//!
//! ```
//! use campanile::client::Client;
//! use campanile::error::BoxError;
//! use campanile::extract::Sender;
//! use campanile::jid::Jid;
//! use campanile::router::Router;
//! use campanile::stanza::Stanza;
//!
//! async fn notify(Sender(sender): Sender, client: Client) -> Result<String, BoxError> {
//!     let text = format!("{sender} needs help");
//!     client.send(Stanza::chat("admin@example.org".parse::<Jid>()?, &text)?).await?;
//!     Ok(format!("Help is coming. You use {}.", client.version(sender).await?.name))
//! }
//!
//! let router: Router = Router::new().chat_command("!help-me", notify);
//! ```
//!
//! | method | use |
//! |---|---|
//! | [`send`] | messages and presence; returns once the stanza is written to the stream |
//! | [`send_confirmed`] | important stanzas; waits for the server, and sends again after a reconnect |
//! | [`iq_get`], [`iq_set`] | IQ requests with a typed response |
//! | [`request`] | methods for common requests: version, disco, archives, vCards, commands |
//!
//! See [`guide::sending`] for delivery guarantees, IQ requests and paged lists.
//!
//! [`send`]: client::Client::send
//! [`send_confirmed`]: client::Client::send_confirmed
//! [`iq_get`]: client::Client::iq_get
//! [`iq_set`]: client::Client::iq_set
//!
//! # Middleware
//!
//! *Middleware* is code that runs around handlers: logging, access control, rate limits, timeouts.
//! In tower, a middleware is a `Service` that wraps another one, and a `Layer` creates it. Routes,
//! routers and the whole stack of a component all are a `tower::Service<Inbound, Response = Reply,
//! Error = BoxError>`, so every tower layer fits around each of them.
//!
//! ```
//! use std::time::Duration;
//!
//! use campanile::layer::{AccessLayer, RateLayer, RateLimit};
//! use campanile::router::Router;
//! use tower::timeout::TimeoutLayer;
//!
//! # async fn report() -> &'static str { "done" }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let router: Router = Router::new()
//!     .chat_command("!report", report)
//!     .layer(TimeoutLayer::new(Duration::from_secs(10)))
//!     .layer(RateLayer::per_sender(RateLimit::new(20, Duration::from_secs(10))))
//!     .layer(AccessLayer::new().allow("example.org".parse()?));
//! # Ok(())
//! # }
//! ```
//!
//! | scope | method |
//! |---|---|
//! | routes | [`Router::layer`](router::Router::layer) |
//! | a component | [`ComponentBuilder::layer`](component::ComponentBuilder::layer) |
//! | outbound stanzas | [`ComponentBuilder::outbound`](component::ComponentBuilder::outbound) |
//! | requests of one client | [`Client::layer`](client::Client::layer) |
//!
//! See [`layer`] for the layers of this crate, and [`guide::layers`] for how to write your own.
//!
//! # Modules
//!
//! A [`Module`](module::Module) combines routes with a lifecycle: it can open a database before the
//! component connects, act when a stream opens, and save its data on shutdown. Use modules to
//! package a part of a component as a crate, which others add in one line, and to let a
//! configuration file [select](module::Catalog) which parts run.
//!
//! See [`guide::modules`] for the calls of a module, and for settings.
//!
//! # Testing
//!
//! With the crate `campanile-testing`, handlers and components are tested without a server. Stanzas
//! are written as XML, and time can be virtual:
//!
//! ```
//! use campanile::extract::Sender;
//! use campanile::router::Router;
//! use campanile_testing as testing;
//!
//! async fn greet(Sender(sender): Sender) -> String {
//!     format!("Hello {sender}")
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), campanile::error::BoxError> {
//! let bot = testing::mount("bot.localhost", |bot| bot.router(Router::new().message(greet))).await;
//! let alice = bot.user("alice@localhost");
//! alice.say("bot.localhost", "hi").await?;
//! alice.expect("<message type='chat'><body>Hello alice@localhost/home</body></message>").await;
//! # Ok(())
//! # }
//! ```
//!
//! See the [guide](https://docs.rs/campanile-testing/latest/campanile_testing/guide) of that crate.
//!
//! # Observability
//!
//! The crate emits [tracing](https://docs.rs/tracing) events. Without a subscriber, a program that
//! cannot reach its server prints nothing, so install one first thing in `main`.
//! [`TraceLayer`](layer::TraceLayer) adds a span for each stanza,
//! [`MetricsLayer`](layer::MetricsLayer) measures handlers, and
//! [`Component::metrics`](component::Component::metrics) returns counters that can be exported to
//! Prometheus. [`Component::status`](component::Component::status) reports whether the component is
//! connected and ready.
//!
//! # Protocol support
//!
//! | protocol | |
//! |---|---|
//! | service discovery (XEP-0030) and ping (XEP-0199) | answered [by default](router::Router::with_defaults) |
//! | data forms (XEP-0004): forms for users to fill in | [`form`] |
//! | chat rooms (XEP-0045) as a participant, with XEP-0249, XEP-0410 and XEP-0421 | [`muc`] |
//! | ad-hoc commands (XEP-0050): commands in a menu of the client, or in a chat | [`adhoc`] |
//! | presence and subscriptions (RFC 6121) of the component and its bots | [`presence`] |
//! | entity capabilities (XEP-0115) | [`caps`], sent by [`presence`] |
//! | vCards and photos (XEP-0054, XEP-0153) | [`vcard`] |
//! | paged lists (XEP-0059) | [`paging`] |
//! | delivery receipts (XEP-0184) | [`ReceiptsLayer`](receipts::ReceiptsLayer) |
//! | JSON containers (XEP-0335) | [`Json`](extract::Json) |
//! | JSON messages (XEP-0432) | [`JsonMessage`](extract::JsonMessage) |
//! | common payload types | [`payload`] |
//!
//! # Required dependencies
//!
//! Programs need `tokio` with the features `macros` and `rt-multi-thread`. Depending on what they
//! use, also:
//!
//! | dependency | needed for |
//! |---|---|
//! | `xso`, feature `macros` | payload types that `#[derive(Payload)]` does not cover, such as enums |
//! | `serde`, feature `derive` | forms and JSON as structs |
//! | `tower` | its layers, such as timeouts and concurrency limits |
//! | `async-trait` | implementing [`Module`](module::Module) and the store traits |
//! | `tracing-subscriber` | log output |
//!
//! The crates that appear in the public API are re-exported, so that a program can use the same
//! versions: `campanile::jid`, `campanile::xmpp_parsers` and others, see
//! [Re-exports](#reexports).
//!
//! Release builds spend much of their time on `xmpp-parsers`, of which a component uses a few
//! types. To optimize it less, add to the `Cargo.toml` of your program or workspace, since profiles
//! of dependencies have no effect:
//!
//! ```toml
//! [profile.release.package.xmpp-parsers]
//! opt-level = 1
//! debug = false
//! ```
//!
//! # Examples
//!
//! The [repository](https://example.org/campanile) has complete programs in `examples/`: a greeter,
//! a weather bot with text commands, a booking form in several steps, a bot with presence and a
//! vCard, JSON messages, and more.
//!
//! # Feature flags
//!
//! | feature | effect |
//! |---|---|
//! | `tls` | direct TLS to the server, with rustls on ring |
//! | `schema` | JSON Schemas of the settings types, with schemars |
//! | `tokio-xmpp` | conversions to and from `tokio_xmpp::Stanza` |
//!
//! No feature is enabled by default.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[doc(hidden)]
pub mod address;
pub mod client;
pub mod component;
pub mod connection;
#[doc(hidden)]
pub mod dispatch;
pub mod error;
pub mod extract;
pub mod guide;
pub mod handler;
pub mod inbound;
mod instances;
mod kinds;
pub mod layer;
pub mod limits;
pub mod metrics;
pub mod module;
pub mod reply;
mod reply_future;
pub mod router;
pub mod settings;
mod shutdown;
mod slow_handlers;
pub mod supervise;
#[cfg(test)]
mod test_util;
mod throttle;
mod xep;

pub use campanile_stanza::{payload, stanza, xml};

pub use crate::shutdown::shutdown_signal;
// The types that most programs name, so that one `use` brings them.
#[doc(no_inline)]
pub use crate::{
    client::Client,
    component::Component,
    error::{BoxError, Condition, StanzaError},
    inbound::Inbound,
    limits::Limits,
    router::Router,
    stanza::Stanza,
};

pub use crate::xep::{adhoc, caps, disco, form, muc, paging, presence, receipts, request, vcard};
pub use {bytes, jid, minidom, serde_json, tower_layer, tower_service, xmpp_parsers, xso};
