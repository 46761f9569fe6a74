//! A component with a single instance.

use std::sync::Arc;

use tokio::time::Instant;

use super::{Instances, PingPolicy, ResponseForwarder};
use crate::stanza::Stanza;

/// The only instance of a component: nothing is detected and nothing is forwarded.
#[derive(Debug)]
pub(crate) struct SingleInstance;

impl Instances for SingleInstance {
    fn has_peers(&self) -> bool {
        false
    }

    fn belongs_to_peer(&self, _id: &str) -> bool {
        false
    }

    fn record_peer(&self, _now: Instant) -> bool {
        false
    }

    fn ping_policy(&self, _now: Instant) -> PingPolicy {
        PingPolicy::Alone
    }

    fn forward(&self, response: Stanza) -> Option<Stanza> {
        Some(response)
    }

    fn set_forwarder(&self, _forwarder: Option<Arc<dyn ResponseForwarder>>) {}
}
