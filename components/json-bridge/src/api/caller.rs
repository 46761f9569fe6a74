//! Who asks, as whom it may speak, and to whom.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use campanile::jid::Jid;
use campanile::stanza::Stanza;

use super::problem::Problem;
use crate::permissions::{Denied, Permissions};
use crate::secret::Secret;
use crate::settings::{Api, Bot};
use crate::to_webhook;

/// Somebody with a token.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The bot, or empty for the token of the whole.
    pub(super) name: String,
    token: Secret,
    permissions: Permissions,
}

/// Everybody with a token.
#[derive(Debug)]
pub(super) struct Callers(Vec<Caller>);

impl Callers {
    pub(super) fn new(api: &Api, bots: &[Bot], domain: &Jid) -> Self {
        let whole = api.token.clone().map(|token| Caller {
            name: String::new(),
            token,
            permissions: Permissions::domain_wide(api.to.clone(), domain),
        });
        let of_bot = |bot: &Bot| {
            let name = to_webhook::key(bot);
            let token = bot.token.clone()?;
            Some(Caller {
                name,
                token,
                permissions: Permissions::of_bot(bot, domain),
            })
        };
        Self(
            whole
                .into_iter()
                .chain(bots.iter().filter_map(of_bot))
                .collect(),
        )
    }

    /// Who has sent these headers.
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
                "send the header Authorization: Bearer, with a token of the configuration",
            ));
        };
        self.0
            .iter()
            .find(|caller| caller.token.is(token))
            .ok_or_else(|| Problem::new(401, "nobody has this token"))
    }
}

/// A page of another site cannot make a browser ask this one.
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
        Err(Problem::new(403, "asked by a page of another origin"))
    }
}

impl Caller {
    /// Fills in and checks the addresses by the caller's grant.
    pub(super) fn address(&self, stanza: Stanza) -> Result<Stanza, Problem> {
        self.permissions.address(stanza).map_err(|denied| {
            let status = if denied == Denied::MissingTo {
                422
            } else {
                403
            };
            Problem::new(status, denied.to_string()).field(denied.field())
        })
    }

    /// Whose events it may read: its own bot's, or all.
    pub(super) fn feed(&self) -> &str {
        if self.permissions.is_single_address() {
            &self.name
        } else {
            "*"
        }
    }
}
