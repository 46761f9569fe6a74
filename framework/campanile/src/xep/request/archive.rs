//! Message archives (XEP-0313) of rooms, accounts and the component itself.

use std::time::SystemTime;

use chrono::{DateTime, SecondsFormat, Utc};
use jid::Jid;
use minidom::Element;
use rxml::{Namespace, NcName};
use xmpp_parsers::data_forms::{DataForm, DataFormType, Field};
use xmpp_parsers::date::DateTime as Stamp;
use xmpp_parsers::mam::{Fin, MetadataQuery, MetadataResponse, Query, QueryId};
use xmpp_parsers::ns::{DEFAULT_NS as CLIENT, DELAY, FORWARD, MAM};

use super::{FetchedPage, Pages};
use crate::client::{Client, IqError, IqRequest, IqResponse, ResponseCollector};
use crate::stanza::{MessageType, ParseError, Stanza};

/// A query on a message archive.
///
/// ```
/// # use campanile::{client::{Client, IqError}, jid::Jid};
/// use std::time::{Duration, SystemTime};
///
/// # async fn example(client: Client, room: Jid) -> Result<(), IqError> {
/// let yesterday = SystemTime::now() - Duration::from_secs(86_400);
/// let mut messages = client.archive(room).since(yesterday).messages();
/// while let Some(archived) = messages.next().await? {
///     if let Ok(message) = archived.message() {
///         println!("{:?} {:?} {}", archived.when(), message.from(), message.to_xml());
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Archive {
    client: Client,
    to: Jid,
    node: Option<String>,
    fields: Vec<Field>,
}

/// A message from an archive.
#[derive(Debug, Clone)]
pub struct Archived {
    id: String,
    result: Element,
}

/// The oldest and the newest message of an archive (XEP-0313 §4.1.5).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveEnds {
    /// The oldest message, or `None` if the archive is empty.
    pub first: Option<ArchiveEnd>,
    /// The newest message, or `None` if the archive is empty.
    pub last: Option<ArchiveEnd>,
}

/// The id and time of a message in an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchiveEnd {
    /// The id in the archive.
    pub id: String,
    /// The time at which it was sent.
    pub when: SystemTime,
}

impl Client {
    /// Starts a query on the archive at an address: that of a room, or of an account that the
    /// component has the right to read.
    #[must_use]
    pub fn archive(&self, to: impl Into<Jid>) -> Archive {
        Archive {
            client: self.clone(),
            to: to.into(),
            node: None,
            fields: Vec::new(),
        }
    }
}

impl Archive {
    /// Selects messages exchanged with this JID, or in the archive of a room, those of an occupant.
    #[must_use]
    pub fn with(self, jid: &Jid) -> Self {
        self.field("with", jid.as_str())
    }

    /// Selects messages from this time on.
    #[must_use]
    pub fn since(self, time: SystemTime) -> Self {
        self.field("start", &utc(time))
    }

    /// Selects messages up to this time.
    #[must_use]
    pub fn until(self, time: SystemTime) -> Self {
        self.field("end", &utc(time))
    }

    /// Selects the messages of a pubsub node.
    #[must_use]
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// Sets any other field of the query form (XEP-0313 §4.1.6), such as a full-text search.
    #[must_use]
    pub fn field(mut self, var: &str, value: &str) -> Self {
        self.fields.push(Field::text_single(var, value));
        self
    }

    /// Returns the messages, the oldest first unless read [backwards](Pages::backwards).
    ///
    /// All messages of a page are taken out of the stream before any handler sees them, so none is
    /// lost, however busy the handlers are. A page larger than
    /// [`Limits::max_collected`](crate::limits::Limits::max_collected) fails with
    /// [`IqError::TooMuch`].
    #[must_use]
    pub fn messages(self) -> Pages<Archived> {
        Pages::new(move |set| {
            let archive = self.clone();
            async move {
                let id = archive.client.fresh_id();
                let query = Query {
                    queryid: Some(QueryId(id.clone())),
                    node: archive.node.map(xmpp_parsers::pubsub::NodeName),
                    form: Some(form(archive.fields)),
                    set: Some(set),
                    flip_page: false,
                };
                let request = IqRequest::set(archive.to, &query)?;
                let request = request
                    .with_collector(ResponseCollector::new((MAM, "result"), ("queryid", id)));
                let response = archive.client.request(request).await?;
                page(&response).map_err(IqError::Answer)
            }
        })
    }

    /// Requests the oldest and the newest message of the whole archive.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn ends(&self) -> Result<ArchiveEnds, IqError> {
        let found: MetadataResponse = self.client.iq_get(self.to.clone(), &MetadataQuery).await?;
        let end = |id, stamp: Stamp| ArchiveEnd {
            id,
            when: stamp.0.into(),
        };
        Ok(ArchiveEnds {
            first: found.start.map(|start| end(start.id, start.timestamp)),
            last: found.end.map(|last| end(last.id, last.timestamp)),
        })
    }
}

impl Archived {
    /// Returns the id in the archive, for [`Pages::after`] and [`Pages::before`].
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the time at which it was sent, if the archive gives one.
    #[must_use]
    pub fn when(&self) -> Option<SystemTime> {
        let stamp = self.forwarded()?.get_child("delay", DELAY)?.attr("stamp")?;
        stamp.parse::<Stamp>().ok().map(|stamp| stamp.0.into())
    }

    /// Returns the message.
    ///
    /// # Errors
    /// If the archive contains something else.
    pub fn message(&self) -> Result<Stanza, ParseError> {
        let message = self
            .forwarded()
            .and_then(|forwarded| forwarded.get_child("message", CLIENT));
        let mut message = message.cloned().ok_or_else(ParseError::absent)?;
        // RFC 6121 §5.2.2: an unknown type is treated as `normal`.
        if message
            .attr("type")
            .is_some_and(|kind| MessageType::parse(kind).is_none())
        {
            let name = NcName::try_from("type").map_err(xso::error::Error::from)?;
            message.set_attr(Namespace::NONE, name, "normal");
        }
        Stanza::try_from(&message).map_err(|_| ParseError::absent())
    }

    fn forwarded(&self) -> Option<&Element> {
        self.result.get_child("forwarded", FORWARD)
    }
}

fn page(response: &IqResponse) -> Result<FetchedPage<Archived>, ParseError> {
    let fin: Fin = response.parse()?;
    let mut items = Vec::with_capacity(response.collected().len());
    for message in response.collected() {
        let result = message
            .children()
            .find(MAM, "result")
            .ok_or_else(ParseError::absent)?
            .element()?;
        items.push(Archived {
            id: result.attr("id").unwrap_or_default().to_owned(),
            result,
        });
    }
    Ok(FetchedPage {
        items,
        set: Some(fin.set),
        complete: fin.complete,
    })
}

fn form(fields: Vec<Field>) -> DataForm {
    DataForm::new(DataFormType::Submit, MAM, fields)
}

/// Formats a time (XEP-0082), which has a year of four digits. Any other time becomes the earliest
/// or latest one.
fn utc(time: SystemTime) -> String {
    const YEAR_1: i64 = -62_135_596_800;
    const END_OF_YEAR_9999: i64 = 253_402_300_799;
    const SECOND: u32 = 1_000_000_000;
    let (seconds, nanos) = match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => (
            i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            after.subsec_nanos(),
        ),
        Err(before) => {
            let before = before.duration();
            let nanos = before.subsec_nanos();
            let whole = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            let seconds = whole.saturating_add(i64::from(nanos > 0));
            (-seconds, (SECOND - nanos) % SECOND)
        }
    };
    DateTime::<Utc>::from_timestamp(seconds.clamp(YEAR_1, END_OF_YEAR_9999), nanos)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_beyond_four_digits_of_year_are_clamped() {
        let epoch = SystemTime::UNIX_EPOCH;
        let rows = [
            (
                epoch + Duration::from_millis(1500),
                "1970-01-01T00:00:01.500Z",
            ),
            (
                epoch - Duration::from_millis(1500),
                "1969-12-31T23:59:58.500Z",
            ),
            (epoch + Duration::from_secs(1 << 62), "9999-12-31T23:59:59Z"),
            (epoch - Duration::from_secs(1 << 62), "0001-01-01T00:00:00Z"),
        ];
        for (time, wanted) in rows {
            assert_eq!(utc(time), wanted);
        }
    }
}
