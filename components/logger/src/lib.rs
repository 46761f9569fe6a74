//! An archive that people and auditors can use: whatever is sent to the component is kept, found again, and when
//! asked, forgotten.

mod draft;
mod keys;
pub mod store;
mod words;
mod xml;

pub use self::draft::{Class, Draft};
