//! Replies of the host's own address: ping and service discovery, which lists the components.

use jid::BareJid;
use xmpp_parsers::disco::{DiscoInfoResult, DiscoItemsResult, Identity, Item};
use xmpp_parsers::ns;

use super::state::Shared;
use campanile::error::Condition;
use campanile::stanza::{Children, IqType, Kind, Stanza};

/// Returns the payload of the result, or an error condition.
pub(super) fn answer(host: &Shared, stanza: &Stanza) -> Result<Children, Condition> {
    let payload = stanza
        .children()
        .first()
        .filter(|_| stanza.kind() == Kind::Iq(IqType::Get))
        .ok_or(Condition::ServiceUnavailable)?;
    let children = match (&*payload.namespace(), payload.name()) {
        (ns::PING, "ping") => return Ok(Children::new()),
        (ns::DISCO_INFO, "query") => Children::of(&info()),
        (ns::DISCO_ITEMS, "query") => Children::of(&items(host)),
        _ => return Err(Condition::ServiceUnavailable),
    };
    children.map_err(|_| Condition::InternalServerError)
}

fn info() -> DiscoInfoResult {
    let features = [ns::DISCO_INFO, ns::DISCO_ITEMS, ns::PING]
        .map(str::to_owned)
        .into();
    let identities = vec![Identity::new("server", "im", "en", "Campanile")];
    DiscoInfoResult {
        node: None,
        identities,
        features,
        extensions: Vec::new(),
    }
}

fn items(host: &Shared) -> DiscoItemsResult {
    let domains = host.state().domains();
    let items = domains.iter().filter_map(|domain| {
        let jid = BareJid::new(domain).ok()?.into();
        Some(Item {
            jid,
            node: None,
            name: None,
        })
    });
    DiscoItemsResult {
        node: None,
        items: items.collect(),
        rsm: None,
    }
}
