//! Parsing of MAM queries.

use campanile::error::{BoxError, Condition, StanzaError};
use campanile::jid::Jid;
use campanile::minidom::Element;

use super::{FULLTEXT, MAM, RSM};
use crate::new_entry::Class;
use crate::store::{Backend, Query, StoreError};
use crate::time;

/// Default and maximum number of entries per page.
const DEFAULT_PAGE: usize = 50;
const MAX_PAGE: usize = 250;
/// The classes that MAM returns. Archived IQs and presence are available by other means.
pub(super) const CLASSES: [Class; 2] = [Class::Message, Class::Groupchat];
/// Maximum number of IDs in one query.
const MAX_IDS: usize = 1000;

/// A parsed query.
#[derive(Debug, Default)]
pub(super) struct MamQuery {
    pub(super) queryid: Option<String>,
    pub(super) flip: bool,
    with: Option<Jid>,
    start: Option<i64>,
    end: Option<i64>,
    before_id: Option<String>,
    after_id: Option<String>,
    ids: Vec<String>,
    without_groupchat: bool,
    words: String,
    max: Option<usize>,
    before: Option<String>,
    after: Option<String>,
}

impl MamQuery {
    pub(super) fn parse(query: &Element) -> Result<Self, BoxError> {
        let mut request = Self {
            queryid: query.attr("queryid").map(str::to_owned),
            ..Self::default()
        };
        for child in query.children() {
            match (child.ns().as_str(), child.name()) {
                (MAM, "flip-page") => request.flip = true,
                ("jabber:x:data", "x") => request.form(child)?,
                (RSM, "set") => request.set(child)?,
                _ => {}
            }
        }
        Ok(request)
    }

    /// Returns the query for all matches and the query for the requested page. IDs of entries that
    /// the requester may not see are not found.
    pub(super) fn queries(
        &self,
        base: Query,
        backend: &mut dyn Backend,
    ) -> Result<(Query, Query), StoreError> {
        let mut place =
            |id: &Option<String>| id.as_ref().map(|id| backend.place(&base, id)).transpose();
        let after = place(&self.after_id)?;
        let before = place(&self.before_id)?;
        let from = place(&self.after)?;
        let to = place(&self.before.clone().filter(|id| !id.is_empty()))?;
        let places = self
            .ids
            .iter()
            .map(|id| backend.place(&base, id))
            .collect::<Result<_, _>>()?;
        let query = Query {
            with: self.with.clone(),
            classes: if self.without_groupchat {
                vec![Class::Message]
            } else {
                CLASSES.to_vec()
            },
            words: self.words.clone(),
            start: self.start,
            end: self.end,
            after,
            before,
            places,
            from_end: self.before.is_some(),
            limit: self.max.unwrap_or(DEFAULT_PAGE).min(MAX_PAGE),
            ..base
        };
        let lower = [after, from].into_iter().flatten().max();
        let upper = [before, to].into_iter().flatten().min();
        let paged = Query {
            after: lower,
            before: upper,
            ..query.clone()
        };
        Ok((query, paged))
    }

    fn form(&mut self, form: &Element) -> Result<(), BoxError> {
        for field in form.children().filter(|child| child.name() == "field") {
            let values: Vec<String> = field
                .children()
                .filter(|child| child.name() == "value")
                .map(Element::text)
                .collect();
            let var = field.attr("var").unwrap_or_default();
            let value = values.first().map(String::as_str).unwrap_or_default();
            match (var, value) {
                ("FORM_TYPE", MAM) => {}
                ("FORM_TYPE", _) => return Err(bad("FORM_TYPE is not urn:xmpp:mam:2")),
                // An empty value counts as not submitted.
                (
                    "with" | "start" | "end" | "before-id" | "after-id" | "include-groupchat"
                    | FULLTEXT,
                    "",
                ) => {}
                ("with", jid) => {
                    self.with =
                        Some(Jid::new(jid).map_err(|_| StanzaError::new(Condition::JidMalformed))?);
                }
                ("start", text) => {
                    self.start =
                        Some(time::parse(text).ok_or_else(|| bad("start is not a timestamp"))?);
                }
                ("end", text) => {
                    self.end =
                        Some(time::parse(text).ok_or_else(|| bad("end is not a timestamp"))?);
                }
                ("before-id", id) => self.before_id = Some(id.to_owned()),
                ("after-id", id) => self.after_id = Some(id.to_owned()),
                ("ids", _) if values.len() > MAX_IDS => return Err(bad("too many ids")),
                ("ids", _) => self.ids = values.into_iter().filter(|id| !id.is_empty()).collect(),
                ("include-groupchat", "true" | "1") => self.without_groupchat = false,
                ("include-groupchat", "false" | "0") => self.without_groupchat = true,
                ("include-groupchat", _) => return Err(bad("include-groupchat is not a boolean")),
                (FULLTEXT, text) => text.clone_into(&mut self.words),
                // XEP-0313 §4.1.5: an unknown field is an error, since ignoring a filter would
                // return wrong results.
                _ => {
                    return Err(StanzaError::new(Condition::FeatureNotImplemented)
                        .with_text("unknown field")
                        .with_lang("en")
                        .into());
                }
            }
        }
        Ok(())
    }

    fn set(&mut self, set: &Element) -> Result<(), BoxError> {
        for child in set.children() {
            let text = child.text();
            match child.name() {
                "max" => {
                    self.max = Some(
                        text.trim()
                            .parse()
                            .map_err(|_| bad("max is not a number"))?,
                    );
                }
                "before" => self.before = Some(text),
                "after" if text.is_empty() => {}
                "after" => self.after = Some(text),
                // XEP-0059 §2.5: page retrieval by index is not supported.
                "index" => return Err(Condition::FeatureNotImplemented.into()),
                _ => {}
            }
        }
        Ok(())
    }
}

fn bad(text: &str) -> BoxError {
    StanzaError::new(Condition::BadRequest)
        .with_text(text)
        .with_lang("en")
        .into()
}
