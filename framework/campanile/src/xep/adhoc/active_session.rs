//! A session while one of its steps is handled.

use super::fault::{store_failed, too_large};
use super::progress::Progress;
use super::serialize;
use super::session::Sessions;
use crate::error::{BoxError, StanzaError};
use crate::instances::{Lease, SessionKey};
use crate::reply::Reply;

/// A session that no other request can continue meanwhile. Dropping it restores the previous
/// state.
pub(super) struct ActiveSession<'s> {
    progress: Option<Progress>,
    backend: Backend<'s>,
}

/// The place where the session is kept.
enum Backend<'s> {
    Local { sessions: &'s Sessions, id: String },
    Store(Lease),
}

/// The result of a step: the new state of the session, and the reply.
pub(super) struct StepResult {
    pub(super) update: SessionUpdate,
    pub(super) reply: Result<Reply, BoxError>,
}

pub(super) enum SessionUpdate {
    /// The session continues.
    Continue(Progress),
    /// The session is completed or canceled.
    End,
}

impl<'s> ActiveSession<'s> {
    /// Acquires a session of this process.
    pub(super) fn local(
        sessions: &'s Sessions,
        id: &str,
        key: &SessionKey,
    ) -> Result<Self, StanzaError> {
        Ok(Self {
            progress: Some(sessions.acquire(id, key)?),
            backend: Backend::Local {
                sessions,
                id: id.to_owned(),
            },
        })
    }

    /// Wraps a session of the store.
    pub(super) fn leased(lease: Lease, progress: Progress) -> Self {
        Self {
            progress: Some(progress),
            backend: Backend::Store(lease),
        }
    }

    /// Returns the progress of the session. Its last element is the current step.
    pub(super) fn progress(&self) -> &Progress {
        const NONE: &Progress = &Progress { shown: Vec::new() };
        self.progress.as_ref().unwrap_or(NONE)
    }

    /// Releases the session in its new state, and returns the reply. After an error, the session
    /// keeps its previous state.
    pub(super) async fn settle(
        mut self,
        result: Result<StepResult, BoxError>,
    ) -> Result<Reply, BoxError> {
        let (update, reply) = match result {
            Ok(StepResult {
                update: SessionUpdate::Continue(progress),
                ..
            }) if progress.is_too_large() => (None, Err(too_large().into())),
            Ok(step) => (Some(step.update), step.reply),
            Err(error) => (None, Err(error)),
        };
        if let Backend::Store(lease) = &self.backend {
            return settle_in_store(lease, update, reply).await;
        }
        match update {
            Some(SessionUpdate::Continue(progress)) => self.progress = Some(progress),
            Some(SessionUpdate::End) => self.progress = None,
            None => {}
        }
        reply
    }
}

/// Releases a local session however the step ended: by an error, a panic or a timeout. A session in
/// a store stays locked until its lease expires.
impl Drop for ActiveSession<'_> {
    fn drop(&mut self) {
        if let Backend::Local { sessions, id } = &self.backend {
            sessions.release(id, self.progress.take());
        }
    }
}

/// Releases a session to the store, and returns the reply.
async fn settle_in_store(
    lease: &Lease,
    update: Option<SessionUpdate>,
    reply: Result<Reply, BoxError>,
) -> Result<Reply, BoxError> {
    match update {
        Some(SessionUpdate::Continue(progress)) => {
            let state = serialize::write(&progress)?;
            let released = lease.release(Some(&state)).await;
            released.map_err(|error| store_failed(&error))?;
        }
        // The command has run, so its reply is sent even if the release fails. The failure is
        // logged, and the session stays locked until its lease expires.
        update => {
            let state = update.is_none().then(|| lease.state());
            let released = lease.release(state).await;
            let _ = released.map_err(|error| store_failed(&error));
        }
    }
    reply
}

#[cfg(test)]
mod tests {
    use tokio::time::Duration;

    use super::*;

    /// A fifth session of a sender ends the oldest one, even while one of its steps is handled.
    #[test]
    fn session_evicted_during_step_stays_ended() {
        let sessions = Sessions::new(64, Duration::from_secs(600), Duration::from_secs(60), None);
        let key = SessionKey {
            owner: "alice@localhost/a".parse().unwrap(),
            recipient: "bot.localhost".parse().unwrap(),
            node: "order".to_owned(),
        };
        let begin = |id: &str| {
            sessions
                .begin(id.to_owned(), key.clone(), Progress::default())
                .unwrap();
        };
        ["1", "2", "3", "4"].into_iter().for_each(begin);
        let active = ActiveSession::local(&sessions, "1", &key).ok().unwrap();
        begin("5");
        drop(active);
        assert!(sessions.acquire("1", &key).is_err());
        assert_eq!(sessions.open(), 4);
    }
}
