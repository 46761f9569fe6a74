//! A session while a step of it is being taken.

use std::sync::Arc;

use super::fault::{busy, expired, out_of_reach, too_much, unknown};
use super::serialize;
use super::session::{Progress, Sessions};
use super::store::{AcquireOutcome, SessionKey, SessionStore};
use crate::error::{BoxError, StanzaError};
use crate::reply::Reply;

/// A session while a step is being taken. Dropped without a word, it is as it was.
pub(super) struct Held<'s> {
    id: String,
    progress: Option<Progress>,
    place: Place<'s>,
}

enum Place<'s> {
    Here(&'s Sessions),
    There(Lease),
}

/// A session that was taken out of a store.
pub(super) struct Lease {
    store: Arc<dyn SessionStore>,
    turn: i64,
    pub(super) state: String,
}

/// What a step comes to: what becomes of the session, and what is answered.
pub(super) struct Turn {
    pub(super) after: After,
    pub(super) answer: Result<Reply, BoxError>,
}

pub(super) enum After {
    /// It goes on from here.
    On(Progress),
    /// It is done or cancelled.
    Over,
}

impl Lease {
    /// Takes a session out of the store.
    pub(super) async fn acquire(
        sessions: &Sessions,
        store: &Arc<dyn SessionStore>,
        id: &str,
        key: &SessionKey,
    ) -> Result<Self, BoxError> {
        let taken = store.acquire(id, key, sessions.bounds()).await;
        match taken.map_err(|error| out_of_reach(&error))? {
            AcquireOutcome::Acquired { turn, state } => Ok(Self {
                store: Arc::clone(store),
                turn,
                state,
            }),
            AcquireOutcome::Busy => Err(busy().into()),
            AcquireOutcome::Ended => Err(expired().into()),
            AcquireOutcome::Unknown => Err(unknown().into()),
        }
    }

    /// Puts it back.
    pub(super) async fn put(&self, id: &str, state: Option<&str>) -> Result<(), StanzaError> {
        let put = self.store.release(id, self.turn, state).await;
        if !put.map_err(|error| out_of_reach(&error))? {
            tracing::warn!(
                session = id,
                "a session has ended, or was taken by somebody else, before a step of its command \
                was done"
            );
        }
        Ok(())
    }
}

impl<'s> Held<'s> {
    pub(super) fn new(sessions: &'s Sessions, id: &str, progress: Progress) -> Self {
        Self {
            id: id.to_owned(),
            progress: Some(progress),
            place: Place::Here(sessions),
        }
    }

    pub(super) fn leased(lease: Lease, id: &str, progress: Progress) -> Self {
        Self {
            id: id.to_owned(),
            progress: Some(progress),
            place: Place::There(lease),
        }
    }

    /// How far it is. The one step that is shown is the last.
    pub(super) fn progress(&self) -> &Progress {
        const NONE: &Progress = &Progress { shown: Vec::new() };
        self.progress.as_ref().unwrap_or(NONE)
    }

    /// Puts it back as the turn wants it, and gives the answer. After an error it is as it was.
    pub(super) async fn settle(mut self, turn: Result<Turn, BoxError>) -> Result<Reply, BoxError> {
        let (after, answer) = match turn {
            Ok(Turn {
                after: After::On(progress),
                ..
            }) if progress.is_too_large() => (None, Err(too_much().into())),
            Ok(turn) => (Some(turn.after), turn.answer),
            Err(error) => (None, Err(error)),
        };
        if let Place::There(lease) = &self.place {
            return Self::settle_there(&self.id, lease, after, answer).await;
        }
        match after {
            Some(After::On(progress)) => self.progress = Some(progress),
            Some(After::Over) => self.progress = None,
            None => {}
        }
        answer
    }

    async fn settle_there(
        id: &str,
        lease: &Lease,
        after: Option<After>,
        answer: Result<Reply, BoxError>,
    ) -> Result<Reply, BoxError> {
        match after {
            Some(After::On(progress)) => lease.put(id, Some(&serialize::write(&progress)?)).await?,
            // That it cannot be put back is in the log, and it waits for the time of the step to be
            // over. What was done is done, and who asked for it is told so.
            after => {
                let state = after.is_none().then_some(lease.state.as_str());
                let _ = lease.put(id, state).await;
            }
        }
        answer
    }
}

/// However the step ended: by an error, by a panic, or because it took too long. What is in a store
/// waits there until the time of the step is over.
impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Place::Here(sessions) = self.place {
            sessions.put(&self.id, self.progress.take());
        }
    }
}
