//! A stanza on its way in: what every service and every layer is called with.

use std::any::{Any, TypeId};
use std::fmt;
use std::sync::Arc;

use jid::Jid;

use crate::client::Client;
use crate::stanza::{Kind, Stanza};

/// A stanza on its way to a handler, with what layers have added to it.
///
/// IQ results and errors never become one: they resolve the [`Client`]'s pending requests. The
/// stanza has a sender and a recipient, and the recipient lies in the component's domain. Cloning
/// is cheap.
#[derive(Debug, Clone)]
pub struct Inbound {
    stanza: Arc<Stanza>,
    extensions: Extensions,
    client: Client,
}

impl Inbound {
    /// A stanza on its way in; `None` when it lacks its sender or its recipient.
    #[must_use]
    pub fn new(stanza: impl Into<Arc<Stanza>>, client: Client) -> Option<Self> {
        let stanza = stanza.into();
        let addressed = stanza.from().is_some() && stanza.to().is_some();
        addressed.then(|| Self {
            stanza,
            extensions: Extensions::default(),
            client,
        })
    }

    /// The stanza.
    #[must_use]
    pub fn stanza(&self) -> &Stanza {
        &self.stanza
    }

    /// The stanza, shared.
    #[must_use]
    pub fn shared_stanza(&self) -> Arc<Stanza> {
        Arc::clone(&self.stanza)
    }

    /// Kind and type of the stanza.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.stanza.kind()
    }

    /// Who sent it.
    #[must_use]
    #[allow(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "`new` has seen the address"
    )]
    pub fn sender(&self) -> &Jid {
        self.stanza.from().expect("an inbound stanza has a sender")
    }

    /// To whom in the component's domain it was sent.
    #[must_use]
    #[allow(
        clippy::missing_panics_doc,
        clippy::expect_used,
        reason = "`new` has seen the address"
    )]
    pub fn recipient(&self) -> &Jid {
        self.stanza.to().expect("an inbound stanza has a recipient")
    }

    /// What layers have added.
    #[must_use]
    pub fn extensions(&self) -> &Extensions {
        &self.extensions
    }

    /// What layers have added, to add more.
    pub fn extensions_mut(&mut self) -> &mut Extensions {
        &mut self.extensions
    }

    /// The handle to send with.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }
}

/// Values by type, at most one of each: how a layer tells something to the handlers below it.
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
    /// Adds a value, in place of an earlier one of the same type.
    pub fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        let id = TypeId::of::<T>();
        self.values.retain(|(other, _)| *other != id);
        self.values.push((id, Arc::new(value)));
    }

    /// The value of this type.
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
