//! The ad-hoc commands of an address, as service discovery lists them (XEP-0050 §2).

use xmpp_parsers::disco::Identity;

use crate::error::Condition;
use crate::layer::AccessLayer;
use crate::payload::COMMANDS;
use crate::xep::disco::{DiscoInfo, DiscoItem};
use crate::xep::form;
use jid::Jid;

/// An ad-hoc command in a disco reply.
#[derive(Debug, Clone)]
pub(super) struct CommandItem {
    pub(super) node: Box<str>,
    pub(super) name: Box<str>,
    pub(super) access: AccessLayer,
}

/// The ad-hoc commands of one address, in order of registration.
#[derive(Debug, Clone, Default)]
pub(super) struct CommandList(Vec<CommandItem>);

impl CommandList {
    pub(super) fn add(&mut self, item: CommandItem) {
        self.0.push(item);
    }

    /// Returns the disco#info reply for a node, or `None` if the node does not belong to a command.
    pub(super) fn info(&self, node: &str, asker: &Jid) -> Option<Result<DiscoInfo, Condition>> {
        if node == COMMANDS && !self.0.is_empty() {
            return Some(Ok(info("command-list", None).feature(COMMANDS)));
        }
        let item = self.0.iter().find(|item| *item.node == *node)?;
        // XEP-0050 §2.2: reply `forbidden` if the requester may not run the command.
        let seen = item
            .access
            .allows(asker)
            .then(|| info("command-node", Some(&item.name)));
        Some(
            seen.map(|info| info.feature(COMMANDS).feature(form::NS))
                .ok_or(Condition::Forbidden),
        )
    }

    /// Returns the disco#items reply for a node, or `None` if the node does not belong to a
    /// command. Commands that the requester may not run are left out.
    pub(super) fn items(&self, node: &str, asker: &Jid) -> Option<Vec<DiscoItem>> {
        if node != COMMANDS || self.0.is_empty() {
            return self.0.iter().any(|item| *item.node == *node).then(Vec::new);
        }
        let offered = self.0.iter().filter(|item| item.access.allows(asker));
        let item = |item: &CommandItem| DiscoItem {
            jid: None,
            node: Some(item.node.to_string()),
            name: Some(item.name.to_string()),
        };
        Some(offered.map(item).collect())
    }
}

fn info(kind: &str, name: Option<&str>) -> DiscoInfo {
    DiscoInfo::new().identity(Identity {
        category: "automation".into(),
        type_: kind.into(),
        lang: None,
        name: name.map(str::to_owned),
    })
}
