//! What is asked, and how the results look.

use campanile::jid::Jid;
use campanile::paging::{SetQuery, SetResult};
use xso::{AsXml, FromXml};

/// The census's namespace. The route advertises it.
pub(crate) const CENSUS: &str = "urn:example:census";

/// Somebody wants a page of the results.
#[derive(Debug, FromXml)]
#[xml(namespace = CENSUS, name = "results")]
pub(crate) struct Query {
    #[xml(child(default))]
    pub(crate) set: Option<SetQuery>,
}

/// A page of the results.
#[derive(Debug, AsXml)]
#[xml(namespace = CENSUS, name = "results")]
pub(crate) struct Results {
    #[xml(child(n = ..))]
    pub(crate) answers: Vec<Answer>,
    #[xml(child)]
    pub(crate) set: SetResult,
}

/// What one of them answered, or why it did not.
#[derive(Debug, Clone, AsXml)]
#[xml(namespace = CENSUS, name = "answer")]
pub(crate) struct Answer {
    #[xml(attribute)]
    pub(crate) jid: Jid,
    #[xml(attribute)]
    pub(crate) software: Option<String>,
    #[xml(attribute)]
    pub(crate) failure: Option<String>,
}
