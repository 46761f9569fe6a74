//! The state that all clones of a roster share.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use jid::{BareJid, Jid};
use tokio::sync::MutexGuard as Lock;
use tokio::time::Duration;

use xmpp_parsers::caps::Caps;

use crate::client::Client;
use crate::error::BoxError;
use crate::router::{Advertised, RecipientPattern};
use crate::stanza::{Kind, PresenceType, Stanza, WriteError};
use crate::throttle::Throttle;
use crate::xep::caps;
use crate::xep::presence::bounced_peers::BouncedPeers;
use crate::xep::presence::{
    Availability, CompareAndSwap, Directory, Policy, PresenceExtension, PutOutcome,
    SubscriptionKey, SubscriptionLimits, SubscriptionStore,
};

/// Number of locks, and so of subscription changes that can be made concurrently.
const LOCKS: usize = 64;

pub(in crate::xep::presence) struct Inner {
    pub(in crate::xep::presence) settings: Settings,
    pub(in crate::xep::presence) client: OnceLock<Client>,
    pub(in crate::xep::presence) disco: RwLock<Option<Advertised>>,
    current: RwLock<CurrentAvailability>,
    bounced_peers: Mutex<BouncedPeers>,
    /// A subscription is read, decided about and written while one of these is held.
    locks: Vec<tokio::sync::Mutex<()>>,
    hasher: RandomState,
    pub(super) refused: AtomicU64,
    log: Mutex<Throttle>,
}

/// The current availability of all addresses.
#[derive(Debug, Clone)]
pub(in crate::xep::presence) struct CurrentAvailability {
    default: Availability,
    /// Addresses whose availability differs from the default.
    overrides: HashMap<BareJid, Availability>,
}

impl CurrentAvailability {
    fn of(&self, own: &BareJid) -> &Availability {
        self.overrides.get(own).unwrap_or(&self.default)
    }

    pub(in crate::xep::presence) fn is_online(&self, own: &BareJid) -> bool {
        self.of(own).is_online()
    }
}

pub(in crate::xep::presence) struct Settings {
    pub(in crate::xep::presence) store: Arc<dyn SubscriptionStore>,
    pub(in crate::xep::presence) directory: Option<Arc<dyn Directory>>,
    pub(in crate::xep::presence) bots: Vec<RecipientPattern>,
    pub(in crate::xep::presence) policy: Arc<dyn Policy>,
    pub(in crate::xep::presence) mutual: bool,
    pub(in crate::xep::presence) bounds: SubscriptionLimits,
    pub(in crate::xep::presence) availability: Availability,
    pub(in crate::xep::presence) availability_of: HashMap<BareJid, Availability>,
    pub(in crate::xep::presence) extensions: Vec<Arc<dyn PresenceExtension>>,
    pub(in crate::xep::presence) caps: bool,
    pub(in crate::xep::presence) settle: Duration,
    pub(in crate::xep::presence) per_second: u32,
}

impl Inner {
    pub(super) fn new(mut settings: Settings) -> Self {
        let overrides = std::mem::take(&mut settings.availability_of);
        let current = CurrentAvailability {
            default: settings.availability.clone(),
            overrides,
        };
        Self {
            settings,
            client: OnceLock::new(),
            disco: RwLock::default(),
            current: RwLock::new(current),
            bounced_peers: Mutex::default(),
            locks: (0..LOCKS).map(|_| tokio::sync::Mutex::new(())).collect(),
            hasher: RandomState::new(),
            refused: AtomicU64::new(0),
            log: Mutex::default(),
        }
    }

    pub(in crate::xep::presence) fn availability(&self, own: &BareJid) -> Availability {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .of(own)
            .clone()
    }

    pub(in crate::xep::presence) fn set_availability(
        &self,
        own: BareJid,
        availability: Availability,
    ) {
        self.current
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .overrides
            .insert(own, availability);
    }

    /// Sets all addresses to offline, and returns their previous availability.
    pub(in crate::xep::presence) fn go_offline(&self) -> CurrentAvailability {
        let offline = CurrentAvailability {
            default: Availability::offline(),
            overrides: HashMap::new(),
        };
        std::mem::replace(
            &mut *self.current.write().unwrap_or_else(PoisonError::into_inner),
            offline,
        )
    }

    pub(in crate::xep::presence) async fn exists(&self, own: &BareJid) -> bool {
        match &self.settings.directory {
            _ if own.node().is_none() => true,
            Some(directory) => directory.exists(own).await,
            None => self.caps(own).is_some(),
        }
    }

    /// Returns the entity capabilities of an address.
    fn caps(&self, own: &BareJid) -> Option<Caps> {
        let disco = self.disco.read().unwrap_or_else(PoisonError::into_inner);
        let disco = disco.as_ref()?;
        let info = disco.info(own.node().map(jid::NodeRef::as_str), None)?;
        Some(caps::caps(&disco.caps_node(own.domain().as_str()), info))
    }

    pub(in crate::xep::presence) async fn lock(&self, key: &SubscriptionKey) -> Lock<'_, ()> {
        let hash = self.hasher.hash_one(key) % LOCKS as u64;
        self.locks[usize::try_from(hash).unwrap_or_default()]
            .lock()
            .await
    }

    /// Stores a changed subscription. If the store is full, counts and logs it (rate-limited).
    pub(in crate::xep::presence) async fn put(
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

    pub(in crate::xep::presence) fn bounced_peers(&self) -> MutexGuard<'_, BouncedPeers> {
        // No code that can panic runs under this lock.
        self.bounced_peers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Builds the presence of an address, with caps and extensions.
    pub(in crate::xep::presence) fn presence(
        &self,
        key: &SubscriptionKey,
        to: &Jid,
        availability: &Availability,
    ) -> Result<Stanza, WriteError> {
        let stanza = availability.stanza(&key.own, to)?;
        if !availability.is_online() {
            return Ok(stanza);
        }
        let caps = self.caps(&key.own).filter(|_| self.settings.caps);
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
pub(in crate::xep::presence) fn stanza(key: &SubscriptionKey, kind: PresenceType) -> Stanza {
    Stanza::new(Kind::Presence(kind))
        .with_from(key.own.clone())
        .with_to(key.peer.clone())
}
