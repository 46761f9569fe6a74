//! Who is there, and asking all of them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use campanile::client::{Client, IqError};
use campanile::jid::Jid;
use tokio::task::JoinSet;
use tower::timeout::TimeoutLayer;

use crate::format::Answer;

/// How many are asked at the same time. A server that is asked too much at once keeps all of its
/// users waiting.
pub(crate) const AT_A_TIME: usize = 16;
/// How long one of them has for its answer.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How many are remembered. Strangers send presence, so there is an end to it.
const MEMBERS: usize = 10_000;

/// Who is there, and what they answered last. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(crate) struct Survey(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    members: Mutex<BTreeSet<Jid>>,
    answers: Mutex<Arc<Vec<Answer>>>,
    running: AtomicBool,
}

impl Survey {
    /// Somebody has come.
    pub(crate) fn add(&self, who: Jid) {
        let mut members = lock(&self.0.members);
        if members.len() < MEMBERS || members.contains(&who) {
            members.insert(who);
        } else {
            tracing::warn!(%who, "there are too many already: one is not counted");
        }
    }

    /// Somebody has gone.
    pub(crate) fn remove(&self, who: &Jid) {
        lock(&self.0.members).remove(who);
    }

    /// Whom to ask; `None` while they are being asked.
    pub(crate) fn begin(&self) -> Option<Vec<Jid>> {
        let idle = !self.0.running.swap(true, Ordering::AcqRel);
        idle.then(|| lock(&self.0.members).iter().cloned().collect())
    }

    /// Asks all of them, so many at a time; gives back how many have answered, of how many.
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
        // In the order in which they are shown, whoever was the fastest.
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

    /// What the last survey brought, by JID.
    pub(crate) fn answers(&self) -> Arc<Vec<Answer>> {
        Arc::clone(&lock(&self.0.answers))
    }
}

/// Asks one of them. Whatever comes of it is an answer.
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
