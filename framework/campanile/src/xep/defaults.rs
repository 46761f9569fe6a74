//! Built-in default handlers: service discovery (XEP-0030) and ping (XEP-0199).

use xmpp_parsers::disco::DiscoItemsQuery;
use xmpp_parsers::ns::PING;

use crate::error::BoxError;
use crate::inbound::Inbound;
use crate::reply::Reply;
use crate::router::{Advertised, Filter, Router};
use crate::xep::disco::{INFO, ITEMS};
use crate::xep::paging::{self, SetQuery};

impl<S: Clone + Send + Sync + 'static> Router<S> {
    /// Adds the built-in handlers for service discovery (XEP-0030) and ping (XEP-0199). Adding them
    /// twice has no further effect.
    ///
    /// They run only if no route matches, and only for the bare domain and for localparts that
    /// something is registered for. To override one of them, register a route for the same payload.
    ///
    /// [`ComponentBuilder`](crate::component::ComponentBuilder) does this for its router, unless
    /// [`without_defaults`](crate::component::ComponentBuilder::without_defaults) is set; call it
    /// only if you use the router as a service of your own.
    ///
    /// ```
    /// use campanile::router::Router;
    ///
    /// let router: Router = Router::new().with_defaults();
    /// let disco = router.disco();
    /// let info = disco.info(None, None).unwrap();
    /// assert!(info.features.contains("urn:xmpp:ping"));
    /// ```
    ///
    /// # Panics
    /// If the router has an overlapping default handler of its own.
    #[must_use]
    #[track_caller]
    pub fn with_defaults(self) -> Self {
        let query = |namespace| Filter::iq_get().payload((namespace, "query"));
        self.builtin(query(INFO), info)
            .builtin(query(ITEMS), items)
            .feature(paging::NS)
            .builtin(Filter::iq_get().payload((PING, "ping")), ping)
    }
}

fn info(inbound: &Inbound, advertised: &Advertised) -> Result<Reply, BoxError> {
    advertised
        .answer_info(
            inbound.recipient(),
            node(inbound).as_deref(),
            inbound.sender(),
        )
        .map(Reply::Children)
}

fn items(inbound: &Inbound, advertised: &Advertised) -> Result<Reply, BoxError> {
    let page = page(inbound)?;
    let recipient = inbound.recipient();
    let sender = inbound.sender();
    advertised
        .answer_items(recipient, node(inbound).as_deref(), sender, page.as_ref())
        .map(Reply::Children)
}

/// Returns the requested page (XEP-0059), if the request asks for one.
fn page(inbound: &Inbound) -> Result<Option<SetQuery>, BoxError> {
    let Some(query) = inbound.stanza().children().first() else {
        return Ok(None);
    };
    // Requests for a page are rare, and searching the bytes is much cheaper than parsing.
    if memchr::memmem::find(query.as_bytes(), paging::NS.as_bytes()).is_none() {
        return Ok(None);
    }
    let query: DiscoItemsQuery = query.parse()?;
    Ok(query.rsm)
}

fn ping(_inbound: &Inbound, _advertised: &Advertised) -> Result<Reply, BoxError> {
    Ok(Reply::Empty)
}

fn node(inbound: &Inbound) -> Option<std::borrow::Cow<'_, str>> {
    let node = inbound.stanza().children().first()?.attribute("node");
    // Some clients send an empty one, which names no node.
    node.filter(|node| !node.is_empty())
}

#[cfg(test)]
mod tests {
    use xmpp_parsers::data_forms::{DataForm, DataFormType, Field};
    use xmpp_parsers::disco::Identity;

    use super::*;
    use crate::test_util::answer;
    use crate::xep::disco::{DiscoInfo, DiscoItem};

    async fn silent() {}

    fn get(to: &str, payload: &str) -> String {
        format!("<iq type='get' id='1' to='{to}'>{payload}</iq>")
    }

    fn result(from: &str, payload: &str) -> String {
        format!("<iq from='{from}' to='alice@example.org/desk' id='1' type='result'>{payload}</iq>")
    }

    fn refused(from: &str, condition: &str) -> String {
        format!(
            "<iq from='{from}' to='alice@example.org/desk' id='1' type='error'><error \
            type='cancel'>\
             <{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
        )
    }

    const ASK_INFO: &str = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    const ASK_ITEMS: &str = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
    const BUILTIN_FEATURES: &str = "<feature var='http://jabber.org/protocol/disco#info'/>\
        <feature var='http://jabber.org/protocol/disco#items'/><feature \
        var='http://jabber.org/protocol/rsm'/>";

    #[test]
    fn empty_component_answers_disco_and_ping() {
        let mut router = Router::new().with_defaults();
        let info = format!(
            "<query xmlns='http://jabber.org/protocol/disco#info'>\
             <identity category='component' type='generic'/>{BUILTIN_FEATURES}<feature \
             var='urn:xmpp:ping'/></query>"
        );
        assert_eq!(
            answer(&mut router, &get("bot.localhost", ASK_INFO)),
            result("bot.localhost", &info)
        );
        let nothing = "<query xmlns='http://jabber.org/protocol/disco#items'/>";
        assert_eq!(
            answer(&mut router, &get("bot.localhost", ASK_ITEMS)),
            result("bot.localhost", nothing)
        );
        let pong = "<iq from='bot.localhost' to='alice@example.org/desk' id='1' type='result'/>";
        assert_eq!(
            answer(
                &mut router,
                &get("bot.localhost", "<ping xmlns='urn:xmpp:ping'/>")
            ),
            pong
        );
    }

    #[test]
    fn unregistered_localpart_replies_service_unavailable() {
        let mut router = Router::new().message(silent).with_defaults();
        for payload in [ASK_INFO, ASK_ITEMS, "<ping xmlns='urn:xmpp:ping'/>"] {
            let to = "unknown@bot.localhost";
            assert_eq!(
                answer(&mut router, &get(to, payload)),
                refused(to, "service-unavailable")
            );
        }
    }

    #[test]
    fn routed_namespaces_are_advertised() {
        let named = |kind, name| Identity {
            category: "client".into(),
            type_: kind,
            lang: None,
            name: Some(name),
        };
        let bot = Router::new()
            .identity(named("bot".into(), "Greeter".into()))
            .iq_set(("urn:example:greet", "greet"), silent)
            .message_with("urn:example:message", silent);
        let mut router = Router::new()
            .iq_get("urn:example:b", silent)
            .iq_get(("urn:example:a", "q"), silent)
            .iq_set(("urn:example:a", "q"), silent)
            .at(
                "quiet",
                Router::new().iq_get("urn:example:secret", silent).hidden(),
            )
            .at("greeter", bot)
            .feature("urn:example:c")
            .fallback(silent)
            .with_defaults();
        let info = |extra: &str, identity: &str| {
            format!(
                "<query xmlns='http://jabber.org/protocol/disco#info'>{identity}\
                 {BUILTIN_FEATURES}<feature var='urn:example:a'/>\
                 <feature var='urn:example:b'/><feature var='urn:example:c'/>{extra}<feature \
                 var='urn:xmpp:ping'/></query>"
            )
        };
        let generic = "<identity category='component' type='generic'/>";
        let greeter = "<identity category='client' type='bot' name='Greeter'/>";
        let rows = [
            ("bot.localhost", info("", generic)),
            (
                "greeter@bot.localhost",
                info(
                    "<feature var='urn:example:greet'/><feature var='urn:example:message'/>",
                    greeter,
                ),
            ),
            ("quiet@bot.localhost/desk", info("", generic)),
        ];
        for (to, wanted) in rows {
            assert_eq!(answer(&mut router, &get(to, ASK_INFO)), result(to, &wanted));
        }
        let items = "<query xmlns='http://jabber.org/protocol/disco#items'>\
            <item jid='greeter@bot.localhost' name='Greeter'/></query>";
        assert_eq!(
            answer(&mut router, &get("bot.localhost", ASK_ITEMS)),
            result("bot.localhost", items)
        );
    }

    #[test]
    fn identities_are_sorted_and_unique() {
        let identity = |category: &str, name: &str| Identity::new(category, "x", "en", name);
        let router = Router::<()>::new()
            .identity(identity("b", "old"))
            .identity(identity("a", "a"))
            .identity(identity("b", "new"))
            .at("o-*", Router::new().identity(identity("o", "order")))
            .with_defaults();
        let disco = router.disco();
        let names = |localpart| {
            let info = disco.info(localpart, None).unwrap();
            info.identities
                .iter()
                .map(|identity| identity.name.clone().unwrap())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(None), ["a", "new"]);
        assert_eq!(names(Some("o-1")), ["order"]);
        assert_eq!(disco.info(Some("p"), None), None);
    }

    #[test]
    fn nodes_items_and_forms_are_advertised() {
        let form = DataForm::new(
            DataFormType::Result_,
            "urn:example:form",
            vec![Field::text_single("x", "1")],
        );
        let item = DiscoItem {
            node: Some("list".into()),
            name: Some("The list".into()),
            ..DiscoItem::default()
        };
        let mut router = Router::new()
            .form(form)
            .item(item)
            .node("list", DiscoInfo::new().feature("urn:example:list"))
            .with_defaults();
        let reply = answer(&mut router, &get("bot.localhost", ASK_INFO));
        let wanted = "<x xmlns='jabber:x:data' type='result'><field var='FORM_TYPE' type='hidden'>\
            <value>urn:example:form</value></field><field \
            var='x'><value>1</value></field></x></query></iq>";
        assert!(reply.ends_with(wanted), "{reply}");
        let info =
            |node| format!("<query xmlns='http://jabber.org/protocol/disco#info' node='{node}'/>");
        let items =
            |node| format!("<query xmlns='http://jabber.org/protocol/disco#items' node='{node}'/>");
        let list = "<query xmlns='http://jabber.org/protocol/disco#info' node='list'>\
            <feature var='urn:example:list'/></query>";
        assert_eq!(
            answer(&mut router, &get("bot.localhost", &info("list"))),
            result("bot.localhost", list)
        );
        let unnamed = answer(&mut router, &get("bot.localhost", &info("")));
        assert_eq!(
            unnamed,
            answer(&mut router, &get("bot.localhost", ASK_INFO))
        );
        let unnamed = answer(&mut router, &get("bot.localhost", &items("")));
        assert_eq!(
            unnamed,
            answer(&mut router, &get("bot.localhost", ASK_ITEMS))
        );
        let empty = "<query xmlns='http://jabber.org/protocol/disco#items' node='list'/>";
        assert_eq!(
            answer(&mut router, &get("bot.localhost", &items("list"))),
            result("bot.localhost", empty)
        );
        for unknown in [info("what"), items("what")] {
            let refused = refused("bot.localhost", "item-not-found");
            assert_eq!(
                answer(&mut router, &get("bot.localhost", &unknown)),
                refused
            );
        }
        let all = "<query xmlns='http://jabber.org/protocol/disco#items'>\
            <item jid='bot.localhost' node='list' name='The list'/></query>";
        assert_eq!(
            answer(&mut router, &get("bot.localhost", ASK_ITEMS)),
            result("bot.localhost", all)
        );
    }

    #[test]
    fn items_are_paged_on_request() {
        let item = |number: u8| DiscoItem {
            node: Some(number.to_string()),
            ..DiscoItem::default()
        };
        let mut router = (0..120)
            .fold(Router::new().at("bot", Router::new()), |router, number| {
                router.item(item(number))
            })
            .with_defaults();
        let mut ask = |set: &str| {
            let set = format!("<set xmlns='http://jabber.org/protocol/rsm'>{set}</set>");
            let query =
                format!("<query xmlns='http://jabber.org/protocol/disco#items'>{set}</query>");
            answer(&mut router, &get("bot.localhost", &query))
        };
        let page = |items: &str, set: &str| {
            let set = format!(
                "<set xmlns='http://jabber.org/protocol/rsm'>{set}<count>121</count></set>"
            );
            result(
                "bot.localhost",
                &format!(
                    "<query xmlns='http://jabber.org/protocol/disco#items'>{items}{set}</query>"
                ),
            )
        };
        let first = "<item jid='bot@bot.localhost'/><item jid='bot.localhost' node='0'/>";
        assert_eq!(
            ask("<max>2</max>"),
            page(
                first,
                "<first index='0'>bot@bot.localhost</first><last>0</last>"
            )
        );
        let next = "<item jid='bot.localhost' node='1'/>";
        assert_eq!(
            ask("<max>1</max><after>0</after>"),
            page(next, "<first index='2'>1</first><last>1</last>")
        );
        let last = "<item jid='bot.localhost' node='119'/>";
        assert_eq!(
            ask("<max>1</max><before/>"),
            page(last, "<first>119</first><last>119</last>")
        );
        assert_eq!(ask("<max>0</max>"), page("", ""));
        assert_eq!(ask("<max>1000</max>").matches("<item ").count(), 100);
        assert_eq!(
            ask("<after>what</after>"),
            refused("bot.localhost", "item-not-found")
        );
        assert!(ask("<max>many</max>").contains("<bad-request"));
        let all = answer(&mut router, &get("bot.localhost", ASK_ITEMS));
        assert_eq!(
            (all.matches("<item ").count(), all.contains("<set")),
            (121, false)
        );
    }

    #[test]
    fn route_overrides_a_default_handler() {
        async fn own() -> crate::error::Condition {
            crate::error::Condition::NotAllowed
        }
        let routes = || Router::new().iq_get("urn:xmpp:ping", own).fallback(own);
        let mut router = routes()
            .with_defaults()
            .merge(Router::new().with_defaults())
            .with_defaults();
        let ping = get("bot.localhost", "<ping xmlns='urn:xmpp:ping'/>");
        assert_eq!(
            answer(&mut router, &ping),
            refused("bot.localhost", "not-allowed")
        );
        assert!(answer(&mut router, &get("bot.localhost", ASK_ITEMS)).contains("result"));
    }

    #[test]
    fn routes_added_later_are_advertised() {
        let mut router = Router::new()
            .with_defaults()
            .iq_get("urn:example:late", silent);
        assert!(answer(&mut router, &get("bot.localhost", ASK_INFO)).contains("urn:example:late"));
    }
}
