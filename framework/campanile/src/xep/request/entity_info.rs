//! Is it there, what is it, since when is it idle, what time is it there.

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

/// Since when somebody or something is idle (XEP-0012).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastActivity {
    /// Of a bare JID: since it was last online. Of a full JID: since the person last did something.
    /// Of a server or a component: since it was started.
    pub ago: Duration,
    /// What the person said on leaving.
    pub status: Option<String>,
}

/// The time at another entity (XEP-0202).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityTime {
    /// The time, to the second as a rule.
    pub utc: SystemTime,
    /// How far its local time is ahead of UTC, in seconds; west of Greenwich it is negative.
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
    /// Pings an entity (XEP-0199), and says how long the answer took.
    ///
    /// An entity that does not know ping answers with an error, which proves as much that it is
    /// there.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn ping(&self, to: impl Into<Jid>) -> Result<Duration, IqError> {
        let began = Instant::now();
        self.iq_get::<Empty>(to, &Ping).await?;
        Ok(began.elapsed())
    }

    /// Name, version and operating system of an entity's software (XEP-0092).
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn version(&self, to: impl Into<Jid>) -> Result<Version, IqError> {
        self.iq_get(to, &VersionQuery).await
    }

    /// Since when an entity is idle (XEP-0012).
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

    /// What time it is at an entity (XEP-0202).
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
        // XEP-0082 §3.2: `Z` is a time zone, too.
        let zone = DateTime::parse_from_rfc3339(&format!("2000-01-01T00:00:00{}", text("tzo")))
            .map_err(bad)?;
        Ok(EntityTime {
            utc: utc.into(),
            ahead: zone.offset().local_minus_utc(),
        })
    }
}
