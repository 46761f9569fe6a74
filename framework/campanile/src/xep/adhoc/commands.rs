//! The set of commands of a router.

use std::fmt;
use std::sync::Arc;

use tokio::time::Duration;

use super::flow::Flow;
use super::session::Sessions;
use super::{Command, chat};
use crate::error::{BoxError, Condition};
use crate::extract::State;
use crate::inbound::Inbound;
use crate::instances::SessionStore;
use crate::payload::COMMANDS;
use crate::reply::Reply;
use crate::router::{Advertised, Filter, PayloadPattern, Router};
use crate::xep::form;

/// A set of commands with shared sessions, limits and settings.
///
/// Register it with [`Router::adhoc`].
pub struct Commands<S = ()> {
    commands: Vec<Command<S>>,
    limit: usize,
    timeout: Duration,
    lease: Duration,
    store: Option<Arc<dyn SessionStore>>,
    sessions: Option<Sessions>,
    sign: Option<String>,
}

impl<S: Clone + Send + Sync + 'static> Commands<S> {
    /// Creates an empty set, with a session timeout of 10 minutes and at most 1,024 sessions.
    #[must_use]
    pub fn new() -> Self {
        let timeout = Duration::from_secs(600);
        let lease = Duration::from_secs(60);
        Self {
            commands: Vec::new(),
            limit: 1024,
            timeout,
            lease,
            store: None,
            sessions: None,
            sign: None,
        }
    }

    /// Adds a command. Its node must be unique at its address.
    #[must_use]
    #[allow(
        clippy::should_implement_trait,
        reason = "a builder method, not an addition"
    )]
    pub fn add(mut self, command: Command<S>) -> Self {
        self.commands.push(command);
        self
    }

    /// Sets how long a session may wait for its next step. Defaults to 10 minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the maximum number of open sessions. Defaults to 1,024.
    ///
    /// One domain may hold at most a quarter of them, one bare JID at most four.
    #[must_use]
    pub fn limit(mut self, sessions: usize) -> Self {
        self.limit = sessions;
        self
    }

    /// Keeps the sessions in a store that is shared by several processes on one JID, so that any of
    /// them can continue a session.
    #[must_use]
    pub fn store(mut self, store: impl SessionStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// Sets how long a process may hold a session of a [store](Self::store) while it handles a
    /// step. Defaults to 60 s.
    ///
    /// Choose a value above the [handler timeout](crate::limits::Limits::handler_timeout). If a
    /// process dies during a step, other processes can acquire the session after this time.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Makes the commands available in a chat as well, each as its name after this prefix:
    /// `!order abc 3`.
    ///
    /// The words after the command are the values of its fields: required fields first, then
    /// optional ones, each group in order of definition. Steps built by a handler take the
    /// remaining words. The commands become [text commands](crate::router::ChatCommand) of the
    /// router and are listed by `!help`, except for those with restricted access.
    #[must_use]
    pub fn chat(mut self, sign: impl Into<String>) -> Self {
        self.sign = Some(sign.into());
        self
    }

    /// Returns a handle for observing the sessions while the component runs.
    ///
    /// This fixes the session limit, timeout, lease and store; later changes to them have no
    /// effect.
    pub fn sessions(&mut self) -> Sessions {
        self.sessions
            .get_or_insert_with(|| {
                Sessions::new(self.limit, self.timeout, self.lease, self.store.clone())
            })
            .clone()
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Registers ad-hoc commands (XEP-0050). Each is routed by its node, and listed in service
    /// discovery for users who may run it.
    ///
    /// # Panics
    /// If a node is already registered, or if [`Commands::chat`] is set and a command has a name or
    /// fields that cannot be written as a text command.
    #[must_use]
    #[track_caller]
    pub fn adhoc(self, mut commands: Commands<S>) -> Self {
        let sessions = commands.sessions();
        let any = || PayloadPattern::from((COMMANDS, "command"));
        let mut router = self
            .builtin(Filter::iq_set().payload(any()), unknown)
            .feature(form::NS);
        // A loop and no fold: a panic in a closure would not be at the caller's line.
        for command in commands.commands {
            let filter = Filter::iq_set().payload(any().node(&command.node));
            router = router.offer(&command.node, &command.name, command.access.clone());
            let flow = Arc::new(Flow {
                command,
                sessions: sessions.clone(),
            });
            if let Some(sign) = &commands.sign {
                router = chat::route(router, sign, Arc::clone(&flow));
            }
            router = router.on(filter, move |inbound: Inbound, State(state): State<S>| {
                let flow = Arc::clone(&flow);
                async move { flow.handle(inbound, state).await }
            });
        }
        router
    }
}

/// Rejects a node that has no command (XEP-0050 §4.4).
fn unknown(_inbound: &Inbound, _advertised: &Advertised) -> Result<Reply, BoxError> {
    Err(Condition::ItemNotFound.into())
}

impl<S: Clone + Send + Sync + 'static> Default for Commands<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for Commands<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.commands).finish()
    }
}
