//! People on the other side.

mod person;
mod rust_person;

pub use person::{Answer, Person, interpreter};
pub use rust_person::RustPerson;
