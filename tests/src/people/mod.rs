//! People on the other side.

mod person;
mod profanity;
mod rust_person;
mod terminal;

pub use person::{Answer, Person, interpreter};
pub use profanity::Profanity;
pub use rust_person::RustPerson;
pub use terminal::Terminal;
