//! Common IQ requests as methods of [`Client`] with plain types.
//!
//! | XEP | Method | Returns |
//! |---|---|---|
//! | [0199] | [`Client::ping`] | the round-trip time |
//! | [0030] | [`Client::disco_info`] | [`DiscoInfo`](crate::disco::DiscoInfo) |
//! | 0030 | [`Client::disco_items`] | [`Pages`] of [`DiscoItem`](crate::disco::DiscoItem) |
//! | [0092] | [`Client::version`] | [`Version`] |
//! | [0012] | [`Client::last_activity`] | [`LastActivity`] |
//! | [0202] | [`Client::entity_time`] | [`EntityTime`] |
//! | [0050] | [`Client::command`] | [`CommandStep`], which continues to the next step |
//! | [0313] | [`Client::archive`] | [`Archive`], which returns [`Pages`] of [`Archived`] |
//! | [0054] | [`Client::vcard`] | [`PeerVCard`] |
//! | [0059] | [`Pages::new`] | pages of any list |
//!
//! All of them pass through the layers of the client that they are called on. Send any other
//! request with [`Client::iq_get`] and [`Client::iq_set`].
//!
//! ```
//! # use campanile::{client::{Client, IqError}, jid::Jid};
//! # async fn example(client: Client, server: Jid) -> Result<(), IqError> {
//! let mut items = client.disco_items(server, None);
//! while let Some(item) = items.next().await? {
//!     let address = item.jid.unwrap_or_else(|| client.domain().clone());
//!     let info = client.disco_info(address.clone(), None).await?;
//!     if info.features.contains("http://jabber.org/protocol/muc") {
//!         println!("{address} has rooms");
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! [0012]: https://xmpp.org/extensions/xep-0012.html
//! [0030]: https://xmpp.org/extensions/xep-0030.html
//! [0050]: https://xmpp.org/extensions/xep-0050.html
//! [0054]: https://xmpp.org/extensions/xep-0054.html
//! [0059]: https://xmpp.org/extensions/xep-0059.html
//! [0092]: https://xmpp.org/extensions/xep-0092.html
//! [0199]: https://xmpp.org/extensions/xep-0199.html
//! [0202]: https://xmpp.org/extensions/xep-0202.html
//! [0313]: https://xmpp.org/extensions/xep-0313.html

mod adhoc;
mod archive;
mod disco;
mod entity_info;
mod pages;
mod vcard;

use jid::Jid;
use tower::util::MapRequestLayer;

pub use self::adhoc::CommandStep;
pub use self::archive::{Archive, ArchiveEnd, ArchiveEnds, Archived};
pub use self::entity_info::{EntityTime, LastActivity, Version};
pub use self::pages::{FetchedPage, Pages};
pub use self::vcard::{PeerVCard, Photo};
use crate::client::{Client, IqRequest};

impl Client {
    /// Returns a client whose requests are sent from this address within the component's domain,
    /// unless they set another one.
    #[must_use]
    pub fn asking_as(&self, from: impl Into<Jid>) -> Self {
        let from = from.into();
        self.layer(MapRequestLayer::new(move |request: IqRequest| {
            if request.stanza().from().is_some() {
                request
            } else {
                request.with_from(from.clone())
            }
        }))
    }
}
