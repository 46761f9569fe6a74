//! NATS JetStream between bridge and bots: a broker that several of each share.
//!
//! | subject | what is on it | who takes it |
//! |---|---|---|
//! | `PREFIX.in.BOT.KIND.TYPE` | each message, and presence for those who ask for it, as JSON | the bot, or the bridge for its webhook |
//! | `PREFIX.out.BOT` | what a bot sends, as JSON | one of the bridges |
//! | `PREFIX.iq.BOT` | IQ requests, by request and reply, not kept | the bot |
//! | `PREFIX.refused.BOT` | why something on `out` was not sent, not kept | whoever listens |
//! | `PREFIX.answer.INSTANCE` | an answer that came out at another bridge on the same JID, as XML, not kept | the bridge that asked |
//!
//! `in` and `out` are streams with the retention of a work queue, and are acknowledged one by one:
//! what is not done by somebody who died is done by another. `Nats-Msg-Id` is the same each time.

#[cfg(feature = "nats")]
mod broker;
#[cfg(not(feature = "nats"))]
mod disabled;
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
pub(crate) use self::peer_responses::PeerResponses;
