//! Asking the archive: Message Archive Management (XEP-0313) with full text (XEP-0431), paged by
//! Result Set Management (XEP-0059).

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

/// What is advertised besides the namespace itself.
pub(crate) const FEATURES: [&str; 4] = [
    "urn:xmpp:mam:2#extended",
    "urn:xmpp:mam:2#groupchat-field",
    "urn:xmpp:mam:2#groupchat-available",
    "urn:xmpp:fulltext:0",
];

/// Entries of a filtered list that are counted; a longer one goes without its count, which RSM
/// allows (XEP-0059 §2.6). Counting takes longer than the page.
const MAX_COUNT: u64 = 10_000;
/// The same where words are searched for.
const MAX_COUNT_SEARCH: u64 = 1_000;

/// Answers a query: the results first, then the end.
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
    let _guard = archive.begin(&permissions.requester)?;
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
        Ok((request, page, count))
    };
    let (request, page, count) = archive
        .store
        .read(job)
        .await
        .map_err(|error| error.to_box())?;
    response::results(&inbound.recipient().to_bare(), &request, &page, count)
}

/// Says which fields a query may have.
pub(crate) async fn form(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    archive.permissions(&inbound)?;
    response::form()
}

/// Says where the archive begins and ends, as far as the asker sees it.
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
    let (first, last) = archive
        .store
        .read(job)
        .await
        .map_err(|error| error.to_box())?;
    response::metadata(&first, &last)
}
