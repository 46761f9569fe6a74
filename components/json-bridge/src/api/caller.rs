//! Who asks, as whom it may speak, and to whom.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use campanile::jid::{BareJid, Jid};
use campanile::stanza::Stanza;

use super::problem::Problem;
use crate::deliver;
use crate::secret::Secret;
use crate::settings::{Api, Bot, Grant};

/// Somebody with a token.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// The bot, or empty for the token of the whole.
    pub(super) name: String,
    token: Secret,
    /// The one address to speak as; `None` for every one in the domain.
    own: Option<BareJid>,
    to: Grant,
    domain: Jid,
}

/// Everybody with a token.
#[derive(Debug)]
pub(super) struct Callers(Vec<Caller>);

impl Callers {
    pub(super) fn new(api: &Api, bots: &[Bot], domain: &Jid) -> Self {
        let domain = domain.clone();
        let whole = api.token.clone().map(|token| Caller {
            name: String::new(),
            token,
            own: None,
            to: api.to.clone(),
            domain: domain.clone(),
        });
        let of_bot = |bot: &Bot| {
            let own = match &bot.localpart {
                Some(localpart) => BareJid::new(&format!("{localpart}@{domain}")).ok(),
                // It has every address that no other bot has.
                None => None,
            };
            Some(Caller {
                name: deliver::key(bot),
                token: bot.token.clone()?,
                own,
                to: bot.to.clone(),
                domain: domain.clone(),
            })
        };
        Self(whole.into_iter().chain(bots.iter().filter_map(of_bot)).collect())
    }

    /// Who has sent these headers.
    pub(super) fn find(&self, headers: &HeaderMap) -> Result<&Caller, Problem> {
        same_origin(headers)?;
        let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let token = given.and_then(|text| {
            let (scheme, token) = text.split_once(' ')?;
            scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
        });
        let Some(token) = token else {
            return Err(Problem::new(401, "send the header Authorization: Bearer, with a token of the configuration"));
        };
        self.0.iter().find(|caller| caller.token.is(token)).ok_or_else(|| Problem::new(401, "nobody has this token"))
    }
}

/// A page of another site cannot make a browser ask this one.
fn same_origin(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let Some(origin) = text(ORIGIN) else { return Ok(()) };
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
        let from =
            stanza.from().cloned().unwrap_or_else(|| self.own.clone().map_or_else(|| self.domain.clone(), Jid::from));
        let own = match &self.own {
            Some(own) => from.to_bare() == *own,
            None => from.domain() == self.domain.domain(),
        };
        if !own {
            return Err(Problem::new(403, format!("this token does not speak as {from}")).field("from"));
        }
        let to = stanza.to().cloned().ok_or_else(|| Problem::new(422, "is missing").field("to"))?;
        if !self.to.covers(&to, self.domain.domain().as_str()) {
            return Err(Problem::new(403, format!("this token may not write to {to}")).field("to"));
        }
        Ok(stanza.with_from(from).with_to(to))
    }

    /// Whose events it may read: its own bot's, or all.
    pub(super) fn feed(&self) -> &str {
        if self.own.is_none() { "*" } else { &self.name }
    }
}
