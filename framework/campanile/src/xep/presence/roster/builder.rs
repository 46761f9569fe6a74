//! The settings of a roster.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use jid::BareJid;
use tokio::time::Duration;

use super::Roster;
use super::state::{Inner, Settings};
use crate::router::RecipientPattern;
use crate::xep::presence::{
    Availability, Decision, Directory, Policy, PresenceExtension, SubscriptionLimits,
    SubscriptionStore,
};

/// Settings of a [`Roster`].
#[must_use = "a builder does nothing before `build`"]
pub struct RosterBuilder(Settings);

impl RosterBuilder {
    pub(super) fn new(store: Arc<dyn SubscriptionStore>) -> Self {
        Self(Settings {
            store,
            directory: None,
            bots: Vec::new(),
            policy: Arc::new(Decision::Accept),
            mutual: false,
            bounds: SubscriptionLimits::default(),
            availability: Availability::online(),
            availability_of: HashMap::new(),
            extensions: Vec::new(),
            caps: true,
            settle: Duration::from_secs(5),
            per_second: 200,
        })
    }

    /// Sets the policy for subscription requests. Defaults to [`Decision::Accept`].
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.0.policy = Arc::new(policy);
        self
    }

    /// Makes subscriptions mutual: the roster requests a subscription to each new subscriber, and
    /// ends it when the subscriber unsubscribes.
    pub fn mutual(mut self) -> Self {
        self.0.mutual = true;
        self
    }

    /// Limits presence to these localparts, besides the domain itself. They also answer service
    /// discovery and ping, even if nothing else is routed to them.
    ///
    /// # Panics
    /// If an entry is not a valid localpart.
    #[track_caller]
    pub fn bots<'b>(mut self, localparts: impl IntoIterator<Item = &'b str>) -> Self {
        let mut known = HashSet::new();
        for localpart in localparts {
            // Normalized, as the addresses of stanzas are. No closures: a panic there would not be
            // reported at the line of the caller.
            match (
                RecipientPattern::localpart(localpart),
                jid::NodePart::new(localpart),
            ) {
                (Ok(pattern), Ok(prepared)) => {
                    self.0.bots.push(pattern);
                    known.insert(prepared.as_str().to_owned());
                }
                (Err(error), _) => panic!("{error}"),
                (_, Err(error)) => panic!("{localpart:?}: {error}"),
            }
        }
        self.directory(known)
    }

    /// Sets the directory of addresses with presence, besides the domain itself. Defaults to the
    /// addresses that have routes in the component's router.
    pub fn directory(mut self, directory: impl Directory) -> Self {
        self.0.directory = Some(Arc::new(directory));
        self
    }

    /// Sets the limits on the number of subscriptions.
    pub fn limits(mut self, limits: SubscriptionLimits) -> Self {
        self.0.bounds = limits;
        self
    }

    /// Sets the initial availability of all addresses. Defaults to [`Availability::online`].
    pub fn availability(mut self, availability: Availability) -> Self {
        self.0.availability = availability;
        self
    }

    /// Sets the initial availability of one address, which takes precedence over
    /// [`availability`](Self::availability).
    pub fn availability_of(mut self, own: BareJid, availability: Availability) -> Self {
        self.0.availability_of.insert(own, availability);
        self
    }

    /// Adds an extension for the presence of online addresses.
    pub fn extension(mut self, extension: impl PresenceExtension) -> Self {
        self.0.extensions.push(Arc::new(extension));
        self
    }

    /// Omits the hash of the service discovery information (XEP-0115) from presence.
    pub fn without_caps(mut self) -> Self {
        self.0.caps = false;
        self
    }

    /// Sets how long a stream must be open before presence is announced. Defaults to 5 s.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.0.settle = settle;
        self
    }

    /// Sets the rate of broadcasts, in stanzas per second. Defaults to 200.
    pub fn per_second(mut self, stanzas: u32) -> Self {
        self.0.per_second = stanzas;
        self
    }

    /// Builds the roster.
    #[must_use]
    pub fn build(self) -> Roster {
        Roster {
            inner: Arc::new(Inner::new(self.0)),
        }
    }
}

impl fmt::Debug for RosterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RosterBuilder")
            .field("bounds", &self.0.bounds)
            .finish_non_exhaustive()
    }
}
