//! Service discovery of other entities (XEP-0030).

use jid::Jid;
use xmpp_parsers::disco::{DiscoInfoQuery, DiscoInfoResult, DiscoItemsQuery, DiscoItemsResult};

use super::{FetchedPage, Pages};
use crate::client::{Client, IqError};
use crate::xep::disco::{DiscoInfo, DiscoItem};

impl Client {
    /// Requests the identities, features and forms of an entity or of one of its nodes.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn disco_info(
        &self,
        to: impl Into<Jid>,
        node: Option<&str>,
    ) -> Result<DiscoInfo, IqError> {
        let info: DiscoInfoResult = self
            .iq_get(
                to,
                &DiscoInfoQuery {
                    node: node.map(str::to_owned),
                },
            )
            .await?;
        let found = DiscoInfo {
            features: info.features,
            forms: info.extensions,
            ..DiscoInfo::new()
        };
        Ok(info.identities.into_iter().fold(found, DiscoInfo::identity))
    }

    /// Lists the items of an entity or of one of its nodes: the rooms of a service, the services of
    /// a server. The node [`COMMANDS`](crate::payload::COMMANDS) lists its commands.
    ///
    /// An entity without support for paging (XEP-0059) returns all of them at once.
    #[must_use]
    pub fn disco_items(&self, to: impl Into<Jid>, node: Option<&str>) -> Pages<DiscoItem> {
        let client = self.clone();
        let to = to.into();
        let node = node.map(str::to_owned);
        Pages::new(move |set| {
            let client = client.clone();
            let to = to.clone();
            let query = DiscoItemsQuery {
                node: node.clone(),
                rsm: Some(set),
            };
            async move {
                let found: DiscoItemsResult = client.iq_get(to, &query).await?;
                let item = |item: xmpp_parsers::disco::Item| DiscoItem {
                    jid: Some(item.jid),
                    node: item.node,
                    name: item.name,
                };
                let items = found.items.into_iter().map(item).collect();
                Ok(FetchedPage {
                    items,
                    set: found.rsm,
                    complete: false,
                })
            }
        })
    }
}
