//! `campanile check --connect`: one handshake for each component, and the server's answer explained.

use campanile::component::Status;
use campanile::jid::BareJid;
use tokio::sync::oneshot;

use crate::config::Component;
use crate::mount;
use crate::run::lock::{Lock, LockError};

/// How a try ended.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// The server took the handshake.
    Mounted,
    /// A running process has this JID: not tried, since a second connection would take its stanzas away.
    Running(String),
    /// The server does not take it.
    Failed(String),
}

/// Tries all at the same time; the outcomes are in the order of the file.
pub(crate) async fn connect(components: &[Component]) -> Vec<(BareJid, Outcome)> {
    let tries: Vec<_> = components.iter().cloned().map(|component| tokio::spawn(attempt(component))).collect();
    let mut outcomes = Vec::new();
    for (component, outcome) in components.iter().zip(tries) {
        let outcome = outcome.await.unwrap_or_else(|error| Outcome::Failed(format!("a fault of ours: {error}")));
        outcomes.push((component.jid.clone(), outcome));
    }
    outcomes
}

async fn attempt(settings: Component) -> Outcome {
    let _lock = match Lock::acquire(&settings.jid) {
        Ok(lock) => lock,
        Err(held @ LockError::Held { .. }) => return Outcome::Running(held.to_string()),
        Err(nowhere) => return Outcome::Failed(nowhere.to_string()),
    };
    let component = match mount::component(&settings) {
        Ok(component) => component,
        Err(error) => return Outcome::Failed(mount::explain(&settings.jid, &error)),
    };
    let (mut status, (answered, stop)) = (component.status(), oneshot::channel::<()>());
    let running = tokio::spawn(component.run_until(async move {
        // The other end goes away without a word when there is an answer.
        let _ = stop.await;
    }));
    let answer = status.wait_for(|status| *status != Status::Connecting).await.map(|status| status.clone());
    drop(answered);
    let ended = running.await;
    match (answer, ended) {
        (Ok(Status::Mounted { .. }), _) => Outcome::Mounted,
        (Ok(Status::Waiting { why, .. }), _) => Outcome::Failed(why),
        (_, Ok(Err(error))) => Outcome::Failed(error.to_string()),
        _ => Outcome::Failed("it ended without a word".to_owned()),
    }
}
