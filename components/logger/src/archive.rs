//! Shared state of the handlers of one logger.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use campanile::error::{BoxError, Condition, StanzaError};
use campanile::inbound::Inbound;
use campanile::jid::{BareJid, Jid};
use campanile::reply::{Deferred, Reply};
use parking_lot::{Mutex, RwLock};

use crate::Settings;
use crate::keys::Keys;
use crate::new_entry::{NewEntry, bare};
use crate::permissions::Permissions;
use crate::store::{Backend, Completion, Query, Store, StoreError};

/// The maximum time that a read waits for earlier stanzas to be written.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(500);

/// The state shared by the handlers of one logger. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Archive {
    pub(crate) store: Store,
    pub(crate) settings: Arc<Settings>,
    opt_outs: Arc<RwLock<OptOuts>>,
    running: Arc<Mutex<HashSet<BareJid>>>,
}

/// Users who have opted out of logging, by keyed hash.
#[derive(Default)]
struct OptOuts {
    keys: Option<Keys>,
    hashes: HashSet<String>,
}

impl Archive {
    pub(crate) fn new(store: Store, settings: Settings) -> Self {
        Self {
            store,
            settings: Arc::new(settings),
            opt_outs: Arc::default(),
            running: Arc::default(),
        }
    }

    /// Returns the permissions of a stanza's sender.
    pub(crate) fn permissions(&self, inbound: &Inbound) -> Result<Permissions, BoxError> {
        Permissions::of(inbound.sender(), &self.settings)
    }

    /// Hands a stanza to the store; the reply is sent once the entry is on disk.
    pub(crate) fn append(&self, inbound: &Inbound, reply: Reply) -> Result<Reply, BoxError> {
        let archive = inbound.recipient().to_bare();
        let new_entry = NewEntry::new(&archive, inbound.stanza()).ok_or(Condition::BadRequest)?;
        let new_entry = new_entry.with_quota(self.settings.quota);
        let (later, answer) = Deferred::channel();
        self.store
            .append(new_entry, Completion::Reply(answer, reply))
            .map_err(|error| error.to_box())?;
        Ok(Reply::Deferred(later))
    }

    /// Builds a query on the archive that a stanza was addressed to, within these permissions.
    pub(crate) fn query(inbound: &Inbound, permissions: &Permissions) -> Query {
        let archive = inbound.recipient().to_bare();
        Query {
            archive: Some(archive),
            owner: permissions.owner(),
            limit: 50,
            ..Query::default()
        }
    }

    /// Returns `true` if this user has opted out of logging.
    pub(crate) fn is_opted_out(&self, jid: &Jid) -> bool {
        if !self.settings.allow_opt_out {
            return false;
        }
        let opt_outs = self.opt_outs.read();
        if opt_outs.hashes.is_empty() {
            return false;
        }
        opt_outs
            .keys
            .as_ref()
            .is_some_and(|keys| opt_outs.hashes.contains(&keys.hash(bare(jid))))
    }

    /// Returns the keys of the store; `None` until it could be read once.
    pub(crate) fn keys(&self) -> Option<Keys> {
        self.opt_outs.read().keys.clone()
    }

    /// Stops or resumes logging a user. Durable once this returns.
    pub(crate) async fn set_opted_out(
        &self,
        jid: &BareJid,
        is_opted_out: bool,
    ) -> Result<(), StoreError> {
        let name = jid.to_string();
        self.store
            .write(move |backend| backend.set_opted_out(&name, is_opted_out))
            .await?;
        self.refresh_opt_outs().await
    }

    /// Reloads the opt-outs, which other instances on the same store may have changed.
    pub(crate) async fn refresh_opt_outs(&self) -> Result<(), StoreError> {
        let (keys, hashes) = self
            .store
            .write(|backend| Ok((backend.keys(), backend.opted_out()?)))
            .await?;
        let opt_outs = OptOuts {
            keys: Some(keys),
            hashes: hashes.into_iter().collect(),
        };
        *self.opt_outs.write() = opt_outs;
        Ok(())
    }

    /// Waits until the stanzas that were sent before a command are written, so that it finds them
    /// (RFC 6120 §10.1). A store that cannot be written can still be read, so a failure is ignored.
    pub(crate) async fn settle(&self) {
        let _ = tokio::time::timeout(FLUSH_TIMEOUT, self.store.write(|_| Ok(()))).await;
    }

    /// Runs a query of a user. A user may run one query at a time.
    ///
    /// A query ends with its thread: the handler may have timed out before.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        requester: &BareJid,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, BoxError> {
        let guard = self.begin(requester)?;
        let guarded = move |backend: &mut dyn Backend| {
            let _guard = guard;
            job(backend)
        };
        self.store
            .read(guarded)
            .await
            .map_err(|error| error.to_box())
    }

    /// Logs that a user searched, and what kind of search it was, but not its words. Paging through
    /// one's own entries is not worth a line.
    pub(crate) fn log_search(&self, permissions: &Permissions, query: &Query, found: usize) {
        let is_admin = permissions.owner().is_none();
        if !is_admin && query.words.trim().is_empty() {
            return;
        }
        tracing::info!(
            user = %permissions.requester,
            archive = query.archive.as_ref().map(tracing::field::display),
            entries = if is_admin { "all" } else { "own" },
            words = query.words.split_whitespace().count(),
            with = query.with.is_some(),
            period = query.start.is_some() || query.end.is_some(),
            found,
            "archive searched"
        );
    }

    fn begin(&self, requester: &BareJid) -> Result<QueryGuard, BoxError> {
        let mut running = self.running.lock();
        if !running.insert(requester.clone()) {
            let error = StanzaError::new(Condition::ResourceConstraint)
                .with_text("only one query at a time")
                .with_lang("en");
            return Err(error.into());
        }
        Ok(QueryGuard {
            all: Arc::clone(&self.running),
            requester: requester.clone(),
        })
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("store", &self.store)
            .finish_non_exhaustive()
    }
}

/// A running query, which ends when this is dropped.
struct QueryGuard {
    all: Arc<Mutex<HashSet<BareJid>>>,
    requester: BareJid,
}

impl Drop for QueryGuard {
    fn drop(&mut self) {
        self.all.lock().remove(&self.requester);
    }
}
