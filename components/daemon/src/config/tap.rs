//! `[component.tap]`: records the traffic of a component in an archive.

use std::ops::Range;

use campanile::jid::BareJid;

use super::fault::Faults;
use super::logger::{self, StoreAddress};
use super::table::{Table, Value};

/// Validated settings of a tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tap {
    pub(crate) archive: BareJid,
    pub(crate) store: StoreAddress,
}

/// The table as written.
///
/// Without a store, the tap uses that of the `[component.logger]` that serves the archive, which is
/// known only after all components have been read.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) archive: BareJid,
    pub(super) store: Option<StoreAddress>,
    pub(super) span: Range<usize>,
}

pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> Option<Wish> {
    let archive = match table.take("archive") {
        Some(value) => archive(&value, faults),
        None => {
            let remedy = "write archive = \"shop@logger.example.org\", an address of a logger";
            faults.push(&table.span, "[component.tap] has no archive", remedy);
            None
        }
    };
    let store = table
        .take("store")
        .map(|value| logger::store(&value, faults));
    let span = table.span.clone();
    table.finish(faults);
    match store {
        Some(None) => None,
        store => Some(Wish {
            archive: archive?,
            store: store.flatten(),
            span,
        }),
    }
}

fn archive(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<BareJid> {
    let text = value.text(faults)?;
    BareJid::new(text).map_or_else(
        |error| {
            let what = format!("{text:?} is not an archive address: {error}");
            faults.push(
                &value.span,
                what,
                "write a bare JID of a logger, such as \"shop@logger.example.org\"",
            );
            None
        },
        Some,
    )
}
