//! All commands of a router.

use std::fmt;
use std::sync::Arc;

use tokio::time::Duration;

use super::flow::Flow;
use super::session::Sessions;
use super::store::SessionStore;
use super::{Command, chat};
use crate::error::{BoxError, Condition};
use crate::extract::State;
use crate::inbound::Inbound;
use crate::payload::COMMANDS;
use crate::reply::Reply;
use crate::router::{Advertised, Filter, PayloadPattern, Router};
use crate::xep::form;

/// Commands that share their sessions.
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
    /// No command yet; sessions of ten minutes, 1,024 at a time.
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

    /// Adds a command. Its node must be the only one of this name at the address.
    #[must_use]
    #[allow(clippy::should_implement_trait, reason = "nothing is summed up")]
    pub fn add(mut self, command: Command<S>) -> Self {
        self.commands.push(command);
        self
    }

    /// How long a session may wait for its next step.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How many sessions there may be at a time. One domain holds at most a quarter of them, one
    /// bare JID four.
    #[must_use]
    pub fn limit(mut self, sessions: usize) -> Self {
        self.limit = sessions;
        self
    }

    /// Keeps the sessions in a store that several processes on one JID share: what one of them has
    /// begun goes on at any.
    #[must_use]
    pub fn store(mut self, store: impl SessionStore) -> Self {
        self.store = Some(Arc::new(store));
        self
    }

    /// How long a step may take when the sessions are in a store, 60 s unless said: longer than a
    /// [handler](crate::limits::Limits::handler_timeout) may. When a process dies in the middle of
    /// a step, the session can be taken again after this time.
    #[must_use]
    pub fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Lets people write the commands in a chat, too, each as its word behind this sign:
    /// `!order abc 3`.
    ///
    /// The words behind the command are the fields of its forms: the required ones first, then the
    /// others, each in their order; a step that a function makes takes what is left. They are [text
    /// commands](crate::router::ChatCommand) of the router: listed by `!help`, but for those that
    /// not everybody may run.
    #[must_use]
    pub fn chat(mut self, sign: impl Into<String>) -> Self {
        self.sign = Some(sign.into());
        self
    }

    /// The sessions, to look at while the component runs. Number, times and store are fixed from
    /// now on.
    pub fn sessions(&mut self) -> Sessions {
        self.sessions
            .get_or_insert_with(|| {
                Sessions::new(self.limit, self.timeout, self.lease, self.store.clone())
            })
            .clone()
    }
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Offers commands (XEP-0050): each is routed by its node, and listed for those who may run it.
    ///
    /// # Panics
    /// When there is a command of the same node already; when one cannot be written in a chat that
    /// is to be.
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

/// XEP-0050 §4.4: the command of a node that nobody has offered.
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
