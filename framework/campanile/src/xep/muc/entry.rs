//! The request to enter a room, and the wait for its answer.

use tokio::time::{Duration, timeout};

use super::JoinError;
use super::session::Session;
use crate::client::{Client, SendError};

/// The time within which a room has to answer. A room with thousands of occupants sends the
/// presence of each before that of the one who enters.
const ANSWER: Duration = Duration::from_secs(60);

/// Sends the presence that enters a room, and waits until the component is inside. After a
/// reconnect meanwhile, it is sent again.
///
/// # Errors
/// If the room refuses, or does not answer in time.
pub(super) async fn enter(session: &Session, client: &Client) -> Result<(), JoinError> {
    let entering = async {
        loop {
            let entered = session.expect_entry();
            client
                .send(session.entering().map_err(SendError::from)?)
                .await?;
            session.asked();
            if let Ok(entered) = entered.await {
                return entered;
            }
        }
    };
    timeout(ANSWER, entering)
        .await
        .unwrap_or(Err(JoinError::Timeout))
}
