//! Asking the archive: Message Archive Management (XEP-0313) with full text (XEP-0431), paged by
//! Result Set Management (XEP-0059).

mod answer;
mod ask;

use campanile::error::{BoxError, Condition};
use campanile::extract::State;
use campanile::inbound::Inbound;
use campanile::reply::Reply;

use self::ask::Ask;
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
const COUNTED: u64 = 10_000;
/// The same where words are searched for.
const COUNTED_WORDS: u64 = 1_000;

/// Answers a query: the results first, then the end.
pub(crate) async fn query(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    let rights = archive.rights(&inbound)?;
    let payload = inbound
        .stanza()
        .children()
        .first()
        .ok_or(Condition::BadRequest)?;
    let ask = Ask::read(&payload.element()?)?;
    let _asking = archive.begin(&rights.who)?;
    let base = Archive::query(&inbound, &rights);
    let job = move |backend: &mut dyn Backend| {
        let (query, paged) = ask.queries(base, backend)?;
        let page = backend.page(&paged)?;
        let most = if query.words.is_empty() {
            COUNTED
        } else {
            COUNTED_WORDS
        };
        let count = backend.count(&query, most)?;
        Ok((ask, page, count))
    };
    let (ask, page, count) = archive
        .store
        .read(job)
        .await
        .map_err(|error| error.to_box())?;
    answer::results(&inbound.recipient().to_bare(), &ask, &page, count)
}

/// Says which fields a query may have.
pub(crate) async fn form(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    archive.rights(&inbound)?;
    answer::form()
}

/// Says where the archive begins and ends, as far as the asker sees it.
pub(crate) async fn metadata(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    let rights = archive.rights(&inbound)?;
    let query = Query {
        limit: 1,
        classes: ask::CLASSES.to_vec(),
        ..Archive::query(&inbound, &rights)
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
    answer::metadata(&first, &last)
}
