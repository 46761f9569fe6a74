//! Builders of messages and presence.

mod message;
mod presence;

pub use self::message::MessageBuilder;
pub use self::presence::PresenceBuilder;
use super::{ChildrenBuilder, Kind, Stanza, WriteError};
use crate::xml;

/// A stanza under construction. The first error is kept for [`build`](Self::build).
#[derive(Debug)]
struct Draft {
    header: Stanza,
    children: ChildrenBuilder,
    fault: Option<WriteError>,
}

impl Draft {
    fn new(kind: Kind) -> Self {
        Self {
            header: Stanza::new(kind),
            children: ChildrenBuilder::default(),
            fault: None,
        }
    }

    fn header(mut self, change: impl FnOnce(Stanza) -> Stanza) -> Self {
        self.header = change(self.header);
        self
    }

    fn text(self, name: &str, text: &str) -> Self {
        self.add(|children| children.push_text(xml::CLIENT, name, text))
    }

    fn add(mut self, add: impl FnOnce(&mut ChildrenBuilder) -> Result<(), WriteError>) -> Self {
        if self.fault.is_none() {
            self.fault = add(&mut self.children).err();
        }
        self
    }

    fn build(self) -> Result<Stanza, WriteError> {
        match self.fault {
            Some(fault) => Err(fault),
            None => Ok(self.header.with_children(self.children.finish())),
        }
    }
}
