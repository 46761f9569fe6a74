//! XML types of the query and the results.

use campanile::extract::Payload;
use campanile::jid::Jid;
use campanile::paging::{SetQuery, SetResult};

/// Namespace of the census. The route advertises it through service discovery.
pub(crate) const CENSUS: &str = "urn:example:census";

/// Request for a page of results.
#[derive(Debug, Payload)]
#[xml(namespace = CENSUS, name = "results")]
pub(crate) struct Query {
    #[xml(child(default))]
    pub(crate) set: Option<SetQuery>,
}

/// A page of results.
#[derive(Debug, Payload)]
#[xml(namespace = CENSUS, name = "results")]
pub(crate) struct Results {
    #[xml(child(n = ..))]
    pub(crate) answers: Vec<Answer>,
    #[xml(child)]
    pub(crate) set: SetResult,
}

/// Result for one user: the software, or the reason of the failure.
#[derive(Debug, Clone, Payload)]
#[xml(namespace = CENSUS, name = "answer")]
pub(crate) struct Answer {
    #[xml(attribute)]
    pub(crate) jid: Jid,
    #[xml(attribute(default))]
    pub(crate) software: Option<String>,
    #[xml(attribute(default))]
    pub(crate) failure: Option<String>,
}
