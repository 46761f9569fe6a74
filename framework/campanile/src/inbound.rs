//! Inbound stanzas, as services and layers receive them.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use jid::Jid;

use crate::client::Client;
use crate::slow_handlers::CalledRoute;
use crate::stanza::{Kind, Stanza};

/// An inbound stanza with the extensions that layers have added to it.
///
/// IQ results and errors never become an `Inbound`: they complete the [`Client`]'s pending
/// requests. An inbound stanza has a sender and a recipient, and the recipient lies in the
/// component's domain. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Inbound {
    stanza: Arc<Stanza>,
    extensions: Extensions,
    client: Client,
    called_route: CalledRoute,
}

impl Inbound {
    /// Creates an inbound stanza, or returns `None` if its sender or recipient is missing.
    #[must_use]
    pub fn new(stanza: impl Into<Arc<Stanza>>, client: Client) -> Option<Self> {
        Self::with_called_route(stanza.into(), client, CalledRoute::default())
    }

    /// Like [`Inbound::new`], with the record of the called route that the dispatcher reads.
    pub(crate) fn with_called_route(
        stanza: Arc<Stanza>,
        client: Client,
        called_route: CalledRoute,
    ) -> Option<Self> {
        let addressed = stanza.from().is_some() && stanza.to().is_some();
        addressed.then(|| Self {
            stanza,
            extensions: Extensions::default(),
            client,
            called_route,
        })
    }

    /// Returns the record of the route called for this stanza.
    pub(crate) fn called_route(&self) -> &CalledRoute {
        &self.called_route
    }

    /// Starts a new record of the called route, for a call that the dispatcher does not measure.
    pub(crate) fn detach_called_route(&mut self) {
        self.called_route = self.called_route.detached();
    }

    /// The stanza.
    #[must_use]
    pub fn stanza(&self) -> &Stanza {
        &self.stanza
    }

    /// Returns the stanza as a shared pointer.
    #[must_use]
    pub(crate) fn shared_stanza(&self) -> Arc<Stanza> {
        Arc::clone(&self.stanza)
    }

    /// Returns the kind and type of the stanza.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.stanza.kind()
    }

    /// Returns the sender, or its bare JID if the rest is not supported; see
    /// [`Stanza::raw_from`].
    #[must_use]
    #[allow(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "`new` has seen the address"
    )]
    pub fn sender(&self) -> &Jid {
        self.stanza.from().expect("an inbound stanza has a sender")
    }

    /// Returns the recipient, an address in the component's domain, or its bare JID if the rest is
    /// not supported; see [`Stanza::raw_to`].
    #[must_use]
    #[allow(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "`new` has seen the address"
    )]
    pub fn recipient(&self) -> &Jid {
        self.stanza.to().expect("an inbound stanza has a recipient")
    }

    /// Returns the extensions that layers have added.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// Returns a mutable reference to the extensions, for layers to add to.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// Returns the client of the component.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// A map of values by type, with which a layer passes data to the handlers below it.
///
/// ```
/// use campanile::inbound::Extensions;
///
/// #[derive(Clone, Debug, PartialEq)]
/// struct Tenant(&'static str);
///
/// let mut extensions = Extensions::default();
/// extensions.insert(Tenant("blue"));
/// assert_eq!(extensions.get::<Tenant>(), Some(&Tenant("blue")));
/// ```
#[derive(Clone, Default)]
pub struct Extensions {
    // A handful of values at most: a list is faster than any map, and an empty one costs nothing.
    values: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
}

impl Extensions {
    /// Inserts a value, replacing an earlier one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        let id = TypeId::of::<T>();
        self.values.retain(|(other, _)| *other != id);
        self.values.push((id, Arc::new(value)));
    }

    /// Returns the value of this type.
    #[must_use]
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        let id = TypeId::of::<T>();
        self.values
            .iter()
            .find(|(other, _)| *other == id)
            .and_then(|(_, value)| value.downcast_ref())
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Extensions({})", self.values.len())
    }
}
