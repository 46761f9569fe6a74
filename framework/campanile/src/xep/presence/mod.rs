//! Presence of the component and its bots: subscriptions and probes (RFC 6121).
//!
//! Servers keep rosters for their users only, so a component must do this work for its own
//! addresses. A [`Roster`] stores the subscriptions, answers probes, and announces when the
//! addresses go online and offline. With it, users can add a bot to their contact list and see its
//! status.
//!
//! ```
//! use campanile::component::Component;
//! use campanile::presence::{Availability, MemoryStore, Roster};
//! use campanile::router::Router;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let bot = Router::new().message(async || "hello");
//! let roster = Roster::builder(MemoryStore::new())
//!     .availability(Availability::online().status("at work"))
//!     .build();
//! let component = Component::builder("bot.example.org")
//!     .server("127.0.0.1:5347")
//!     .secret("secret")
//!     .router(Router::new().at("greeter", bot))
//!     .module(roster.clone())
//!     .build()?;
//! // While the component runs:
//! // roster.set(&"greeter@bot.example.org".parse()?, Availability::offline()).await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What is sent
//!
//! A *subscriber* is a peer that may see the presence of an address.
//!
//! | event | presence sent |
//! |---|---|
//! | a peer subscribes to an existing address | `subscribed` and the current presence, if the [`Policy`] accepts |
//! | a peer subscribes to an address that does not exist | `unsubscribed` |
//! | a peer unsubscribes | `unavailable` |
//! | a server probes | the current presence, or `unsubscribed` if not subscribed |
//! | the stream has been open for 5 s ([`settle`]) | presence to subscribers, probes to contacts |
//! | [`Roster::set`] | the new presence to all subscribers of the address |
//! | the component stops | `unavailable` to all subscribers |
//!
//! A peer that is subscribed already gets the same two stanzas, without a decision of the policy.
//! Presence to all subscribers and probes to all contacts are sent at 200 per second, with jitter
//! ([`per_second`]). `unavailable` is not sent while [another
//! process](crate::client::Client::has_peers) serves the JID.
//!
//! Presence of online addresses includes the hash of their [service discovery](crate::disco)
//! information (XEP-0115), and the output of any [`PresenceExtension`], such as the hash of a
//! [photo](crate::vcard).
//!
//! If a peer returns presence as an error, no more presence is sent to it until it subscribes or
//! probes again.
//!
//! # Storage and limits
//!
//! Subscriptions are kept in a [`SubscriptionStore`], which several processes can share. Their
//! number is limited per peer and per domain ([`SubscriptionLimits`]). Requests beyond a limit are
//! answered with `unsubscribed`, counted ([`Roster::refused`],
//! [`subscriptions_refused`](crate::metrics::Counters::subscriptions_refused)) and logged.
//!
//! Presence of contacts is routed to handlers like any other presence stanza. Pre-approval of
//! subscriptions (RFC 6121 §3.4), which is optional, is not supported.
//!
//! [`settle`]: RosterBuilder::settle
//! [`per_second`]: RosterBuilder::per_second

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
pub use self::subscription::{HalfState, Subscription};
use crate::stanza::{Stanza, WriteError};

/// Extends the presence of the component's addresses, for example with the hash of a photo.
///
/// Register it with [`RosterBuilder::extension`]. It is applied to presence of online addresses
/// only.
pub trait PresenceExtension: Send + Sync + 'static {
    /// Returns the presence with child elements added.
    ///
    /// # Errors
    /// If a child cannot be serialized as XML.
    fn extend(&self, own: &BareJid, presence: Stanza) -> Result<Stanza, WriteError>;
}
