//! One logger at work: what all of its handlers share.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use campanile::error::{BoxError, Condition, StanzaError};
use campanile::inbound::Inbound;
use campanile::jid::{BareJid, Jid};
use campanile::reply::{Later, Reply};

use crate::Settings;
use crate::draft::{Draft, bare};
use crate::keys::Keys;
use crate::rights::Rights;
use crate::store::{Query, Store, StoreError, Ticket};

/// What handlers of one logger share. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Archive {
    pub(crate) store: Store,
    pub(crate) settings: Arc<Settings>,
    silent: Arc<RwLock<Silent>>,
    asking: Arc<Mutex<HashSet<BareJid>>>,
}

/// Those who do not want to be logged, by keyed hash.
#[derive(Default)]
struct Silent {
    keys: Option<Keys>,
    hashes: HashSet<String>,
}

impl Archive {
    pub(crate) fn new(store: Store, settings: Settings) -> Self {
        Self {
            store,
            settings: Arc::new(settings),
            silent: Arc::default(),
            asking: Arc::default(),
        }
    }

    /// Who the sender of a stanza is here.
    pub(crate) fn rights(&self, inbound: &Inbound) -> Result<Rights, BoxError> {
        Rights::of(inbound.sender(), &self.settings)
    }

    /// Hands a stanza to the store; the answer comes when it is kept.
    pub(crate) fn keep(&self, inbound: &Inbound, reply: Reply) -> Result<Reply, BoxError> {
        let archive = inbound.recipient().to_bare();
        let draft = Draft::new(&archive, inbound.stanza()).ok_or(Condition::BadRequest)?;
        let draft = draft.within(self.settings.quota);
        let (later, answer) = Later::promise();
        self.store
            .keep(draft, Ticket::Owed(answer, reply))
            .map_err(|error| error.to_box())?;
        Ok(Reply::Later(later))
    }

    /// What somebody asks of the archive that a stanza was sent to.
    pub(crate) fn query(inbound: &Inbound, rights: &Rights) -> Query {
        let archive = inbound.recipient().to_bare();
        Query {
            archive: Some(archive),
            owner: rights.owner(),
            limit: 50,
            ..Query::default()
        }
    }

    /// Whether somebody has stopped being logged.
    pub(crate) fn is_silent(&self, jid: &Jid) -> bool {
        let silent = self.silent.read().unwrap_or_else(PoisonError::into_inner);
        if silent.hashes.is_empty() {
            return false;
        }
        silent
            .keys
            .as_ref()
            .is_some_and(|keys| silent.hashes.contains(&keys.hash(bare(jid))))
    }

    /// Stops or resumes logging somebody. It is durable when this returns.
    pub(crate) async fn set_silent(
        &self,
        jid: &BareJid,
        is_silent: bool,
    ) -> Result<(), StoreError> {
        let name = jid.to_string();
        self.store
            .write(move |backend| backend.set_silent(&name, is_silent))
            .await?;
        self.read_silent().await
    }

    /// Learns again who does not want to be logged: other instances may share the store.
    pub(crate) async fn read_silent(&self) -> Result<(), StoreError> {
        let (keys, hashes) = self
            .store
            .write(|backend| Ok((backend.keys(), backend.silent()?)))
            .await?;
        let silent = Silent {
            keys: Some(keys),
            hashes: hashes.into_iter().collect(),
        };
        *self.silent.write().unwrap_or_else(PoisonError::into_inner) = silent;
        Ok(())
    }

    /// Begins a query of somebody, who may have one at a time.
    pub(crate) fn begin(&self, who: &BareJid) -> Result<Asking, BoxError> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        if !asking.insert(who.clone()) {
            let error =
                StanzaError::new(Condition::ResourceConstraint).with_text("one query at a time");
            return Err(error.into());
        }
        Ok(Asking {
            all: Arc::clone(&self.asking),
            who: who.clone(),
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

/// Somebody's query is under way, until this is dropped.
pub(crate) struct Asking {
    all: Arc<Mutex<HashSet<BareJid>>>,
    who: BareJid,
}

impl Drop for Asking {
    fn drop(&mut self) {
        self.all
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&self.who);
    }
}
