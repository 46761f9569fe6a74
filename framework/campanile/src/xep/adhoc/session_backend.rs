//! Where a session is: in the table of this process, or in a store that several share.

use super::fault::{expired, of_form, out_of_reach};
use super::flow::{Flow, gathered};
use super::lease::{Held, Lease};
use super::serialize;
use super::session::{Progress, Shown};
use super::store::{BeginOutcome, SessionKey};
use crate::client::Client;
use crate::error::BoxError;
use crate::inbound::Inbound;

impl<S: Send + Sync + 'static> Flow<S> {
    /// Keeps a new session.
    pub(super) async fn keep(
        &self,
        id: String,
        key: SessionKey,
        progress: Progress,
        client: &Client,
    ) -> Result<(), BoxError> {
        let begun = match self.sessions.store() {
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
                Ok(BeginOutcome::Begun) => Ok(()),
                Ok(BeginOutcome::Full) => Err(self.sessions.refuse(&key)),
                Err(error) => Err(out_of_reach(&error)),
            },
        };
        Ok(begun.inspect_err(|_| client.shared().counters.sessions_refused.inc())?)
    }

    /// Takes a session to go on with it.
    pub(super) async fn hold(
        &self,
        id: &str,
        key: &SessionKey,
        inbound: &Inbound,
        state: &S,
    ) -> Result<Held<'_>, BoxError> {
        let Some(store) = self.sessions.store() else {
            self.adopt(id, key, inbound.client())?;
            return Ok(self.sessions.take(id, key)?);
        };
        let lease = Lease::acquire(&self.sessions, store, id, key).await?;
        match self.restored(&lease.state, inbound, state).await {
            Ok(Some(progress)) => Ok(Held::leased(lease, id, progress)),
            Ok(None) => {
                lease.put(id, None).await?;
                Err(expired().into())
            }
            Err(error) => {
                lease.put(id, Some(&lease.state)).await?;
                Err(of_form(error))
            }
        }
    }

    /// How far a session is that may have been begun elsewhere: its forms are made anew. None, when
    /// a step that was taken no longer has anything to ask.
    async fn restored(
        &self,
        saved: &str,
        inbound: &Inbound,
        state: &S,
    ) -> Result<Option<Progress>, BoxError> {
        let mut progress = Progress::default();
        for (at, values) in serialize::read(saved)? {
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
