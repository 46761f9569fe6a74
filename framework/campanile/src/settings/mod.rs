//! Settings of modules: from a configuration file to a type that implements `Deserialize`.
//!
//! A settings type derives [`Deserialize`](serde::Deserialize), and a [`SettingsReader`] fills it.
//! Unlike other deserializers, the reader does not stop at the first error: it reports every fault
//! with its path, a cause and a remedy, and never quotes a text, which may be a secret. Fields with
//! units use the functions of this module, which also check bounds:
//!
//! ```
//! use std::time::Duration;
//!
//! use campanile::settings::{self, SettingsReader};
//! use serde::Deserialize;
//! use serde_json::json;
//!
//! #[derive(Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Settings {
//!     greeting: String,
//!     /// Between 1 s and 1 h, in milliseconds.
//!     #[serde(deserialize_with = "settings::duration::<_, _, 1_000, 3_600_000>")]
//!     every: Duration,
//! }
//!
//! let (settings, faults) =
//!     SettingsReader::new().read::<Settings>(&json!({ "greeting": 1, "every": "2h" }));
//! assert!(settings.is_none());
//! let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
//! assert_eq!(
//!     faults,
//!     [
//!         "every: `every` is out of range; write a value from \"1s\" to \"1h\"",
//!         "greeting: `greeting` cannot be a number; write a string in quotation marks",
//!     ]
//! );
//! ```
//!
//! # Addresses
//!
//! [`Jid`](jid::Jid), [`BareJid`](jid::BareJid) and [`FullJid`](jid::FullJid) implement
//! `Deserialize` and `Serialize` as strings; reading normalizes them. For a list of senders, where
//! a domain stands for all of its users, use [`jids`] or [`allow`].
//!
//! # Messages
//!
//! An implementation of `Deserialize` reports an invalid value with [`invalid`], which takes the
//! cause and the remedy. A cause that begins with `the value` or `the table` is completed by the
//! reader: the words become the name of the key or of the table.
//!
//! # Required keys
//!
//! serde reports a missing field by its name alone. [`required`] is for types that say how to write
//! the value.

mod address;
mod distinct;
mod error;
mod fault;
mod fields;
mod file_path;
mod placeholder;
mod reader;
#[cfg(feature = "schema")]
pub mod schema;
mod unique;
mod units;
mod value;

pub use self::address::{allow, jids};
pub use self::distinct::distinct;
pub use self::fault::{Segment, SettingsFault};
pub use self::fields::{count, delays, duration, invalid, required, size, text};
pub use self::file_path::{FilePath, file_or_false, read_file};
pub use self::reader::SettingsReader;
pub use self::unique::unique;
pub use self::units::{parse_duration, parse_size, rough_duration, show_size};
