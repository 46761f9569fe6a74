//! Stores for presence subscriptions (`campanile::presence`).

#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;

#[cfg(feature = "postgres")]
pub use self::postgres::PostgresSubscriptions;
#[cfg(feature = "sqlite")]
pub use self::sqlite::{OpenError, SqliteSubscriptions};
