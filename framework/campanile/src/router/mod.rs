//! The router: one lookup, one handler for each stanza.
//!
//! Precedence is fixed. Of the routes that match a stanza, the one wins that is narrower in
//!
//! | | first | then | then | last |
//! |---|---|---|---|---|
//! | 1. the recipient's localpart | this one, or the domain itself | the longest beginning of it | any localpart | any recipient |
//! | 2. its resource | this one | any that there is | | not asked for |
//! | 3. its domain | this one | | | not asked for |
//! | 4. the payload | its name with node or datatype | its name | its namespace | a text command, of two the longer; then none |
//! | 5. kind and type | the route for fewer types | | | |
//!
//! Two routes that are equal in all five and share a type overlap, and that is refused at
//! registration. Then come the stock [duties](crate::duties), then fallbacks, in the order of
//! recipients. What is left is answered so that nobody writes into the void: IQs and messages with
//! content service-unavailable (feature-not-implemented where the namespace is routed and the
//! element is not), `subscribe` and `probe` with `unsubscribed`.
//!
//! The order of the children of a message or presence plays no part.

mod advertise;
mod capture;
mod chat_command;
mod command_list;
mod compose;
pub(crate) mod filter;
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
pub use self::overlap::OverlapError;
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
use crate::reply::IntoReply;

/// Routes stanzas to handlers.
///
/// `S` is the state that handlers still lack; a `Router<()>` is a [`Service`]. Cloning is cheap.
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
/// async fn greet(Sender(who): Sender, Body(body): Body) -> String {
///     format!("{who} said {body}")
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
}

/// What is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tier {
    Route,
    Default,
    Fallback,
}

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// A router without routes.
    #[must_use]
    pub fn new() -> Self {
        Self {
            inner: Arc::new(Inner::default()),
        }
    }

    /// Routes IQ requests of type get with this payload: a namespace, or a pair of namespace and
    /// name.
    ///
    /// # Panics
    /// When there is an equal route already.
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

    /// Routes IQ requests of type set with this payload.
    ///
    /// # Panics
    /// When there is an equal route already.
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

    /// Routes messages of type chat and normal. For other types there is [`on`](Router::on).
    ///
    /// # Panics
    /// When there is an equal route already.
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

    /// Routes messages of type chat and normal that have this payload among their children.
    ///
    /// # Panics
    /// When there is an equal route already.
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

    /// Routes messages of type chat and normal that begin with a [text command](ChatCommand):
    /// `"!roll"`, or a pair of the command and its line in the list of commands.
    ///
    /// A list of all commands that begin with the same sign is written by the router: people ask
    /// for it by `!help`, and for one of them by `!help weather`. Who writes a command wrongly is
    /// told how it is written. All of this stands outside of layers that are put around routes, and
    /// behind a guard of its own against [loops](crate::layer::LoopGuardLayer).
    ///
    /// # Panics
    /// When the text is no command, or when there is an equal route already.
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

    /// Routes presence of every type but error.
    ///
    /// # Panics
    /// When there is an equal route already.
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

    /// Routes what came back: messages and presence of type error. An argument of type
    /// [`StanzaError`](crate::error::StanzaError) says why.
    ///
    /// # Panics
    /// When there is an equal route already.
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

    /// Routes what the filter matches.
    ///
    /// # Panics
    /// When there is an equal route already.
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

    /// Routes what the filter matches to a tower service.
    ///
    /// # Panics
    /// When there is an equal route already.
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

    /// Takes what no route is for. Below [`at`](Router::at), only what is sent to these recipients.
    ///
    /// # Panics
    /// When there is a fallback already.
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

    /// Takes on a duty: what the filter matches, where no route is for it, and only where somebody
    /// is at home: the domain, and localparts that something was registered for.
    ///
    /// # Panics
    /// When there is an equal duty already.
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

    /// A duty that speaks about the router itself.
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
        // What stands around it may still be put around it.
        if let Some(Err(unfit)) =
            requirements.map(|requirements| requirements.validate(&filter, false))
        {
            panic!("{unfit}");
        }
        if let Err(overlap) = self.edit().push(Entry {
            tier,
            filter,
            route,
            requirements,
            spawned: false,
            hidden: false,
        }) {
            panic!("{overlap}");
        }
        self
    }

    /// Whether every handler finds in its route what it asks for, now that nothing is put around
    /// the router any more. A component looks at this when it is built.
    ///
    /// # Errors
    /// With the first that does not.
    pub fn validate(&self) -> Result<(), RouteError> {
        let mut wanting = self
            .inner
            .entries
            .iter()
            .filter_map(|entry| Some((entry.requirements?, &entry.filter)));
        wanting.try_for_each(|(requirements, filter)| requirements.validate(filter, true))
    }

    /// The inside, to change it: what was derived from it is gone.
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
            // Both routers had taken on the stock duties: once is enough.
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
        }
    }
}
