//! The time limit of the statements of a read.

use std::time::Duration;

use postgres::GenericClient;

use crate::store::{Deadline, StoreError};

/// Difference from the time that remains up to which the limit of the server is left as it is. Most
/// reads end long before, and setting it costs a round trip.
const TOLERANCE: Duration = Duration::from_millis(250);

/// The deadline of a read, and the limit that the server currently has for each statement.
///
/// A read has several statements, and the server knows only the limit of one. So each gets the
/// time that remains, and none begins after the deadline or after the caller has gone.
#[derive(Debug, Default)]
pub(super) struct StatementLimit {
    deadline: Option<Deadline>,
    current: Option<Duration>,
}

impl StatementLimit {
    /// Begins a read.
    pub(super) fn begin(
        &mut self,
        client: &mut impl GenericClient,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        self.deadline = Some(deadline);
        self.renew(client)
    }

    /// Limits the next statement to the time that remains.
    ///
    /// # Errors
    /// [`StoreError::TooSlow`] if there is none.
    pub(super) fn renew(&mut self, client: &mut impl GenericClient) -> Result<(), StoreError> {
        let Some(deadline) = &self.deadline else {
            return Ok(());
        };
        let left = deadline.remaining().ok_or(StoreError::TooSlow)?;
        if self.current.is_none_or(|it| it.abs_diff(left) > TOLERANCE) {
            // 0 would mean no limit.
            let millis = left.as_millis().max(1);
            client.batch_execute(&format!("SET statement_timeout = {millis}"))?;
            self.current = Some(left);
        }
        Ok(())
    }
}
