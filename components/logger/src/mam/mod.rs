//! Message Archive Management (XEP-0313) with full-text search (XEP-0431), paged by Result Set
//! Management (XEP-0059).

mod query;
mod response;

use campanile::error::{BoxError, Condition};
use campanile::extract::State;
use campanile::inbound::Inbound;
use campanile::reply::Reply;

use self::query::MamQuery;
use crate::archive::Archive;
use crate::store::{Backend, Page, Query, StoreError};

pub(crate) const MAM: &str = "urn:xmpp:mam:2";
const RSM: &str = "http://jabber.org/protocol/rsm";
const FULLTEXT: &str = "{urn:xmpp:fulltext:0}fulltext";

/// Features advertised besides the namespace itself.
pub(crate) const FEATURES: [&str; 4] = [
    "urn:xmpp:mam:2#extended",
    "urn:xmpp:mam:2#groupchat-field",
    "urn:xmpp:mam:2#groupchat-available",
    "urn:xmpp:fulltext:0",
];

/// The largest count of a filtered query. Above it `<count/>` is omitted, which RSM allows
/// (XEP-0059 §2.6), because counting takes longer than reading the page.
const MAX_COUNT: u64 = 10_000;
/// The same for full-text searches.
const MAX_COUNT_SEARCH: u64 = 1_000;

/// Replies to a query with the results, then the `<fin/>`.
pub(crate) async fn query(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    let payload = inbound
        .stanza()
        .children()
        .first()
        .ok_or(Condition::BadRequest)?;
    let request = MamQuery::parse(&payload.element()?)?;
    let base = Archive::query(&inbound, &permissions);
    let job = move |backend: &mut dyn Backend| {
        let (query, paged) = request.queries(base, backend)?;
        let page = backend.page(&paged)?;
        let most = if query.words.is_empty() {
            MAX_COUNT
        } else {
            MAX_COUNT_SEARCH
        };
        let count = backend.count(&query, most)?;
        Ok((request, query, page, count))
    };
    let (request, query, page, count) = archive.read(&permissions.requester, job).await?;
    archive.log_search(&permissions, &query, page.entries.len());
    response::results(&inbound.recipient().to_bare(), &request, &page, count)
}

/// Replies with the form of the supported query fields.
pub(crate) async fn form(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    archive.permissions(&inbound)?;
    response::form()
}

/// Replies with the first and last entry visible to the requester.
pub(crate) async fn metadata(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    let query = Query {
        limit: 1,
        classes: query::CLASSES.to_vec(),
        ..Archive::query(&inbound, &permissions)
    };
    let job = move |backend: &mut dyn Backend| -> Result<(Page, Page), StoreError> {
        let first = backend.page(&query)?;
        Ok((
            first,
            backend.page(&Query {
                from_end: true,
                ..query
            })?,
        ))
    };
    let (first, last) = archive.read(&permissions.requester, job).await?;
    response::metadata(&first, &last)
}
