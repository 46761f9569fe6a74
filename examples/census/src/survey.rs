//! Online users, and the survey among them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use campanile::client::{Client, IqError};
use campanile::jid::Jid;
use tokio::task::JoinSet;
use tower::timeout::TimeoutLayer;

use crate::format::Answer;

/// Maximum number of concurrent requests. A component that sends too many at once delays all users
/// of its server.
pub(crate) const AT_A_TIME: usize = 16;
/// Time limit for one response.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum number of users. Anyone can send presence, so the list must be bounded.
const MEMBERS: usize = 10_000;

/// Online users and the results of the last survey. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Survey(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    members: Mutex<BTreeSet<Jid>>,
    answers: Mutex<Arc<Vec<Answer>>>,
    running: AtomicBool,
}

impl Survey {
    /// Adds a user who came online.
    pub(crate) fn add(&self, who: Jid) {
        let mut members = lock(&self.0.members);
        if members.len() < MEMBERS || members.contains(&who) {
            members.insert(who);
        } else {
            tracing::warn!(%who, "user not counted: too many users");
        }
    }

    /// Removes a user who went offline.
    pub(crate) fn remove(&self, who: &Jid) {
        lock(&self.0.members).remove(who);
    }

    /// Starts a survey. Returns the users to ask, or `None` if a survey is already running.
    pub(crate) fn begin(&self) -> Option<Vec<Jid>> {
        let idle = !self.0.running.swap(true, Ordering::AcqRel);
        idle.then(|| lock(&self.0.members).iter().cloned().collect())
    }

    /// Queries all users with limited concurrency. Returns the number of users who replied, and the
    /// number of all.
    pub(crate) async fn run(&self, client: &Client, members: Vec<Jid>) -> (usize, usize) {
        let client = client.layer(TimeoutLayer::new(ANSWER_TIMEOUT));
        let mut asking = JoinSet::new();
        let mut answers = Vec::new();
        for jid in members {
            if asking.len() == AT_A_TIME {
                answers.extend(asking.join_next().await.and_then(Result::ok));
            }
            asking.spawn(one(client.clone(), jid));
        }
        answers.extend(asking.join_all().await);
        // In display order, independent of response times.
        answers.sort_by(|one, other| one.jid.cmp(&other.jid));
        let count = (
            answers
                .iter()
                .filter(|answer| answer.software.is_some())
                .count(),
            answers.len(),
        );
        *lock(&self.0.answers) = Arc::new(answers);
        self.0.running.store(false, Ordering::Release);
        count
    }

    /// Returns the results of the last survey, ordered by JID.
    pub(crate) fn answers(&self) -> Arc<Vec<Answer>> {
        Arc::clone(&lock(&self.0.answers))
    }
}

/// Queries one user. A failure is recorded as a result too.
async fn one(client: Client, jid: Jid) -> Answer {
    let (software, failure) = match client.version(jid.clone()).await {
        Ok(version) => (Some(format!("{} {}", version.name, version.version)), None),
        Err(IqError::Refused(error)) => (None, Some(error.condition().to_string())),
        Err(error) => (None, Some(error.to_string())),
    };
    Answer {
        jid,
        software,
        failure,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
