//! Presence of the component and its bots: subscriptions (RFC 6121), probes, and who is told what
//! when.
//!
//! A server keeps rosters for its users and for nobody else. What it does for them, a component
//! does for its own addresses: it remembers who may see whom, answers probes, and says by itself
//! that it is there and that it is gone.
//!
//! ```
//! use campanile::component::Component;
//! use campanile::presence::{Availability, MemoryStore, Roster};
//! use campanile::router::Router;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bot = Router::new().message(async || "hello");
//! let roster = Roster::builder(MemoryStore::new()).availability(Availability::online().status("at work")).build();
//! let component = Component::builder("bot.example.org")
//!     .server("127.0.0.1:5347")
//!     .secret("secret")
//!     .router(Router::new().at("greeter", bot))
//!     .module(roster.clone())
//!     .build()?;
//! // While it runs: roster.set(&"greeter@bot.example.org".parse()?, Availability::offline()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | when | what is sent |
//! |---|---|
//! | a peer subscribes to an address that is there | `subscribed` and presence, as the [`Policy`] says; who sees us already is told so again |
//! | to one that is not | `unsubscribed` |
//! | a peer unsubscribes | `unavailable` |
//! | a server probes | presence, or `unsubscribed` to who may not see it |
//! | a stream has been open for five seconds | presence to all who see us, probes to all whom we see, 200 a second with jitter |
//! | [`Roster::set`] | the new presence to all who see that address, at the same pace |
//! | the component stops | `unavailable` to all who see us, unless [another process](crate::client::Client::has_peers) goes on |
//!
//! Presence of who is online carries the hash of what [disco](crate::disco) says about that very
//! address (XEP-0115), and whatever else [adorns](Adorn) it, such as the hash of a
//! [photo](crate::vcard).
//!
//! Who sends our presence back as an error is sent no more of it until it subscribes or probes
//! again.
//!
//! Subscriptions are kept in a [`SubscriptionStore`], which several processes may share, and
//! bounded by peer and by domain ([`SubscriptionLimits`]): what does not fit is answered `unsubscribed`,
//! counted ([`Roster::refused`],
//! [`subscriptions_refused`](crate::metrics::Counters::subscriptions_refused)) and logged. Presence of
//! peers that we see is routed to handlers as any other. Pre-approval (RFC 6121 §3.4), which is
//! optional, is not done.

mod availability;
mod bounced_peers;
mod inbound;
mod memory;
mod module;
mod pacing;
mod policy;
mod roster;
mod scan;
mod store;
mod subscription;

use jid::BareJid;

pub use self::availability::Availability;
pub use self::memory::MemoryStore;
pub use self::policy::{Decision, Directory, Policy, SubscriptionRequest};
pub use self::roster::{Roster, RosterBuilder};
pub use self::store::{
    CompareAndSwap, PutOutcome, SubscriptionKey, SubscriptionLimits, SubscriptionStore,
};
pub use self::subscription::{Change, HalfState, Subscription, Transition};
use crate::stanza::{Stanza, WriteError};

/// Adds something to the presence of an address of ours, such as the hash of its photo.
pub trait PresenceExtension: Send + Sync + 'static {
    /// Adds it.
    ///
    /// # Errors
    /// When it cannot be written as XML.
    fn extend(&self, own: &BareJid, presence: Stanza) -> Result<Stanza, WriteError>;
}
