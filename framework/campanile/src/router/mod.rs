//! Routing of inbound stanzas: one lookup and one handler for each stanza.
//!
//! Precedence is fixed and does not depend on the order of registration. Of all routes that match a
//! stanza, the most specific one handles it. Routes are compared by these criteria in turn:
//!
//! | | most specific | then | then | least specific |
//! |---|---|---|---|---|
//! | 1. localpart of the recipient | exact localpart, or the bare domain | longest matching prefix | any localpart | any recipient |
//! | 2. resource of the recipient | exact resource | any resource | | no condition |
//! | 3. domain of the recipient | exact domain | | | no condition |
//! | 4. payload | name with node or datatype | name | namespace | chat command, then none |
//! | 5. kind and type | route for fewer types | | | |
//!
//! Of two chat commands that match, the longer one is more specific.
//!
//! Two routes overlap if they are equal in all five criteria and share a type. Overlapping routes
//! are rejected at registration.
//!
//! A stanza that matches no route is offered to the default handlers (see
//! [`Router::default_handler`]), then to the fallbacks, the most specific recipient first. If none
//! of them matches, the router replies itself, so that the sender of a request or a message gets an
//! answer: `service-unavailable` for IQ requests and for messages with content
//! (`feature-not-implemented` for an IQ request whose namespace is routed and whose element is
//! not), and `unsubscribed` for presence of type `subscribe` and `probe`.
//!
//! A message with a body reaches a route for an annotation, such as a chat state or a marker, only
//! if nothing else matches (see [`Router::message_with`]).
//!
//! The order of the children within a message or presence has no effect.

mod advertise;
mod capture;
mod chat_command;
mod command_list;
mod compose;
mod filter;
mod overlap;
mod payload_index;
mod placeholder_name;
mod recipient;
mod recipient_map;
mod route;
mod route_table;
mod service;
mod spawn;
#[cfg(test)]
mod tests;
mod unmatched;
mod validate;

use std::fmt;
use std::sync::{Arc, OnceLock};

use tower_service::Service;

use self::advertise::Advert;
pub use self::advertise::Advertised;
pub use self::chat_command::ChatCommand;
pub(crate) use self::chat_command::split_words;
pub use self::filter::{Filter, PayloadPattern};
pub use self::overlap::{NestError, OverlapError};
pub use self::recipient::{PatternError, RecipientPattern};
pub(crate) use self::route::Builtin;
use self::route::Pending;
pub use self::route::Route;
use self::route_table::RouteTable;
use self::validate::Requirements;
pub use self::validate::RouteError;
use crate::error::BoxError;
use crate::extract::FromInbound;
use crate::handler::Handler;
use crate::inbound::Inbound;
use crate::layer::AccessLayer;
use crate::reply::IntoReply;

/// Routes stanzas to handlers.
///
/// `S` is the state that the handlers still need. A `Router<()>` needs none and is a [`Service`].
/// Cloning is cheap: clones share the routes.
///
/// ```
/// use campanile::extract::{Body, Payload, Sender};
/// use campanile::router::Router;
/// use xmpp_parsers::{ns, version::{VersionQuery, VersionResult}};
///
/// async fn version(_: Payload<VersionQuery>) -> Payload<VersionResult> {
///     Payload(VersionResult { name: "Shelf".into(), version: "1".into(), os: None })
/// }
///
/// async fn greet(Sender(sender): Sender, Body(body): Body) -> String {
///     format!("hello {sender}, you wrote: {body}")
/// }
///
/// let router: Router = Router::new()
///     .iq_get(ns::VERSION, version)
///     .at("greeter", Router::new().message(greet));
/// ```
pub struct Router<S = ()> {
    inner: Arc<Inner<S>>,
}

struct Inner<S> {
    entries: Vec<Entry<S>>,
    adverts: Vec<Advert>,
    table: OnceLock<RouteTable>,
}

struct Entry<S> {
    tier: Tier,
    filter: Filter,
    route: Pending<S>,
    requirements: Option<Requirements>,
    spawned: bool,
    hidden: bool,
    /// The access rules of the route, which `!help` follows.
    access: Vec<AccessLayer>,
}

/// The order in which routes are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Route,
    Default,
    Fallback,
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Creates a router without routes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner::default()),
        }
    }

    /// Routes IQ requests of type `get` with this payload: a namespace, or a pair of namespace and
    /// element name.
    ///
    /// # Panics
    /// If an overlapping route is already registered.
    #[must_use]
    #[track_caller]
    pub fn iq_get<H, A>(self, payload: impl Into<PayloadPattern>, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        self.on(Filter::iq_get().payload(payload), handler)
    }

    /// Routes IQ requests of type `set` with this payload.
    ///
    /// # Panics
    /// If an overlapping route is already registered.
    #[must_use]
    #[track_caller]
    pub fn iq_set<H, A>(self, payload: impl Into<PayloadPattern>, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        self.on(Filter::iq_set().payload(payload), handler)
    }

    /// Routes messages of type `chat` and `normal`. Use [`on`](Router::on) for other types.
    ///
    /// # Panics
    /// If an overlapping route is already registered.
    #[must_use]
    #[track_caller]
    pub fn message<H, A>(self, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        self.on(Filter::conversation(), handler)
    }

    /// Routes messages of type `chat` and `normal` that have this payload among their children.
    ///
    /// Chat states, markers, receipts, hints and [other elements that only annotate a
    /// message](crate::stanza::is_annotation) are usually sent together with a body. A message with
    /// a body goes to their handler only if nothing else matches: no other payload, chat command,
    /// [`message`](Router::message) route or fallback. The handler then sees the message, but no
    /// [receipt](Router::receipts) is sent, because its text was not read.
    ///
    /// # Panics
    /// If an overlapping route is already registered.
    #[must_use]
    #[track_caller]
    pub fn message_with<H, A>(self, payload: impl Into<PayloadPattern>, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        self.on(Filter::conversation().payload(payload), handler)
    }

    /// Routes messages of type `chat` and `normal` whose body starts with a [chat
    /// command](ChatCommand).
    ///
    /// The command is a pattern such as `"!roll"`, or a pair of a pattern and its description in
    /// the command list.
    ///
    /// The router adds a help command for each prefix in use: `!help` lists all commands that start
    /// with `!` and that the sender may use, as far as an [`AccessLayer`] on the route tells, and
    /// `!help weather` describes one of them. If the arguments of a command are
    /// missing or invalid, the router replies with its usage. Neither reply passes through layers
    /// added with [`layer`](Router::layer). All commands share one
    /// [`LoopGuardLayer`](crate::layer::LoopGuardLayer).
    ///
    /// # Panics
    /// If the text is not a valid command, or if an overlapping route is already registered.
    #[must_use]
    #[track_caller]
    pub fn chat_command<C, H, A>(self, command: C, handler: H) -> Self
    where
        C: TryInto<ChatCommand>,
        C::Error: fmt::Display,
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        match command.try_into() {
            Ok(command) => self.on(Filter::conversation().chat_command(command), handler),
            Err(error) => panic!("{error}"),
        }
    }

    /// Routes presence of every type except `error`.
    ///
    /// # Panics
    /// If an overlapping route is already registered.
    #[must_use]
    #[track_caller]
    pub fn presence<H, A>(self, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        self.on(Filter::presence(), handler)
    }

    /// Routes bounces: messages and presence of type `error`. A
    /// [`StanzaError`](crate::error::StanzaError) argument holds the reason.
    ///
    /// # Panics
    /// If an overlapping route is already registered.
    #[must_use]
    #[track_caller]
    pub fn bounced<H, A>(self, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        self.on(Filter::bounced(), handler)
    }

    /// Routes the stanzas that match the filter.
    ///
    /// # Panics
    /// If an overlapping route is already registered.
    #[must_use]
    #[track_caller]
    pub fn on<H, A>(self, filter: Filter, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        self.with(
            Tier::Route,
            filter,
            Pending::handler(handler),
            Some(Requirements::of::<A, S>()),
        )
    }

    /// Routes the stanzas that match the filter. Use this instead of [`on`](Router::on) if the
    /// filter comes from a configuration.
    ///
    /// # Errors
    /// Returns an error if an overlapping route is already registered.
    ///
    /// # Panics
    /// If the handler extracts placeholders that the filter does not have.
    #[track_caller]
    pub fn try_on<H, A>(mut self, filter: Filter, handler: H) -> Result<Self, OverlapError>
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        self.add(
            Tier::Route,
            filter,
            Pending::handler(handler),
            Some(Requirements::of::<A, S>()),
        )?;
        Ok(self)
    }

    /// Routes the stanzas that match the filter to a tower service.
    ///
    /// # Panics
    /// If an overlapping route is already registered.
    #[must_use]
    #[track_caller]
    pub fn route_service<T>(self, filter: Filter, service: T) -> Self
    where
        T: Service<Inbound> + Clone + Send + Sync + 'static,
        T::Response: IntoReply,
        T::Error: Into<BoxError>,
        T::Future: Send + 'static,
    {
        self.with(
            Tier::Route,
            filter,
            Pending::Ready(Route::new(service)),
            None,
        )
    }

    /// Handles the stanzas that match no route. Within [`at`](Router::at), it handles only stanzas
    /// sent to these recipients.
    ///
    /// # Panics
    /// If a fallback for the same recipients is already registered.
    #[must_use]
    #[track_caller]
    pub fn fallback<H, A>(self, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        self.with(
            Tier::Fallback,
            Filter::any(),
            Pending::handler(handler),
            Some(Requirements::of::<A, S>()),
        )
    }

    /// Registers a default handler. It runs only if no route matches, and only for the bare domain
    /// and for localparts that something is registered for.
    ///
    /// Modules use default handlers for features that an application may want to override, such as
    /// software version and entity time.
    ///
    /// # Panics
    /// If an overlapping default handler is already registered.
    #[must_use]
    #[track_caller]
    pub fn default_handler<H, A>(self, filter: Filter, handler: H) -> Self
    where
        H: Handler<A>,
        A: FromInbound<S>,
        H::Output: IntoReply,
        H::Future: Send,
    {
        self.with(
            Tier::Default,
            filter,
            Pending::handler(handler),
            Some(Requirements::of::<A, S>()),
        )
    }

    /// Registers a default handler that replies with what the router advertises.
    #[must_use]
    #[track_caller]
    pub(crate) fn builtin(self, filter: Filter, builtin: Builtin) -> Self {
        self.with(Tier::Default, filter, Pending::Builtin(builtin), None)
    }

    #[track_caller]
    fn with(
        mut self,
        tier: Tier,
        filter: Filter,
        route: Pending<S>,
        requirements: Option<Requirements>,
    ) -> Self {
        if let Err(overlap) = self.add(tier, filter, route, requirements) {
            panic!("{overlap}");
        }
        self
    }

    #[track_caller]
    fn add(
        &mut self,
        tier: Tier,
        filter: Filter,
        route: Pending<S>,
        requirements: Option<Requirements>,
    ) -> Result<(), OverlapError> {
        // Placeholders are not checked yet: `at` may still add the ones that the handler needs.
        if let Some(Err(error)) =
            requirements.map(|requirements| requirements.validate(&filter, false))
        {
            panic!("{error}");
        }
        self.edit().push(Entry {
            tier,
            filter,
            route,
            requirements,
            spawned: false,
            hidden: false,
            access: Vec::new(),
        })
    }

    /// Checks that every route provides the placeholders that its handler extracts.
    ///
    /// The component builder calls this once the router is complete, since [`at`](Router::at) can
    /// add placeholders until then.
    ///
    /// # Errors
    /// Returns the first route whose handler can never be called.
    #[doc(hidden)]
    pub fn validate(&self) -> Result<(), RouteError> {
        let mut wanting = self
            .inner
            .entries
            .iter()
            .filter_map(|entry| Some((entry.requirements?, &entry.filter)));
        wanting.try_for_each(|(requirements, filter)| requirements.validate(filter, true))
    }

    /// Returns the contents for modification and drops the lookup table derived from them.
    fn edit(&mut self) -> &mut Inner<S> {
        let inner = Arc::make_mut(&mut self.inner);
        inner.table.take();
        inner
    }
}

impl<S> Inner<S> {
    fn push(&mut self, entry: Entry<S>) -> Result<(), OverlapError> {
        let equal =
            |other: &&Entry<S>| other.tier == entry.tier && other.filter.overlaps(&entry.filter);
        if let Some(other) = self.entries.iter().find(equal) {
            // Both routers have the built-in defaults; one copy is enough.
            if matches!(
                (&other.route, &entry.route),
                (Pending::Builtin(_), Pending::Builtin(_))
            ) {
                return Ok(());
            }
            return Err(OverlapError::new(
                &entry.filter,
                &other.filter,
                entry.tier == Tier::Fallback,
            ));
        }
        self.entries.push(entry);
        Ok(())
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Router<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Clone for Router<S> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<S> fmt::Debug for Router<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filters = self
            .inner
            .entries
            .iter()
            .map(|entry| entry.filter.to_string());
        f.debug_list().entries(filters).finish()
    }
}

impl<S> Default for Inner<S> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            adverts: Vec::new(),
            table: OnceLock::new(),
        }
    }
}

impl<S> Clone for Inner<S> {
    fn clone(&self) -> Self {
        Self {
            entries: self.entries.clone(),
            adverts: self.adverts.clone(),
            table: OnceLock::new(),
        }
    }
}

impl<S> Clone for Entry<S> {
    fn clone(&self) -> Self {
        let Self {
            tier,
            filter,
            route,
            requirements,
            spawned,
            hidden,
            access,
        } = self;
        let filter = filter.clone();
        let route = route.clone();
        Self {
            tier: *tier,
            filter,
            route,
            requirements: *requirements,
            spawned: *spawned,
            hidden: *hidden,
            access: access.clone(),
        }
    }
}
