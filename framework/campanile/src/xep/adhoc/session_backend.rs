//! Access to sessions: in the memory of this process, or in a shared store.

use super::active_session::ActiveSession;
use super::fault::{expired, not_acquired, of_form, store_failed};
use super::flow::{Flow, gathered};
use super::progress::{Progress, Shown};
use super::serialize;
use crate::client::Client;
use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::instances::{BeginOutcome, Lease, SessionKey};

impl<S: Send + Sync + 'static> Flow<S> {
    /// Stores a new session.
    pub(super) async fn store_session(
        &self,
        id: String,
        key: SessionKey,
        progress: Progress,
        client: &Client,
    ) -> Result<(), BoxError> {
        let started = match self.sessions.store() {
            None => self.sessions.begin(id, key, progress),
            Some(store) => match store
                .begin(
                    &id,
                    &key,
                    &serialize::write(&progress)?,
                    self.sessions.bounds(),
                )
                .await
            {
                Ok(BeginOutcome::Started) => Ok(()),
                Ok(BeginOutcome::Full) => Err(self.sessions.refuse(&key)),
                Err(error) => Err(store_failed(&error)),
            },
        };
        Ok(started.inspect_err(|_| client.shared().counters.sessions_refused.inc())?)
    }

    /// Acquires a session in order to handle its next step.
    pub(super) async fn acquire(
        &self,
        id: &str,
        key: &SessionKey,
        inbound: &Inbound,
        state: &S,
    ) -> Result<ActiveSession<'_>, BoxError> {
        let Some(store) = self.sessions.store() else {
            self.adopt(id, key, inbound.client())?;
            return Ok(ActiveSession::local(&self.sessions, id, key)?);
        };
        let lease = Lease::acquire(store, id, key, self.sessions.bounds()).await;
        let lease = lease.map_err(not_acquired)?;
        let (state, error) = match self.restore(lease.state(), inbound, state).await {
            Ok(Some(progress)) => return Ok(ActiveSession::leased(lease, progress)),
            Ok(None) => (None, expired().into()),
            Err(error) => (Some(lease.state()), of_form(error)),
        };
        let released = lease.release(state).await;
        released.map_err(|error| store_failed(&error))?;
        Err(error)
    }

    /// Restores the progress of a session from the store, building its forms again.
    ///
    /// Returns `None` if a completed step no longer has a form.
    async fn restore(
        &self,
        serialized: &str,
        inbound: &Inbound,
        state: &S,
    ) -> Result<Option<Progress>, BoxError> {
        let mut progress = Progress::default();
        for (at, values) in serialize::read(serialized)? {
            let Some(step) = self.command.steps.get(at) else {
                return Ok(None);
            };
            let inbound = gathered(inbound, progress.gathered());
            let Some(definition) = step.form(&inbound, state).await? else {
                return Ok(None);
            };
            progress.shown.push(Shown {
                at,
                definition,
                values,
            });
        }
        Ok(Some(progress))
    }
}
