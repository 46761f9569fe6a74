//! Authentication and permissions of API clients.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use campanile::jid::Jid;
use campanile::stanza::Stanza;
use tokio::sync::Semaphore;

use super::problem::Problem;
use crate::permissions::{Denied, Permissions};
use crate::secret::Secret;
use crate::settings::{Api, Bot};
use crate::to_webhook;

/// An API client, identified by its token.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The name of the bot; empty for the token of `api`, which covers the whole domain.
    pub(super) name: String,
    token: Secret,
    permissions: Permissions,
    /// Its share of event readers, so that no client takes those of all others.
    pub(super) readers: Arc<Semaphore>,
}

/// The least share of event readers, as a part of all: with more clients, shares overlap.
const SMALLEST_SHARE: usize = 4;

/// All API clients.
#[derive(Debug)]
pub(super) struct Callers(Vec<Caller>);

impl Callers {
    /// `readers` is the number of event readers that all clients share.
    pub(super) fn new(api: &Api, bots: &[Bot], domain: &Jid, readers: usize) -> Self {
        let with_token = bots.iter().filter(|bot| bot.token.is_some());
        let count = with_token.count() + usize::from(api.token.is_some());
        let share = readers / count.clamp(1, SMALLEST_SHARE);
        let readers = || Arc::new(Semaphore::new(share));
        let whole = api.token.clone().map(|token| Caller {
            name: String::new(),
            token,
            permissions: Permissions::domain_wide(api.to.clone(), domain),
            readers: readers(),
        });
        let of_bot = |bot: &Bot| {
            let name = to_webhook::key(bot);
            let token = bot.token.clone()?;
            Some(Caller {
                name,
                token,
                permissions: Permissions::of_bot(bot, domain),
                readers: readers(),
            })
        };
        Self(
            whole
                .into_iter()
                .chain(bots.iter().filter_map(of_bot))
                .collect(),
        )
    }

    /// Returns the client that has sent a request with these headers.
    pub(super) fn find(&self, headers: &HeaderMap) -> Result<&Caller, Problem> {
        same_origin(headers)?;
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = given.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme
                .eq_ignore_ascii_case("bearer")
                .then_some(token.trim())
        });
        let Some(token) = token else {
            return Err(Problem::new(
                401,
                "missing token: send the header `Authorization: Bearer TOKEN`",
            ));
        };
        self.0
            .iter()
            .find(|caller| caller.token.is(token))
            .ok_or_else(|| Problem::new(401, "invalid token"))
    }
}

/// Rejects requests that a browser sends on behalf of a page of another origin (CSRF).
fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &axum::http::HeaderValue| value.to_str().ok())
    };
    let Some(origin) = text(ORIGIN) else {
        return Ok(());
    };
    let host = origin.split_once("://").map(|(_, host)| host);
    if host.is_some() && host == text(HOST) {
        Ok(())
    } else {
        Err(Problem::new(
            403,
            "cross-origin request: `Origin` differs from `Host`",
        ))
    }
}

impl Caller {
    /// Fills in a missing `from` and checks both addresses against the client's permissions.
    pub(super) fn address(&self, stanza: Stanza) -> Result<Stanza, Problem> {
        self.permissions.address(stanza).map_err(|denied| {
            let status = match denied {
                Denied::MissingTo | Denied::Empty => 422,
                Denied::From(_) | Denied::To(_) => 403,
            };
            Problem::new(status, denied.to_string()).field(denied.field())
        })
    }

    /// Returns the feed that the client may read: that of its bot, or `*` for all bots.
    pub(super) fn feed(&self) -> &str {
        if self.permissions.is_single_address() {
            &self.name
        } else {
            "*"
        }
    }
}
