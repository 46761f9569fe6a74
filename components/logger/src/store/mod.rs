//! Where entries are kept, and how they are asked for.

mod error;
mod index_terms;
mod metrics;
mod planner;
#[cfg(feature = "postgres")]
mod postgres;
mod queue;
mod read_pool;
mod sqlite;
mod usage;

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use campanile::jid::{BareJid, Jid};
use campanile::metrics::Metric;

pub use self::error::StoreError;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
pub(crate) use self::queue::Completion;
use self::queue::Writer;
use self::read_pool::ReadPool;
pub use self::sqlite::SqliteStore;
use crate::keys::Keys;
use crate::new_entry::{Class, NewEntry};

/// The place of an entry in a store: microseconds since 1970, made different for each entry. Order
/// and time in one.
pub type Place = i64;

/// Opens connections to one database.
pub trait Open: Send + Sync + 'static {
    /// Opens a connection; one that writes brings the schema up to date.
    ///
    /// # Errors
    /// When the database is not there, locked, or of a newer version.
    fn open(&self, write: bool) -> Result<Box<dyn Backend>, StoreError>;

    /// What people know the store by; no secrets.
    fn name(&self) -> String;

    /// Whether it is reached over a network, and may be gone for a while.
    fn is_remote(&self) -> bool {
        false
    }
}

/// One connection to a database. Calls block; [`Store`] keeps them off the threads of the runtime.
#[allow(
    private_interfaces,
    reason = "keys stay in this crate, and so do implementations"
)]
pub trait Backend: Send {
    /// The key of the store.
    #[doc(hidden)]
    fn keys(&self) -> Keys;

    /// Keeps all of a batch, durably, or nothing. An entry beyond a quota is refused alone.
    ///
    /// # Errors
    /// When nothing was kept.
    fn commit(&mut self, batch: &[NewEntry]) -> Result<Vec<Result<Place, StoreError>>, StoreError>;

    /// One page of what was asked for.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn page(&mut self, query: &Query) -> Result<Page, StoreError>;

    /// How many entries a query has in all, without its bounds for paging. `None` when there are
    /// more than `most`.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn count(&mut self, query: &Query, most: u64) -> Result<Option<u64>, StoreError>;

    /// The place of an entry that the query's owner may see in the query's archive.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when there is none of this id.
    fn place(&mut self, query: &Query, id: &str) -> Result<Place, StoreError>;

    /// Erases some entries that this bare JID sent or received, and says how many; 0 when nothing
    /// of it is left. The first step notes that it was begun.
    ///
    /// # Errors
    /// When the database cannot be written.
    fn erase(&mut self, jid: &str, most: usize) -> Result<usize, StoreError>;

    /// Makes sure that no byte of what was erased stays in any file: then an erasure is at its end.
    ///
    /// # Errors
    /// When somebody reads the old bytes just now; to be tried again.
    fn scrub(&mut self) -> Result<(), StoreError>;

    /// Whose erasure was begun and is not at its end, by the names that they have here now.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn unfinished(&mut self) -> Result<Vec<String>, StoreError>;

    /// Removes some of the oldest entries, as the rule says; 0 when none is left to remove.
    ///
    /// # Errors
    /// When the database cannot be written.
    fn prune(&mut self, rule: &Prune, most: usize) -> Result<usize, StoreError>;

    /// Whether a bare JID wants to be logged.
    ///
    /// # Errors
    /// When the database cannot be written.
    fn set_opted_out(&mut self, jid: &str, opted_out: bool) -> Result<(), StoreError>;

    /// The keyed hashes of those who do not want to be logged.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn opted_out(&mut self) -> Result<Vec<String>, StoreError>;

    /// How much is kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn usage(&mut self, owner: Option<&str>) -> Result<Usage, StoreError>;
}

/// What is asked for. All conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// In this archive; `None` is all.
    pub archive: Option<BareJid>,
    /// What this bare JID sent or received; `None` is everything.
    pub owner: Option<BareJid>,
    /// To or from this address; a bare one stands for all its resources.
    pub with: Option<Jid>,
    /// Of these classes; empty is all.
    pub classes: Vec<Class>,
    /// With all these words; `bell*` is a beginning, and words between quotation marks stand one
    /// behind the other.
    pub words: String,
    /// With a payload of this namespace and name.
    pub payload: Option<(String, String)>,
    /// Not before this, in microseconds since 1970.
    pub start: Option<i64>,
    /// Not after this.
    pub end: Option<i64>,
    /// Behind this place.
    pub after: Option<Place>,
    /// Before this place.
    pub before: Option<Place>,
    /// Only these places; empty is all.
    pub places: Vec<Place>,
    /// The page at the end of what is asked for, instead of the one at its beginning.
    pub from_end: bool,
    /// Entries of a page at the most.
    pub limit: usize,
}

/// One entry of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is, and when it came.
    pub place: Place,
    /// The opaque id that the world knows it by.
    pub id: String,
    /// Bare address of its archive.
    pub archive: String,
    /// Bare address of the sender, or what stands for one that was erased.
    pub from: String,
    /// Bare address of the recipient, or what stands for one that was erased.
    pub to: String,
    /// What kind it is.
    pub class: Class,
    /// The stanza as it came, in `jabber:client`; `None` when it was erased.
    pub stanza: Option<String>,
}

/// Entries in the order of time.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// Whether there are more in the direction of the query.
    pub more: bool,
}

/// Which entries are to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prune {
    /// Those from before this time, in microseconds since 1970.
    Before(i64),
    /// The oldest of whoever keeps most, while all together have more bytes than this.
    Above(u64),
}

/// How much is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Entries.
    pub entries: u64,
    /// Bytes of their stanzas.
    pub bytes: u64,
    /// The first and the last one.
    pub span: Option<(Place, Place)>,
    /// Those who sent most, with entries and bytes; at most ten.
    pub senders: Vec<(String, u64, u64)>,
}

/// How much one sender, and all of one domain, may keep here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of one bare JID; `None` is without bound.
    pub per_sender: Option<u64>,
    /// Bytes of all senders of one domain.
    pub per_domain: Option<u64>,
}

/// A store: one thread that writes, some connections that read. Cloning is cheap.
#[derive(Clone)]
pub struct Store {
    open: Arc<dyn Open>,
    writer: Arc<Writer>,
    read_pool: Arc<ReadPool>,
    /// Erasures of this process go one after the other.
    erasing: Arc<tokio::sync::Mutex<()>>,
}

impl Store {
    /// A store on this database. Nothing is opened before it is needed.
    #[must_use]
    pub fn new(open: impl Open) -> Self {
        let open: Arc<dyn Open> = Arc::new(open);
        let writer = Arc::new(Writer::new(Arc::clone(&open)));
        let read_pool = Arc::new(ReadPool::new(Arc::clone(&open)));
        Self {
            open,
            writer,
            read_pool,
            erasing: Arc::default(),
        }
    }

    /// What people know it by.
    #[must_use]
    pub fn name(&self) -> String {
        self.open.name()
    }

    /// Whether it is reached over a network, and may be gone for a while.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.open.is_remote()
    }

    /// What was done since the process began, and what waits, as figures for operators.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        self.writer.metrics()
    }

    /// Hands over what is to be kept. The ticket is settled when it is, or when it cannot be.
    ///
    /// # Errors
    /// [`StoreError::Full`] when too much waits already; then nobody is told by the ticket.
    pub(crate) fn append(
        &self,
        new_entry: NewEntry,
        completion: Completion,
    ) -> Result<(), StoreError> {
        self.writer.append(new_entry, completion)
    }

    /// Runs something on the connection that writes, between two batches.
    ///
    /// # Errors
    /// What it gives, or when the database cannot be opened.
    pub async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(job).await
    }

    /// Waits until what was handed over before is on the disk.
    pub(crate) async fn flush(&self) {
        if let Err(error) = self.write(|_| Ok(())).await {
            tracing::warn!(store = %self.name(), %error, "the archive was not written to its end");
        }
    }

    /// Runs something on a connection that reads.
    ///
    /// # Errors
    /// What it gives, or when the database cannot be opened.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_pool.run(job).await
    }

    /// Erases everything that a bare JID sent or received, in small steps, between which others
    /// write. Gives how many.
    ///
    /// # Errors
    /// When the database cannot be written; what was erased until then stays erased, and
    /// [`finish_erasing`](Store::finish_erasing) does the rest.
    pub async fn erase(&self, jid: &str) -> Result<u64, StoreError> {
        let _alone = self.erasing.lock().await;
        self.erase_alone(jid).await
    }

    /// Goes on with every erasure that was begun and not brought to its end, by a kill or by a
    /// fault. Gives how many entries are erased now; `None` when there was nothing to go on with.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn finish_erasing(&self) -> Result<Option<u64>, StoreError> {
        let _alone = self.erasing.lock().await;
        let unfinished = self.write(|backend| backend.unfinished()).await?;
        let mut erased = None;
        for jid in unfinished {
            erased = Some(erased.unwrap_or_default() + self.erase_alone(&jid).await?);
        }
        Ok(erased)
    }

    async fn erase_alone(&self, jid: &str) -> Result<u64, StoreError> {
        let mut erased = 0;
        loop {
            let name = jid.to_owned();
            match self.write(move |backend| backend.erase(&name, 200)).await? {
                0 => break,
                some => erased += some as u64,
            }
        }
        self.scrub().await?;
        Ok(erased)
    }

    /// Removes what a rule says, in small steps. Gives how many.
    ///
    /// # Errors
    /// When the database cannot be written; what was removed until then stays removed.
    pub async fn prune(&self, rule: Prune) -> Result<u64, StoreError> {
        let mut pruned = 0;
        loop {
            let step = rule.clone();
            match self
                .write(move |backend| backend.prune(&step, 1000))
                .await?
            {
                0 => return Ok(pruned),
                some => pruned += some as u64,
            }
        }
    }

    /// A reader that is in the middle of a page holds on to the old bytes: it is waited for.
    async fn scrub(&self) -> Result<(), StoreError> {
        let mut tries = 0;
        loop {
            match self.write(|backend| backend.scrub()).await {
                Err(StoreError::Busy) if tries < 50 => tries += 1,
                done => return done,
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    }
}

/// Microseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Store").field(&self.open.name()).finish()
    }
}
