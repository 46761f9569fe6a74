//! Storage of entries: the [`Store`], its backends and queries.

mod address;
mod deadline;
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

use campanile::error::BoxError;
use campanile::jid::{BareJid, Jid};
use campanile::metrics::Metric;
use campanile::supervise::TaskFailures;

pub use self::deadline::Deadline;
pub use self::error::StoreError;
#[cfg(feature = "postgres")]
pub use self::postgres::PostgresStore;
pub(crate) use self::queue::Completion;
use self::queue::Writer;
use self::read_pool::ReadPool;
pub use self::sqlite::SqliteStore;
use crate::keys::Keys;
use crate::new_entry::{Class, NewEntry};
pub use crate::quota::Quota;

/// The primary key of an entry: its time in microseconds since 1970, incremented where needed to be
/// unique. Entries are ordered by it.
pub type Place = i64;

/// A factory of connections to one database.
pub trait Open: Send + Sync + 'static {
    /// Opens a connection. A connection for writing creates or migrates the schema.
    ///
    /// # Errors
    /// If the database is missing, locked, or has a newer schema version.
    fn open(&self, write: bool) -> Result<Box<dyn Backend>, StoreError>;

    /// Checks that the database could be opened, without changing anything.
    ///
    /// # Errors
    /// If the database cannot be used.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// Returns a name for logs, without secrets.
    fn name(&self) -> String;

    /// Returns `true` if the database is reached over a network, so that outages are temporary.
    fn is_remote(&self) -> bool {
        false
    }
}

/// One connection to a database.
///
/// Calls block; [`Store`] keeps them off the runtime's worker threads.
#[allow(
    private_interfaces,
    reason = "keys are private, and implementations stay in this crate"
)]
pub trait Backend: Send {
    /// Returns the keys of the store.
    #[doc(hidden)]
    fn keys(&self) -> Keys;

    /// Commits a batch durably in one transaction. An entry that exceeds a quota is rejected
    /// individually.
    ///
    /// # Errors
    /// If the transaction fails; then nothing has been stored.
    fn commit(&mut self, batch: &[NewEntry]) -> Result<Vec<Result<Place, StoreError>>, StoreError>;

    /// Limits the time of the following reads, which fail with [`StoreError::Busy`] after it.
    ///
    /// # Errors
    /// If the database cannot be reached.
    fn set_deadline(&mut self, deadline: Deadline) -> Result<(), StoreError>;

    /// Returns one page of a query.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn page(&mut self, query: &Query) -> Result<Page, StoreError>;

    /// Counts all matches of a query, ignoring its page. Returns `None` if there are more than
    /// `most`, or if the index alone cannot tell.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn count(&mut self, query: &Query, most: u64) -> Result<Option<u64>, StoreError>;

    /// Returns the place of the entry with this ID, if the query's owner may see it in the query's
    /// archive.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] otherwise.
    fn place(&mut self, query: &Query, id: &str) -> Result<Place, StoreError>;

    /// Erases up to `most` entries that this bare JID sent or received.
    ///
    /// Returns their number; 0 once none are left. The first step records the erasure, so that it
    /// can be resumed after a crash.
    ///
    /// # Errors
    /// If the database cannot be written.
    fn erase(&mut self, jid: &str, most: usize) -> Result<usize, StoreError>;

    /// Removes every byte of erased entries from the database files, which completes an erasure.
    ///
    /// # Errors
    /// [`StoreError::Busy`] while a reader still uses the old data; try again later.
    fn scrub(&mut self) -> Result<(), StoreError>;

    /// Updates the index of up to `most` entries that an earlier version has written, the newest
    /// first. Returns their number; 0 once none are left.
    ///
    /// # Errors
    /// If the database cannot be written.
    fn reindex(&mut self, most: usize) -> Result<usize, StoreError>;

    /// Returns unneeded space to the file system. Called when the store is idle, and does not wait:
    /// returns `false` if a reader is in the way.
    ///
    /// # Errors
    /// If the database cannot be written.
    fn compact(&mut self) -> Result<bool, StoreError> {
        Ok(true)
    }

    /// Returns the JIDs whose erasure is incomplete: the JID, or its hash once all its entries are
    /// erased.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn unfinished(&mut self) -> Result<Vec<String>, StoreError>;

    /// Removes up to `most` of the oldest entries by this rule. Returns their number; 0 once none
    /// are left.
    ///
    /// # Errors
    /// If the database cannot be written.
    fn prune(&mut self, rule: &Prune, most: usize) -> Result<usize, StoreError>;

    /// Records whether a bare JID has opted out of logging.
    ///
    /// # Errors
    /// If the database cannot be written.
    fn set_opted_out(&mut self, jid: &str, opted_out: bool) -> Result<(), StoreError>;

    /// Returns the keyed hashes of the JIDs that have opted out of logging.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn opted_out(&mut self) -> Result<Vec<String>, StoreError>;

    /// Returns how much is stored, in all or for one bare JID.
    ///
    /// # Errors
    /// If the database cannot be read.
    fn usage(&mut self, owner: Option<&str>) -> Result<Usage, StoreError>;
}

/// A query. All conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// Limits the query to one archive; `None` for all.
    pub archive: Option<BareJid>,
    /// Limits the query to entries that this bare JID sent or received; `None` for all.
    pub owner: Option<BareJid>,
    /// Matches entries to or from this address. A bare JID matches all its resources.
    pub with: Option<Jid>,
    /// The classes to match; empty for all.
    pub classes: Vec<Class>,
    /// Words that must all occur. `bell*` matches a prefix, and quoted words match as a phrase.
    pub words: String,
    /// The namespace and name of a payload that must occur.
    pub payload: Option<(String, String)>,
    /// The earliest time, inclusive, in microseconds since 1970.
    pub start: Option<i64>,
    /// The latest time, inclusive, in microseconds since 1970.
    pub end: Option<i64>,
    /// Matches entries after this place, exclusive.
    pub after: Option<Place>,
    /// Matches entries before this place, exclusive.
    pub before: Option<Place>,
    /// The places to match; empty for all.
    pub places: Vec<Place>,
    /// Returns the last page of the matches rather than the first.
    pub from_end: bool,
    /// Maximum number of entries per page.
    pub limit: usize,
}

/// One entry of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key and time of the entry.
    pub place: Place,
    /// The opaque public ID.
    pub id: String,
    /// Bare address of the archive.
    pub archive: String,
    /// Bare address of the sender, or a hash once erased.
    pub from: String,
    /// Bare address of the recipient, or a hash once erased.
    pub to: String,
    /// The class of the entry.
    pub class: Class,
    /// The stanza as received, in `jabber:client`; `None` once erased.
    pub stanza: Option<String>,
}

/// A page of entries in chronological order.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The entries.
    pub entries: Vec<Entry>,
    /// `true` if more entries follow in the direction of the query.
    pub more: bool,
}

/// A rule for removing old entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prune {
    /// Removes entries from before this time, in microseconds since 1970.
    Before(i64),
    /// Removes the oldest entries of the largest sender, while the total size exceeds this many
    /// bytes.
    Above(u64),
}

/// The amount of stored data.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Number of entries.
    pub entries: u64,
    /// Total size of their stanzas in bytes.
    pub bytes: u64,
    /// The places of the first and last entry.
    pub span: Option<(Place, Place)>,
    /// The ten largest senders, with their number of entries and bytes.
    pub senders: Vec<(String, u64, u64)>,
}

/// A store, with one writer thread and a pool of connections for reading. Cloning is cheap.
#[derive(Clone)]
pub struct Store {
    open: Arc<dyn Open>,
    writer: Arc<Writer>,
    read_pool: Arc<ReadPool>,
    /// Serializes the erasures of this process.
    erasing: Arc<tokio::sync::Mutex<()>>,
}

impl Store {
    /// Creates a store on a database, which is opened on first use.
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

    /// Returns a name for logs, without secrets.
    #[must_use]
    pub fn name(&self) -> String {
        self.open.name()
    }

    /// Returns `true` if the database is reached over a network, so that outages are temporary.
    #[must_use]
    pub fn is_remote(&self) -> bool {
        self.open.is_remote()
    }

    /// Returns the metrics of the writer thread and its queue.
    #[must_use]
    pub fn metrics(&self) -> Vec<Metric> {
        self.writer.metrics()
    }

    /// Returns the count of failures of background tasks, for tasks that use the store.
    pub(crate) fn tasks(&self) -> TaskFailures {
        self.writer.tasks()
    }

    /// Queues an entry for writing. The completion runs once the entry is on disk or has failed.
    ///
    /// # Errors
    /// [`StoreError::Full`] if the queue is full; then the completion does not run.
    pub(crate) fn append(
        &self,
        new_entry: NewEntry,
        completion: Completion,
    ) -> Result<(), StoreError> {
        self.writer.append(new_entry, completion)
    }

    /// Runs a job on the writer's connection, after the entries queued before it.
    ///
    /// # Errors
    /// The error of the job, or of opening the database.
    pub async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(job).await
    }

    /// Waits until all queued entries are on disk.
    /// Checks that the database could be opened, without changing anything.
    ///
    /// # Errors
    /// If the database cannot be used.
    pub async fn check(&self) -> Result<(), StoreError> {
        let open = Arc::clone(&self.open);
        let checked = tokio::task::spawn_blocking(move || open.check()).await;
        checked.unwrap_or_else(|error| Err(StoreError::Fault(error.to_string())))
    }

    /// Reports a failure at the start of a module: `Err` if it is permanent, a warning if the store
    /// may recover. Senders get an error in the meantime.
    pub(crate) fn at_start(&self, opened: Result<(), StoreError>) -> Result<(), BoxError> {
        let Err(error) = opened else { return Ok(()) };
        let store = self.name();
        let is_temporary = matches!(error, StoreError::Busy | StoreError::NoSpace);
        if is_temporary || self.is_remote() {
            tracing::warn!(store, %error, "archive unavailable; entries are rejected until it \
                recovers");
            return Ok(());
        }
        Err(format!("{store}: {error}").into())
    }

    pub(crate) async fn flush(&self) {
        if let Err(error) = self.write(|_| Ok(())).await {
            tracing::warn!(store = %self.name(), %error, "archive not flushed");
        }
    }

    /// Runs a job on a connection for reading, for at most 5 s.
    ///
    /// # Errors
    /// The error of the job, or of opening the database; [`StoreError::Full`] if too many wait,
    /// and [`StoreError::TooSlow`] if this one takes too long.
    pub async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn Backend) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.read_pool.run(job).await
    }

    /// Erases everything that a bare JID sent or received, in small transactions so that writers
    /// are not blocked. Returns the number of entries.
    ///
    /// # Errors
    /// If the database cannot be written. What has been erased stays erased, and
    /// [`finish_erasing`](Store::finish_erasing) completes the rest.
    pub async fn erase(&self, jid: &str) -> Result<u64, StoreError> {
        let _alone = self.erasing.lock().await;
        self.erase_alone(jid).await
    }

    /// Completes every erasure that was interrupted by a crash or an error. Returns the number of
    /// entries erased; `None` if there was no such erasure.
    ///
    /// # Errors
    /// If the database cannot be written.
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

    /// Removes old entries by a rule, in small transactions. Returns the number of entries.
    ///
    /// # Errors
    /// If the database cannot be written. What has been removed stays removed.
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

    /// Retries while a reader in the middle of a page still uses the old data.
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

/// The current time in microseconds since 1970.
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
