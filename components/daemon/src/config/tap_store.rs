//! Looks up the store of each tap, once all components have been read.

use campanile::jid::BareJid;

use super::component::Component;
use super::fault::Faults;
use super::logger::StoreAddress;
use super::tap::{Tap, Wish};

/// Sets the store of every tap to that of the logger that serves its archive.
pub(super) fn resolve(components: &mut [Component], faults: &mut Faults<'_>) {
    let loggers = components
        .iter()
        .filter_map(|it| Some((it.jid.clone(), it.logger.as_ref()?.store.clone())));
    let loggers: Vec<(BareJid, StoreAddress)> = loggers.collect();
    for component in components {
        let Some(Wish {
            archive,
            store,
            span,
        }) = component.tap_wish.take()
        else {
            continue;
        };
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
        match store.or_else(|| loggers.iter().find(serves).map(|(_, store)| store.clone())) {
            Some(store) => component.tap = Some(Tap { archive, store }),
            None => {
                let what = format!("no [component.logger] in this file serves {archive}");
                faults.push(
                    &span,
                    what,
                    "add the store of that logger: store = \"sqlite:logger.db\"",
                );
            }
        }
    }
}
