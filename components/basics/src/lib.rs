//! Basic information about a component: software version, entity time and uptime.
//!
//! | XEP | payload | response |
//! |---|---|---|
//! | [0092] | `{jabber:iq:version}query` | name and version, without the operating system |
//! | [0202] | `{urn:xmpp:time}time` | UTC |
//! | [0012] | `{jabber:iq:last}query` | seconds since the component started |
//!
//! [0012]: https://xmpp.org/extensions/xep-0012.html
//! [0092]: https://xmpp.org/extensions/xep-0092.html
//! [0202]: https://xmpp.org/extensions/xep-0202.html

mod last_activity;

use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use campanile::error::BoxError;
use campanile::extract::Payload;
use campanile::module::Module;
use campanile::router::{Filter, RecipientPattern, Router};
use campanile::xmpp_parsers::time::{TimeQuery, TimeResult};
use campanile::xmpp_parsers::version::{VersionQuery, VersionResult};

use chrono::{DateTime, Offset, Utc};

pub use self::last_activity::LastActivity;

/// The namespace of software version.
pub const VERSION: &str = "jabber:iq:version";
/// The namespace of entity time.
pub const TIME: &str = "urn:xmpp:time";
/// The namespace of last activity.
pub const LAST: &str = "jabber:iq:last";

/// A module that answers requests for version, time and last activity.
#[derive(Debug, Clone)]
pub struct Basics {
    name: String,
    version: String,
    // The system's monotonic clock, unaffected by tokio's paused time.
    since: Instant,
}

impl Basics {
    /// Creates a module with this software name and version. Uptime counts from this call.
    #[must_use]
    pub fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            since: Instant::now(),
        }
    }

    fn version(&self) -> Payload<VersionResult> {
        // The operating system is omitted, as it would mainly help attackers.
        Payload(VersionResult {
            name: self.name.clone(),
            version: self.version.clone(),
            os: None,
        })
    }

    fn last(&self) -> Payload<LastActivity> {
        Payload(LastActivity {
            seconds: Some(self.since.elapsed().as_secs()),
        })
    }
}

async fn time(_: Payload<TimeQuery>) -> Payload<TimeResult> {
    Payload(TimeResult {
        tz_offset: Utc.fix(),
        utc: now(),
    })
}

/// The system time in whole seconds; a time before 1970 counts as 1970.
fn now() -> DateTime<Utc> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    DateTime::from_timestamp(i64::try_from(since.as_secs()).unwrap_or(0), 0).unwrap_or_default()
}

#[async_trait]
impl Module for Basics {
    fn name(&self) -> &'static str {
        "basics"
    }

    // Default handlers: they apply to addresses that exist, and explicit routes take precedence.
    fn mount(self: Arc<Self>, router: Router) -> Result<Router, BoxError> {
        let basics = Arc::clone(&self);
        let version = move |_: Payload<VersionQuery>| {
            let answer = basics.version();
            async move { answer }
        };
        let last = move |_: Payload<LastActivity>| {
            let answer = self.last();
            async move { answer }
        };
        let get = |namespace, name| Filter::iq_get().payload((namespace, name));
        Ok(router
            .default_handler(get(VERSION, "query"), version)
            .default_handler(get(TIME, "time"), time)
            // XEP-0012 §5: for a component this is its uptime. Its localparts have none.
            .default_handler(get(LAST, "query").to(RecipientPattern::domain()), last))
    }
}

#[cfg(test)]
mod tests {
    use campanile::stanza::Stanza;
    use campanile_testing::host::Host;

    use super::*;

    async fn ask(payload: &str) -> Stanza {
        let host = Host::new("secret");
        let component = campanile::component::Component::builder("b.localhost")
            .connector(host.connector())
            .secret("secret")
            .module(Basics::new("campanile", "1.2.3"))
            .build()
            .unwrap();
        tokio::spawn(component.run());
        host.mounted("b.localhost").await;
        let alice = host.user("alice@localhost/phone").unwrap();
        let request = format!("<iq type='get' id='1' to='b.localhost'>{payload}</iq>");
        alice.request(request.as_str()).await.unwrap()
    }

    #[tokio::test]
    async fn version_time_and_last_activity_are_answered() {
        let version = ask("<query xmlns='jabber:iq:version'/>").await;
        let wanted = "<query xmlns='jabber:iq:version'><name>campanile</name>\
            <version>1.2.3</version></query>";
        assert_eq!(
            String::from_utf8_lossy(version.children().as_bytes()),
            wanted
        );
        let last: LastActivity = ask("<query xmlns='jabber:iq:last'/>")
            .await
            .child()
            .unwrap();
        assert!(last.seconds.is_some_and(|seconds| seconds < 60), "{last:?}");
        let time: TimeResult = ask("<time xmlns='urn:xmpp:time'/>").await.child().unwrap();
        assert!((now() - time.utc).num_seconds().abs() < 60, "{time:?}");
        assert_eq!(time.tz_offset.local_minus_utc(), 0);
    }

    #[tokio::test]
    async fn namespaces_are_advertised() {
        let info = ask("<query xmlns='http://jabber.org/protocol/disco#info'/>")
            .await
            .to_xml();
        for namespace in [VERSION, TIME, LAST] {
            assert!(
                info.contains(&format!("<feature var='{namespace}'/>")),
                "{info}"
            );
        }
    }
}
