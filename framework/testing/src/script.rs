//! The steps of a transcript.

use tokio::time::Duration;

/// The steps of one connection, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Script {
    pub(super) steps: Vec<Step>,
    /// Sends bytes one at a time.
    pub(super) bytewise: bool,
}

/// An action of the scripted server.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Expect(String),
    Send(Vec<u8>),
    Wait(Duration),
    ExpectEnd,
    Hold,
}
