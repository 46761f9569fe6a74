//! Bots in any language: stanzas as JSON over HTTP, and back.
//!
//! A message to a bot is stored, then sent to its webhook as one signed POST, again and again until
//! the webhook has taken it; the answer may carry replies. Programs send and ask by the HTTP side,
//! and read what bots are sent as a stream of events.
//!
//! | XEP | |
//! |---|---|
//! | [0184](https://xmpp.org/extensions/xep-0184.html) | receipts, once the outbox holds the message |
//! | [0335](https://xmpp.org/extensions/xep-0335.html), [0432](https://xmpp.org/extensions/xep-0432.html) | JSON within stanzas as JSON; datatypes in disco |
//!
//! ```
//! use campanile_json_bridge::{Bot, Bridge, Secret, Settings, Webhook};
//!
//! # fn example() -> Result<Bridge, String> {
//! let webhook = Webhook::new("http://127.0.0.1:8080/hook", [Secret::new("whsec_c2VjcmV0c2VjcmV0c2VjcmV0")])?;
//! let helpdesk = Bot { localpart: Some("helpdesk".into()), webhook: Some(webhook), ..Bot::default() };
//! Ok(Bridge::new(Settings { bots: vec![helpdesk], outbox: Some("outbox.db".into()), ..Settings::default() }))
//! # }
//! ```

mod api;
mod bot_identity;
mod bridge;
mod clock;
mod events;
mod exposition;
mod id;
pub mod mapping;
mod metrics;
mod nats;
mod outbox;
mod permissions;
mod quota;
mod secret;
mod settings;
mod to_server;
mod to_webhook;
mod webhook;

pub use self::bridge::Bridge;
pub use self::metrics::BridgeMetrics;
pub use self::outbox::{Admin, Undelivered};
pub use self::secret::Secret;
pub use self::settings::{Api, Bot, Grant, Login, Nats, Settings};
pub use self::webhook::Webhook;
