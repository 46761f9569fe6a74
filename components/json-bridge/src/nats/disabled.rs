//! The stub that replaces the broker without the feature `nats`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use campanile::client::Client;
use campanile::error::BoxError;
use campanile::stanza::Stanza;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::PeerResponses;
use crate::settings::{Bot, Nats};
use crate::to_webhook::Delivery;
use crate::webhook::Outcome;

/// A broker that cannot exist.
pub(crate) enum Broker {}

impl Broker {
    #[allow(clippy::unused_async, reason = "same signature as the real broker")]
    pub(crate) async fn start(
        _nats: &Nats,
        _bots: &[Bot],
        _delivery: &Arc<Delivery>,
        _whose: (&Client, &Arc<PeerResponses>),
        _tasks: &mut JoinSet<()>,
    ) -> Result<Self, BoxError> {
        Err("this program was built without NATS; rebuild it with the feature `nats`".into())
    }

    pub(crate) fn publish(
        &self,
        _bot: &str,
        _stanza: &Stanza,
        _json: String,
    ) -> Option<oneshot::Receiver<()>> {
        match *self {}
    }

    #[allow(clippy::unused_async, reason = "same signature as the real broker")]
    pub(crate) async fn ask(&self, _bot: &str, _body: Bytes, _within: Duration) -> Outcome {
        match *self {}
    }
}
