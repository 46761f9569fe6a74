//! `[component.tap]`: records the traffic of a component in an archive.

use std::ops::Range;

use campanile::jid::BareJid;
use campanile::settings::{invalid, required};
use campanile_storage::StoreAddress;
use serde::{Deserialize, Deserializer};

use super::draft::At;
use super::fault::Faults;

/// Records the traffic of this component in an archive.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TapTable {
    /// The address of the archive, a bare JID of a logger.
    archive: Archive,
    /// The store of that logger, if it is not part of this file.
    store: Option<StoreAddress>,
}

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

impl TapTable {
    /// Resolves the path of the store.
    pub(super) fn resolve(self, at: At<'_>, faults: &mut Faults<'_>) -> Wish {
        if self.store.as_ref().is_some_and(StoreAddress::is_exposed) {
            faults.warn_exposed(&at.span(&["tap", "store"]), "archive data");
        }
        let folder = faults.path("");
        Wish {
            archive: self.archive.0,
            store: self.store.map(|store| store.within(&folder)),
            span: at.span(&["tap"]),
        }
    }
}

#[derive(Debug, schemars::JsonSchema)]
#[schemars(inline)]
struct Archive(#[schemars(with = "String")] BareJid);

impl<'de> Deserialize<'de> for Archive {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let remedy = "write archive = \"shop@logger.example.org\", an address of a logger";
        required(deserializer, "archive", remedy, |text| {
            BareJid::new(text).map(Self).map_err(|error| {
                invalid(
                    format_args!("{text:?} is not an archive address: {error}"),
                    "write a bare JID of a logger, such as \"shop@logger.example.org\"",
                )
            })
        })
    }
}
