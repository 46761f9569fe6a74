//! The routes of a bot.

use std::sync::Arc;

use campanile::extract::StanzaRef;
use campanile::router::{Filter, OverlapError, PayloadPattern, Router};
use campanile::stanza::{Kind, PresenceType};
use campanile::xmpp_parsers::disco::Identity;

use super::Bridge;
use crate::mapping;
use crate::settings::Bot;

impl Bridge {
    pub(super) fn routes(self: &Arc<Self>, bot: &Arc<Bot>) -> Result<Router, OverlapError> {
        let bridge = Arc::clone(self);
        let one = Arc::clone(bot);
        let take = move |StanzaRef(stanza): StanzaRef| {
            let taken = bridge.accept(&one, &stanza);
            async move { taken }
        };
        let mut router = Router::new()
            .on(Filter::message(), take.clone())
            .identity(Identity {
                category: "client".into(),
                type_: "bot".into(),
                lang: None,
                name: bot.name.clone(),
            });
        for namespace in &bot.iq {
            let bridge = Arc::clone(self);
            let one = Arc::clone(bot);
            let ask = move |StanzaRef(stanza): StanzaRef| {
                let asked = bridge.ask(&one, stanza);
                async move { asked }
            };
            router = router.try_on(
                Filter::iq().payload(PayloadPattern::from(namespace.as_str())),
                ask,
            )?;
        }
        if bot.presence {
            // Subscription requests are handled by the roster.
            let shown = [PresenceType::Available, PresenceType::Unavailable].map(Kind::Presence);
            router = router.on(Filter::kinds(shown), take);
        }
        if !bot.access.is_open() {
            router = router.layer(bot.access.clone());
        }
        if bot.datatypes.is_empty() {
            return Ok(router);
        }
        // XEP-0432 §4: one feature for each supported datatype.
        let router = router.feature(mapping::JSON_MSG);
        Ok(bot.datatypes.iter().fold(router, |router, datatype| {
            router.feature(format!("{}#{datatype}", mapping::JSON_MSG))
        }))
    }
}
