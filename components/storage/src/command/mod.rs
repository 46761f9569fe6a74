//! Stores for the sessions of ad-hoc commands (`campanile::adhoc`).

mod admission;
mod postgres;
mod schema;
mod statements;

pub use self::postgres::PostgresSessions;
