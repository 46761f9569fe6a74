//! Ping, software version, last activity and time of other entities.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use jid::Jid;
use minidom::Element;
use tokio::time::Instant;
use xmpp_parsers::ns::TIME;
use xmpp_parsers::ping::Ping;
use xmpp_parsers::time::TimeQuery;
use xmpp_parsers::version::VersionQuery;
pub use xmpp_parsers::version::VersionResult as Version;
use xso::{AsXml, FromXml};

use crate::client::{Client, Empty, IqError};

/// The last activity of an entity (XEP-0012).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastActivity {
    /// Time since the last activity. For a bare JID: since it was last online. For a full JID:
    /// since its user was last active. For a server or component: since it was started.
    ///
    /// The entity may claim any number of seconds, so subtract it from a time with `checked_sub`.
    pub ago: Duration,
    /// The status text of the last unavailable presence.
    pub status: Option<String>,
}

/// The time at another entity (XEP-0202).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTime {
    /// The time, usually to the second.
    pub utc: SystemTime,
    /// The offset of its local time from UTC in seconds, negative west of Greenwich.
    pub ahead: i32,
}

#[derive(Debug, FromXml, AsXml)]
#[xml(namespace = "jabber:iq:last", name = "query")]
struct Last {
    #[xml(attribute(default))]
    seconds: Option<u64>,
    #[xml(text)]
    status: String,
}

impl Client {
    /// Pings an entity (XEP-0199) and returns the round-trip time.
    ///
    /// An entity without support for ping answers with an error ([`IqError::Refused`]), which
    /// proves just as well that it is online.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn ping(&self, to: impl Into<Jid>) -> Result<Duration, IqError> {
        let began = Instant::now();
        self.iq_get::<Empty>(to, &Ping).await?;
        Ok(began.elapsed())
    }

    /// Requests the name, version and operating system of an entity's software (XEP-0092).
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn version(&self, to: impl Into<Jid>) -> Result<Version, IqError> {
        self.iq_get(to, &VersionQuery).await
    }

    /// Requests the last activity of an entity (XEP-0012).
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn last_activity(&self, to: impl Into<Jid>) -> Result<LastActivity, IqError> {
        let last: Last = self
            .iq_get(
                to,
                &Last {
                    seconds: None,
                    status: String::new(),
                },
            )
            .await?;
        let ago = Duration::from_secs(last.seconds.unwrap_or_default());
        Ok(LastActivity {
            ago,
            status: Some(last.status).filter(|status| !status.is_empty()),
        })
    }

    /// Requests the time of an entity (XEP-0202).
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn entity_time(&self, to: impl Into<Jid>) -> Result<EntityTime, IqError> {
        let time: Element = self.iq_get(to, &TimeQuery).await?;
        let text = |name| {
            time.get_child(name, TIME)
                .map(Element::text)
                .unwrap_or_default()
        };
        let bad = |error| IqError::Answer(xso::error::Error::text_parse_error(error).into());
        let utc = DateTime::parse_from_rfc3339(&text("utc")).map_err(bad)?;
        // XEP-0082 §3.2: `Z` is a time zone as well.
        let zone = DateTime::parse_from_rfc3339(&format!("2000-01-01T00:00:00{}", text("tzo")))
            .map_err(bad)?;
        Ok(EntityTime {
            utc: utc.into(),
            ahead: zone.offset().local_minus_utc(),
        })
    }
}
