//! XML types of the query and the results.

use campanile::jid::Jid;
use campanile::paging::{SetQuery, SetResult};
use xso::{AsXml, FromXml};

/// Namespace of the census. The route advertises it through service discovery.
pub(crate) const CENSUS: &str = "urn:example:census";

/// Request for a page of results.
#[derive(Debug, FromXml)]
#[xml(namespace = CENSUS, name = "results")]
pub(crate) struct Query {
    #[xml(child(default))]
    pub(crate) set: Option<SetQuery>,
}

/// A page of results.
#[derive(Debug, AsXml)]
#[xml(namespace = CENSUS, name = "results")]
pub(crate) struct Results {
    #[xml(child(n = ..))]
    pub(crate) answers: Vec<Answer>,
    #[xml(child)]
    pub(crate) set: SetResult,
}

/// Result for one user: the software, or the reason of the failure.
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
