//! A JSON bridge: XMPP bots in any language, over HTTP or NATS.
//!
//! A bot is an XMPP address, such as `helpdesk@bridge.example.org`. The bridge converts each
//! stanza sent to it into JSON and delivers it to a web handler:
//!
//! - **Webhooks.** A message is written to a durable outbox, then posted to the bot's webhook as
//!   one signed request (Standard Webhooks) and retried until the webhook accepts it. The response
//!   may contain replies. IQ requests are posted once.
//! - **HTTP API.** Programs send messages, presence and IQ requests, and read everything that is
//!   sent to bots as a stream of events.
//! - **NATS JetStream** (feature `nats`). A broker replaces the outbox for inbound stanzas, so that
//!   several bridges and several bot processes can share the work.
//!
//! `README.md` of this crate describes webhooks and the API for bot authors; `SCHEMA.md` describes
//! the JSON.
//!
//! | XEP | supported as |
//! |---|---|
//! | [0184] | delivery receipts, sent once the message is in the outbox |
//! | [0335], [0432] | JSON inside stanzas, passed on as JSON; datatypes advertised in disco |
//!
//! [0184]: https://xmpp.org/extensions/xep-0184.html
//! [0335]: https://xmpp.org/extensions/xep-0335.html
//! [0432]: https://xmpp.org/extensions/xep-0432.html
//!
//! # Example
//!
//! A bridge with one bot, to be mounted on a component as a module:
//!
//! ```
//! use campanile_json_bridge::{Bot, Bridge, Secret, Settings, Webhook};
//!
//! # fn example() -> Result<Bridge, String> {
//! let secret = Secret::new("whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0");
//! let helpdesk = Bot {
//!     localpart: Some("helpdesk".into()),
//!     webhook: Some(Webhook::new("http://127.0.0.1:8080/hook", [secret])?),
//!     ..Bot::default()
//! };
//! Ok(Bridge::new(Settings {
//!     bots: vec![helpdesk],
//!     outbox: Some("outbox.db".into()),
//!     ..Settings::default()
//! }))
//! # }
//! ```

mod api;
mod bot_identity;
mod bridge;
mod clock;
mod events;
mod exposition;
#[doc(hidden)]
pub mod fuzzing;
#[doc(hidden)]
pub mod http;
mod id;
mod labels;
pub mod mapping;
mod metrics;
mod nats;
mod outbox;
mod permissions;
mod quota;
mod secret;
mod settings;
mod state;
mod to_server;
mod to_webhook;
mod webhook;

pub use self::bridge::Bridge;
pub use self::metrics::BridgeMetrics;
pub use self::outbox::{Admin, Undelivered};
pub use self::secret::Secret;
pub use self::settings::{Api, Bot, Grant, Login, Nats, Settings};
pub use self::webhook::Webhook;
