//! Persistent stores for Campanile components, in SQLite and PostgreSQL.
//!
//! Each backend is a Cargo feature; none is enabled by default. `FailureLog` needs neither.
//!
//! | feature | type | stores |
//! |---|---|---|
//! | `sqlite` | `presence::SqliteSubscriptions` | presence subscriptions of one process, in a file |
//! | `postgres` | `presence::PostgresSubscriptions` | presence subscriptions of several processes |
//! | `postgres` | `command::PostgresSessions` | sessions of ad-hoc commands of several processes |
//! | `postgres` | `postgres::Database` | connections for a store of your own |
//! | `sqlite` | `StoreAddress` | the address of a store in a configuration file |
//! | `sqlite` | `sqlite::DatabaseFile` | the private file of a database, guarded against replacement |
//! | either | `Workers` | nothing: a bounded number of threads for a store that blocks |
//! | both | `sqlite::Schema`, `postgres::Schema` | versions and migrations of a store's tables |

#[cfg(feature = "sqlite")]
mod address;
#[cfg(feature = "postgres")]
pub mod command;
mod failure_log;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub mod presence;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod version;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod workers;

#[cfg(feature = "sqlite")]
pub use self::address::StoreAddress;
pub use self::failure_log::FailureLog;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::version::VersionError;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use self::workers::{Turn, WorkerError, Workers};
