//! Looks up the store of each tap, once all components have been read.

use campanile::jid::BareJid;
use campanile_storage::StoreAddress;

use super::component::Component;
use super::fault::Faults;
use super::tap::{Tap, Wish};

/// Sets the store of every tap to that of the logger that serves its archive.
pub(super) fn resolve(components: &mut [Component], faults: &mut Faults<'_>) {
    let stores = components.iter().filter_map(|component| {
        let store = component.logger.as_ref()?.store.clone();
        Some((component.jid.clone(), store))
    });
    let stores: Vec<(BareJid, StoreAddress)> = stores.collect();
    for component in components {
        let Some(wish) = component.tap_wish.take() else {
            continue;
        };
        let Wish {
            archive,
            store,
            span,
        } = wish;
        if archive.domain() == component.jid.domain() {
            let remedy = "write the address of a logger on another JID; this one archives what it \
                receives anyway";
            faults.push(
                &span,
                "a component cannot be tapped into its own archive",
                remedy,
            );
            continue;
        }
        let serves = |(jid, _): &&(BareJid, StoreAddress)| jid.domain() == archive.domain();
        match store.or_else(|| stores.iter().find(serves).map(|(_, store)| store.clone())) {
            Some(store) => component.tap = Some(Tap { archive, store }),
            None => {
                let cause = format!("no [component.logger] in this file serves {archive}");
                faults.push(
                    &span,
                    cause,
                    "add the store of that logger: store = \"sqlite:logger.db\"",
                );
            }
        }
    }
}
