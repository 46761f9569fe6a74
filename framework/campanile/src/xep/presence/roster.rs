//! The subscriptions of a component's addresses, and their presence.

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

/// How many changes of subscriptions may be under way at a time, but for those that fall together.
const LOCKS: usize = 64;

/// The subscriptions of a component's addresses, and their presence: a
/// [module](crate::module::Module) for the component, and a handle for the program. Cloning is
/// cheap, and all clones are the same roster.
#[derive(Clone)]
pub struct Roster {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) settings: Settings,
    pub(super) client: OnceLock<Client>,
    pub(super) disco: RwLock<Option<Advertised>>,
    told: RwLock<Told>,
    bounced_peers: Mutex<BouncedPeers>,
    /// Each change of a subscription is read, decided and written behind one of these.
    locks: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
    refused: AtomicU64,
    log: Mutex<Throttle>,
}

/// What the addresses of ours say about themselves.
#[derive(Debug, Clone)]
pub(super) struct Told {
    all: Availability,
    /// Those of which the program has said something.
    each: HashMap<BareJid, Availability>,
}

impl Told {
    fn of(&self, own: &BareJid) -> &Availability {
        self.each.get(own).unwrap_or(&self.all)
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
    /// A roster that accepts everybody, of all addresses that something is routed to.
    #[must_use]
    pub fn new(store: impl SubscriptionStore) -> Self {
        Self::builder(store).build()
    }

    /// Begins a roster that keeps its subscriptions in this store.
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

    /// The subscription of a pair.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn subscription(&self, pair: &SubscriptionKey) -> Result<Subscription, BoxError> {
        self.inner.settings.store.get(pair).await
    }

    /// Lets a peer see an address of ours, when it has asked for that.
    ///
    /// # Errors
    /// When the store fails, or the component has ended.
    pub async fn accept(&self, pair: &SubscriptionKey) -> Result<(), BoxError> {
        if self.change(pair, Change::Subscribed).await? {
            self.tell(pair).await?;
        }
        Ok(())
    }

    /// Refuses a request, or no longer lets a peer see an address of ours.
    ///
    /// # Errors
    /// When the store fails, or the component has ended.
    pub async fn deny(&self, pair: &SubscriptionKey) -> Result<(), BoxError> {
        self.change(pair, Change::Unsubscribed).await.map(drop)
    }

    /// Asks a peer to let an address of ours see its presence, which is then routed as any other.
    ///
    /// # Errors
    /// When the store fails or is full, or the component has ended.
    pub async fn subscribe(&self, pair: &SubscriptionKey) -> Result<(), BoxError> {
        self.change(pair, Change::Subscribe).await.map(drop)
    }

    /// No longer wants to see a peer's presence.
    ///
    /// # Errors
    /// When the store fails, or the component has ended.
    pub async fn unsubscribe(&self, pair: &SubscriptionKey) -> Result<(), BoxError> {
        self.change(pair, Change::Unsubscribe).await.map(drop)
    }

    /// What an address of ours says about itself.
    #[must_use]
    pub fn availability(&self, own: &BareJid) -> Availability {
        self.inner.availability(own)
    }

    /// How many requests were refused because there were too many subscriptions.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.inner.refused.load(Ordering::Relaxed)
    }

    /// How many pairs are sent no presence because the peer has sent it back.
    #[must_use]
    pub fn bounced_peers(&self) -> usize {
        self.inner.bounced_peers().len()
    }

    /// One of our own changes. True when it went out.
    async fn change(&self, pair: &SubscriptionKey, change: Change) -> Result<bool, BoxError> {
        let inner = &self.inner;
        let client = inner
            .client
            .get()
            .ok_or("the component of this roster does not run yet")?;
        let passes = {
            let _lock = inner.lock(pair).await;
            loop {
                let before = inner.settings.store.get(pair).await?;
                let step = before.outbound(change);
                match inner
                    .keep(
                        pair,
                        CompareAndSwap {
                            before,
                            after: step.next,
                        },
                    )
                    .await?
                {
                    PutOutcome::Stored => break step.passes,
                    PutOutcome::Full => return Err("there are too many subscriptions".into()),
                    PutOutcome::Conflict => {}
                }
            }
        };
        if passes {
            client.send(stanza(pair, change.presence_type())).await?;
        }
        if passes && change == Change::Unsubscribed {
            // RFC 6121 §3.2.2: who may no longer see us must not go on believing that we are there.
            client.send(stanza(pair, PresenceType::Unavailable)).await?;
        }
        Ok(passes)
    }

    /// Sends the present presence to one peer.
    async fn tell(&self, pair: &SubscriptionKey) -> Result<(), BoxError> {
        let client = self
            .inner
            .client
            .get()
            .ok_or("the component of this roster does not run yet")?;
        let availability = self.inner.availability(&pair.own);
        if availability.is_online() {
            client
                .send(
                    self.inner
                        .presence(pair, &pair.peer.clone().into(), &availability)?,
                )
                .await?;
        }
        Ok(())
    }
}

impl Inner {
    pub(super) fn availability(&self, own: &BareJid) -> Availability {
        self.told
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .of(own)
            .clone()
    }

    pub(super) fn set_availability(&self, own: BareJid, availability: Availability) {
        self.told
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .each
            .insert(own, availability);
    }

    /// From now on everybody is offline. What they were before comes back.
    pub(super) fn leave(&self) -> Told {
        let gone = Told {
            all: Availability::offline(),
            each: HashMap::new(),
        };
        std::mem::replace(
            &mut *self.told.write().unwrap_or_else(PoisonError::into_inner),
            gone,
        )
    }

    pub(super) async fn exists(&self, own: &BareJid) -> bool {
        match &self.settings.directory {
            _ if own.node().is_none() => true,
            Some(directory) => directory.exists(own).await,
            None => self.advertised(own, |_| ()).is_some(),
        }
    }

    /// What disco says about an address of ours.
    fn advertised<T>(&self, own: &BareJid, read: impl FnOnce(&DiscoInfo) -> T) -> Option<T> {
        let disco = self.disco.read().unwrap_or_else(PoisonError::into_inner);
        disco
            .as_ref()?
            .info(own.node().map(jid::NodeRef::as_str), None)
            .map(read)
    }

    pub(super) async fn lock(&self, pair: &SubscriptionKey) -> Lock<'_, ()> {
        let hash = self.hasher.hash_one(pair) % LOCKS as u64;
        self.locks[usize::try_from(hash).unwrap_or_default()]
            .lock()
            .await
    }

    /// Writes a subscription; one that is as it was need not be. A full store is said aloud, not
    /// too often.
    pub(super) async fn keep(
        &self,
        pair: &SubscriptionKey,
        change: CompareAndSwap,
    ) -> Result<PutOutcome, BoxError> {
        if change.before == change.after {
            return Ok(PutOutcome::Stored);
        }
        let kept = self
            .settings
            .store
            .put(pair, change, &self.settings.bounds)
            .await?;
        if kept == PutOutcome::Full {
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
                tracing::warn!(own = %pair.own, peer = %pair.peer, "too many subscriptions: one is \
                    not kept");
            }
        }
        Ok(kept)
    }

    pub(super) fn bounced_peers(&self) -> MutexGuard<'_, BouncedPeers> {
        // No code that can panic runs under this lock.
        self.bounced_peers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The presence of an address of ours, complete.
    pub(super) fn presence(
        &self,
        pair: &SubscriptionKey,
        to: &Jid,
        availability: &Availability,
    ) -> Result<Stanza, WriteError> {
        let stanza = availability.stanza(&pair.own, to)?;
        if !availability.is_online() {
            return Ok(stanza);
        }
        let caps = self
            .advertised(&pair.own, caps::caps)
            .filter(|_| self.settings.caps);
        let stanza = match caps {
            Some(caps) => stanza.with_child(&caps)?,
            None => stanza,
        };
        self.settings
            .extensions
            .iter()
            .try_fold(stanza, |stanza, extension| {
                extension.extend(&pair.own, stanza)
            })
    }
}

/// Presence from bare JID to bare JID, as all about subscriptions is (RFC 6121 §3.1.1).
pub(super) fn stanza(pair: &SubscriptionKey, kind: PresenceType) -> Stanza {
    Stanza::new(Kind::Presence(kind))
        .with_from(pair.own.clone())
        .with_to(pair.peer.clone())
}

impl RosterBuilder {
    /// Decides who may see our presence; [`Decision::Accept`] unless said.
    pub fn policy(mut self, policy: impl Policy) -> Self {
        self.0.policy = Arc::new(policy);
        self
    }

    /// Asks whoever may see us to let us see it as well, and ends that when it no longer wants to
    /// see us.
    pub fn mutual(mut self) -> Self {
        self.0.mutual = true;
        self
    }

    /// Only these localparts have presence, besides the domain itself. They are there for disco and
    /// ping as well, whatever else is routed to them.
    ///
    /// # Panics
    /// When a text is no localpart.
    #[track_caller]
    pub fn bots<'b>(mut self, localparts: impl IntoIterator<Item = &'b str>) -> Self {
        let mut known = HashSet::new();
        for localpart in localparts {
            // In the form in which addresses come; and no closures, where a panic would not be at
            // the caller's line.
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

    /// Says which addresses have presence, besides the domain itself. Unless said, those that
    /// something was registered for in the component's router.
    pub fn directory(mut self, directory: impl Directory) -> Self {
        self.0.directory = Some(Arc::new(directory));
        self
    }

    /// How many subscriptions there may be.
    pub fn limits(mut self, limits: SubscriptionLimits) -> Self {
        self.0.bounds = limits;
        self
    }

    /// What every address says about itself until the program says something else;
    /// [`Availability::online`] unless said.
    pub fn availability(mut self, availability: Availability) -> Self {
        self.0.availability = availability;
        self
    }

    /// What one address says about itself until the program says something else, in place of what
    /// all say.
    pub fn availability_of(mut self, own: BareJid, availability: Availability) -> Self {
        self.0.availability_of.insert(own, availability);
        self
    }

    /// Adds something to all presence of who is online.
    pub fn extension(mut self, extension: impl PresenceExtension) -> Self {
        self.0.extensions.push(Arc::new(extension));
        self
    }

    /// Leaves the hash of what disco says (XEP-0115) out of presence.
    pub fn without_caps(mut self) -> Self {
        self.0.caps = false;
        self
    }

    /// How long a link must have held before presence is sent anew; five seconds unless said.
    pub fn settle(mut self, settle: Duration) -> Self {
        self.0.settle = settle;
        self
    }

    /// How many stanzas a second are sent to all who see us; 200 unless said.
    pub fn per_second(mut self, stanzas: u32) -> Self {
        self.0.per_second = stanzas;
        self
    }

    /// The roster.
    #[must_use]
    pub fn build(mut self) -> Roster {
        let each = std::mem::take(&mut self.0.availability_of);
        let told = Told {
            all: self.0.availability.clone(),
            each,
        };
        let inner = Inner {
            settings: self.0,
            client: OnceLock::new(),
            disco: RwLock::default(),
            told: RwLock::new(told),
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
