//! The roster: subscriptions and presence of a component's addresses.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use jid::{BareJid, Jid};
use tokio::sync::MutexGuard as Lock;
use tokio::time::Duration;

use super::SubscriptionStore;
use super::bounced_peers::BouncedPeers;
use super::{
    Availability, Change, CompareAndSwap, Decision, Directory, Policy, PresenceExtension,
    PutOutcome, Subscription, SubscriptionKey, SubscriptionLimits,
};
use crate::client::Client;
use crate::error::BoxError;
use crate::router::{Advertised, RecipientPattern};
use crate::stanza::{Kind, PresenceType, Stanza, WriteError};
use crate::throttle::Throttle;
use crate::xep::caps;
use crate::xep::disco::DiscoInfo;

/// Number of locks, and so of subscription changes that can be made concurrently.
const LOCKS: usize = 64;

/// The roster of a component: the subscriptions and presence of its addresses.
///
/// It is a [module](crate::module::Module), to be registered with the component, and a handle for
/// the program. Cloning is cheap; all clones are the same roster.
#[derive(Clone)]
pub struct Roster {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) client: OnceLock<Client>,
    pub(super) disco: RwLock<Option<Advertised>>,
    current: RwLock<CurrentAvailability>,
    bounced_peers: Mutex<BouncedPeers>,
    /// A subscription is read, decided about and written while one of these is held.
    locks: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
    refused: AtomicU64,
    log: Mutex<Throttle>,
}

/// The current availability of all addresses.
#[derive(Debug, Clone)]
pub(super) struct CurrentAvailability {
    default: Availability,
    /// Addresses whose availability differs from the default.
    overrides: HashMap<BareJid, Availability>,
}

impl CurrentAvailability {
    fn of(&self, own: &BareJid) -> &Availability {
        self.overrides.get(own).unwrap_or(&self.default)
    }

    pub(super) fn is_online(&self, own: &BareJid) -> bool {
        self.of(own).is_online()
    }
}

pub(super) struct Settings {
    pub(super) store: Arc<dyn SubscriptionStore>,
    pub(super) directory: Option<Arc<dyn Directory>>,
    pub(super) bots: Vec<RecipientPattern>,
    pub(super) policy: Arc<dyn Policy>,
    pub(super) mutual: bool,
    pub(super) bounds: SubscriptionLimits,
    pub(super) availability: Availability,
    pub(super) availability_of: HashMap<BareJid, Availability>,
    pub(super) extensions: Vec<Arc<dyn PresenceExtension>>,
    pub(super) caps: bool,
    pub(super) settle: Duration,
    pub(super) per_second: u32,
}

/// Settings of a [`Roster`].
#[must_use = "a builder does nothing before `build`"]
pub struct RosterBuilder(Settings);

impl Roster {
    /// Creates a roster for all routed addresses that accepts every request.
    #[must_use]
    pub fn new(store: impl SubscriptionStore) -> Self {
        Self::builder(store).build()
    }

    /// Creates a builder for a roster that keeps its subscriptions in this store.
    pub fn builder(store: impl SubscriptionStore) -> RosterBuilder {
        RosterBuilder(Settings {
            store: Arc::new(store),
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

    /// Returns the subscription between an address and a peer.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn subscription(&self, key: &SubscriptionKey) -> Result<Subscription, BoxError> {
        self.inner.settings.store.get(key).await
    }

    /// Grants a pending subscription request. Without a pending request, it has no effect.
    ///
    /// # Errors
    /// If the store fails, or if the component is not running yet or has ended.
    pub async fn accept(&self, key: &SubscriptionKey) -> Result<(), BoxError> {
        if self.change(key, Change::Subscribed).await? {
            self.send_presence(key).await?;
        }
        Ok(())
    }

    /// Refuses a pending subscription request, or cancels a subscription of a peer.
    ///
    /// # Errors
    /// If the store fails, or if the component is not running yet or has ended.
    pub async fn deny(&self, key: &SubscriptionKey) -> Result<(), BoxError> {
        self.change(key, Change::Unsubscribed).await.map(drop)
    }

    /// Requests a subscription to the presence of a peer, which is then routed to handlers like any
    /// other presence.
    ///
    /// # Errors
    /// If the store fails or is full, or if the component is not running yet or has ended.
    pub async fn subscribe(&self, key: &SubscriptionKey) -> Result<(), BoxError> {
        self.change(key, Change::Subscribe).await.map(drop)
    }

    /// Ends the subscription to the presence of a peer.
    ///
    /// # Errors
    /// If the store fails, or if the component is not running yet or has ended.
    pub async fn unsubscribe(&self, key: &SubscriptionKey) -> Result<(), BoxError> {
        self.change(key, Change::Unsubscribe).await.map(drop)
    }

    /// Returns the current availability of an address.
    #[must_use]
    pub fn availability(&self, own: &BareJid) -> Availability {
        self.inner.availability(own)
    }

    /// Returns how many subscriptions were rejected because a limit was reached.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }

    /// Returns how many subscriptions are suspended because the peer has returned presence as an
    /// error.
    #[must_use]
    #[doc(hidden)]
    pub fn bounced_peers(&self) -> usize {
        self.inner.bounced_peers().len()
    }

    /// Makes an outbound change. Returns `true` if its stanza was sent.
    async fn change(&self, key: &SubscriptionKey, change: Change) -> Result<bool, BoxError> {
        let inner = &self.inner;
        let client = inner
            .client
            .get()
            .ok_or("the component of this roster is not running yet")?;
        let passes = {
            let _lock = inner.lock(key).await;
            loop {
                let before = inner.settings.store.get(key).await?;
                let step = before.outbound(change);
                match inner
                    .put(
                        key,
                        CompareAndSwap {
                            before,
                            after: step.next,
                        },
                    )
                    .await?
                {
                    PutOutcome::Stored => break step.passes,
                    PutOutcome::Full => return Err("too many subscriptions".into()),
                    PutOutcome::Conflict => {}
                }
            }
        };
        if passes {
            client.send(stanza(key, change.presence_type())).await?;
        }
        if passes && change == Change::Unsubscribed {
            // RFC 6121 §3.2.2: the former subscriber must not keep the address as online.
            client.send(stanza(key, PresenceType::Unavailable)).await?;
        }
        Ok(passes)
    }

    /// Sends the current presence to one peer.
    async fn send_presence(&self, key: &SubscriptionKey) -> Result<(), BoxError> {
        let client = self
            .inner
            .client
            .get()
            .ok_or("the component of this roster is not running yet")?;
        let availability = self.inner.availability(&key.own);
        if availability.is_online() {
            client
                .send(
                    self.inner
                        .presence(key, &key.peer.clone().into(), &availability)?,
                )
                .await?;
        }
        Ok(())
    }
}

impl Inner {
    pub(super) fn availability(&self, own: &BareJid) -> Availability {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .of(own)
            .clone()
    }

    pub(super) fn set_availability(&self, own: BareJid, availability: Availability) {
        self.current
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .overrides
            .insert(own, availability);
    }

    /// Sets all addresses to offline, and returns their previous availability.
    pub(super) fn go_offline(&self) -> CurrentAvailability {
        let offline = CurrentAvailability {
            default: Availability::offline(),
            overrides: HashMap::new(),
        };
        std::mem::replace(
            &mut *self.current.write().unwrap_or_else(PoisonError::into_inner),
            offline,
        )
    }

    pub(super) async fn exists(&self, own: &BareJid) -> bool {
        match &self.settings.directory {
            _ if own.node().is_none() => true,
            Some(directory) => directory.exists(own).await,
            None => self.advertised(own, |_| ()).is_some(),
        }
    }

    /// Reads the service discovery information of an address.
    fn advertised<T>(&self, own: &BareJid, read: impl FnOnce(&DiscoInfo) -> T) -> Option<T> {
        let disco = self.disco.read().unwrap_or_else(PoisonError::into_inner);
        disco
            .as_ref()?
            .info(own.node().map(jid::NodeRef::as_str), None)
            .map(read)
    }

    pub(super) async fn lock(&self, key: &SubscriptionKey) -> Lock<'_, ()> {
        let hash = self.hasher.hash_one(key) % LOCKS as u64;
        self.locks[usize::try_from(hash).unwrap_or_default()]
            .lock()
            .await
    }

    /// Stores a changed subscription. If the store is full, counts and logs it (rate-limited).
    pub(super) async fn put(
        &self,
        key: &SubscriptionKey,
        change: CompareAndSwap,
    ) -> Result<PutOutcome, BoxError> {
        if change.before == change.after {
            return Ok(PutOutcome::Stored);
        }
        let outcome = self
            .settings
            .store
            .put(key, change, &self.settings.bounds)
            .await?;
        if outcome == PutOutcome::Full {
            self.refused.fetch_add(1, Ordering::Relaxed);
            if let Some(client) = self.client.get() {
                client.shared().counters.subscriptions_refused.inc();
            }
            if self
                .log
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .allow()
            {
                tracing::warn!(
                    own = %key.own,
                    peer = %key.peer,
                    "subscription rejected: limit reached"
                );
            }
        }
        Ok(outcome)
    }

    pub(super) fn bounced_peers(&self) -> MutexGuard<'_, BouncedPeers> {
        // No code that can panic runs under this lock.
        self.bounced_peers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds the presence of an address, with caps and extensions.
    pub(super) fn presence(
        &self,
        key: &SubscriptionKey,
        to: &Jid,
        availability: &Availability,
    ) -> Result<Stanza, WriteError> {
        let stanza = availability.stanza(&key.own, to)?;
        if !availability.is_online() {
            return Ok(stanza);
        }
        let caps = self
            .advertised(&key.own, caps::caps)
            .filter(|_| self.settings.caps);
        let stanza = match caps {
            Some(caps) => stanza.with_child(&caps)?,
            None => stanza,
        };
        self.settings
            .extensions
            .iter()
            .try_fold(stanza, |stanza, extension| {
                extension.extend(&key.own, stanza)
            })
    }
}

/// Builds presence from bare JID to bare JID, as required for subscriptions (RFC 6121 §3.1.1).
pub(super) fn stanza(key: &SubscriptionKey, kind: PresenceType) -> Stanza {
    Stanza::new(Kind::Presence(kind))
        .with_from(key.own.clone())
        .with_to(key.peer.clone())
}

impl RosterBuilder {
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
    pub fn build(mut self) -> Roster {
        let overrides = std::mem::take(&mut self.0.availability_of);
        let current = CurrentAvailability {
            default: self.0.availability.clone(),
            overrides,
        };
        let inner = Inner {
            settings: self.0,
            client: OnceLock::new(),
            disco: RwLock::default(),
            current: RwLock::new(current),
            bounced_peers: Mutex::default(),
            locks: (0..LOCKS).map(|_| tokio::sync::Mutex::new(())).collect(),
            hasher: RandomState::new(),
            refused: AtomicU64::new(0),
            log: Mutex::default(),
        };
        Roster {
            inner: Arc::new(inner),
        }
    }
}

impl fmt::Debug for Roster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roster")
            .field("bounced_peers", &self.bounced_peers())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for RosterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RosterBuilder")
            .field("bounds", &self.0.bounds)
            .finish_non_exhaustive()
    }
}
