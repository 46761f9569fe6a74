//! The commands that an address offers, shown to those who may run them (XEP-0050 §2).

use xmpp_parsers::disco::Identity;

use crate::error::Condition;
use crate::layer::AccessLayer;
use crate::payload::COMMANDS;
use crate::xep::disco::{DiscoInfo, DiscoItem};
use crate::xep::form;
use jid::Jid;

/// One command, as disco shows it.
#[derive(Debug, Clone)]
pub(super) struct CommandItem {
    pub(super) node: Box<str>,
    pub(super) name: Box<str>,
    pub(super) access: AccessLayer,
}

/// All commands of one address, in the order in which they were offered.
#[derive(Debug, Clone, Default)]
pub(super) struct CommandList(Vec<CommandItem>);

impl CommandList {
    pub(super) fn add(&mut self, offer: CommandItem) {
        self.0.push(offer);
    }

    /// What a node says about itself; `None` when it is no node of commands.
    pub(super) fn info(&self, node: &str, asker: &Jid) -> Option<Result<DiscoInfo, Condition>> {
        if node == COMMANDS && !self.0.is_empty() {
            return Some(Ok(info("command-list", None).feature(COMMANDS)));
        }
        let offer = self.0.iter().find(|offer| *offer.node == *node)?;
        // XEP-0050 §2.2: forbidden, when the command is not available to who asks.
        let seen = offer
            .access
            .allows(asker)
            .then(|| info("command-node", Some(&offer.name)));
        Some(
            seen.map(|info| info.feature(COMMANDS).feature(form::NS))
                .ok_or(Condition::Forbidden),
        )
    }

    /// The items of a node; `None` when it is no node of commands.
    pub(super) fn items(&self, node: &str, asker: &Jid) -> Option<Vec<DiscoItem>> {
        if node != COMMANDS || self.0.is_empty() {
            return self
                .0
                .iter()
                .any(|offer| *offer.node == *node)
                .then(Vec::new);
        }
        let offered = self.0.iter().filter(|offer| offer.access.allows(asker));
        let item = |offer: &CommandItem| DiscoItem {
            jid: None,
            node: Some(offer.node.to_string()),
            name: Some(offer.name.to_string()),
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
