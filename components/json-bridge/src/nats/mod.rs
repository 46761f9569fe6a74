//! NATS JetStream between bridges and bots, so that several processes of each can share the work.
//!
//! | subject | content | consumer |
//! |---|---|---|
//! | `PREFIX.in.BOT.KIND.TYPE` | messages and presence, as JSON | the bot, or the bridge for its webhook |
//! | `PREFIX.out.BOT` | stanzas to send, published by a bot as JSON | one of the bridges |
//! | `PREFIX.iq.BOT` | IQ requests, by request/reply; not stored | the bot |
//! | `PREFIX.refused.BOT` | why a message on `out` was rejected; not stored | any subscriber |
//! | `PREFIX.answer.INSTANCE` | IQ responses, as XML; not stored | the bridge that sent the request |
//!
//! Presence is published only for bots that enable it. `answer` forwards the IQ responses that
//! arrive at another bridge on the same JID. `in` and `out` are streams with work-queue retention.
//! Each message is acknowledged individually, and redelivered to another process if its consumer
//! dies. `Nats-Msg-Id` is the same on each delivery.

#[cfg(feature = "nats")]
mod broker;
#[cfg(not(feature = "nats"))]
mod disabled;
#[cfg(feature = "nats")]
mod durability;
#[cfg(feature = "nats")]
mod forward;
#[cfg(feature = "nats")]
mod in_progress;
#[cfg(feature = "nats")]
mod inbound;
#[cfg(feature = "nats")]
mod outbound;
mod peer_responses;
#[cfg(feature = "nats")]
mod publish;
#[cfg(feature = "nats")]
mod subject;

#[cfg(feature = "nats")]
pub(crate) use self::broker::Broker;
#[cfg(not(feature = "nats"))]
pub(crate) use self::disabled::Broker;
#[cfg(feature = "nats")]
pub(crate) use self::durability::remark;
pub(crate) use self::peer_responses::PeerResponses;
