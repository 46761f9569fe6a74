//! Queries.

use postgres::types::ToSql;
use postgres::{GenericClient, Row};

use super::Postgres;
use super::statement_limit::StatementLimit;
use crate::keys::Keys;
use crate::new_entry::Class;
use crate::store::index_terms::{Term, Terms};
use crate::store::planner::{self, Filter, Plan, bounds};
use crate::store::usage::{ALL, HOME, RECEIVED};
use crate::store::{Entry, Page, Place, Query, StoreError, Usage};

/// Number of entries scanned before the index of terms is used. Frequent terms are found by the
/// scan, where the index would collect all matches first; terms not found by it are rare enough for
/// the index.
const SCAN_LIMIT: usize = 4000;

const COLUMNS: &str = "e.place, (SELECT alias.id FROM alias WHERE alias.place = e.place), \
    (SELECT jid FROM jid WHERE id = e.archive), (SELECT jid FROM jid WHERE id = e.sender), \
    (SELECT jid FROM jid WHERE id = e.recipient), e.class, e.stanza";

pub(super) fn page(store: &mut Postgres, query: &Query) -> Result<Page, StoreError> {
    let Postgres {
        client,
        keys,
        limit,
        ..
    } = store;
    let plan = planner::plan(query, |jid| find(client, keys, jid))?;
    let condition = match &plan {
        Plan::Nothing => return Ok(Page::default()),
        Plan::Scan => None,
        Plan::Match(terms) => Some(expression(terms)),
    };
    let mut reader = Reader { client, limit };
    planner::collect(query, |[low, high, most], visit| {
        for row in &reader.found(query, [&low, &high, &most], condition.as_ref())? {
            visit(entry(row, keys)?);
        }
        Ok(())
    })
}

pub(super) fn count(
    store: &mut Postgres,
    query: &Query,
    most: u64,
) -> Result<Option<u64>, StoreError> {
    let Postgres {
        client,
        keys,
        limit,
        ..
    } = store;
    if planner::is_unfiltered(query) {
        let mut number = |jid: Option<&str>| match jid {
            None => Ok(Some(None)),
            Some(jid) => find(client, keys, jid).map(|found| found.map(Some)),
        };
        let owner = number(query.owner.as_ref().map(|jid| jid.as_str()))?;
        let archive = number(query.archive.as_ref().map(|jid| jid.as_str()))?;
        let (Some(owner), Some(archive)) = (owner, archive) else {
            return Ok(Some(0));
        };
        return Ok(Some(
            used(client, owner.unwrap_or(ALL), archive, &query.classes)?.0,
        ));
    }
    if !query.places.is_empty() {
        return Ok(Some(query.places.len() as u64));
    }
    if !Filter::new(query).accepts_all() {
        return Ok(None);
    }
    let condition = match planner::plan(query, |jid| find(client, keys, jid))? {
        Plan::Nothing => return Ok(Some(0)),
        Plan::Scan => None,
        Plan::Match(terms) => Some(expression(&terms)),
    };
    let (low, high) = bounds(query);
    let mut reader = Reader { client, limit };
    let most_and_one = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let mut counted = |found: String| {
        let sql = format!("SELECT count(*) FROM ({found}) AS found");
        let bounds = [&low, &high, &most_and_one];
        let rows = reader.fetch(&sql, query, bounds, condition.as_ref())?;
        Ok::<_, StoreError>(
            rows.first()
                .map(|row| row.get::<_, i64>(0))
                .unwrap_or_default()
                .unsigned_abs(),
        )
    };
    let all = match &condition {
        None => counted(in_order(query, "1", false))?,
        Some(_) => match counted(near(query, "1"))? {
            near if near > most => near,
            _ => counted(by_terms(query, "1"))?,
        },
    };
    Ok(Some(all).filter(|all| *all <= most))
}

pub(super) fn place(store: &mut Postgres, query: &Query, id: &str) -> Result<Place, StoreError> {
    let Postgres { client, keys, .. } = store;
    let place = match keys.place(id) {
        Some(place) => place,
        None => {
            let row = client.query_opt("SELECT place FROM alias WHERE id = $1", &[&id])?;
            row.ok_or(StoreError::NotFound)?.get(0)
        }
    };
    let row = client.query_opt(
        &format!("SELECT {COLUMNS} FROM entry e WHERE e.place = $1"),
        &[&place],
    )?;
    let found = entry(&row.ok_or(StoreError::NotFound)?, keys)?;
    let archive = query
        .archive
        .as_ref()
        .is_none_or(|archive| found.archive == archive.as_str());
    let owner = query
        .owner
        .as_ref()
        .is_none_or(|owner| found.from == owner.as_str() || found.to == owner.as_str());
    if archive && owner {
        Ok(place)
    } else {
        Err(StoreError::NotFound)
    }
}

pub(super) fn usage(store: &mut Postgres, owner: Option<&str>) -> Result<Usage, StoreError> {
    let Postgres { client, keys, .. } = store;
    let party = match owner {
        None => ALL,
        Some(owner) => match find(client, keys, owner)? {
            Some(party) => party,
            None => return Ok(Usage::default()),
        },
    };
    let (entries, bytes) = used(client, party, None, &[])?;
    let mut usage = Usage {
        entries,
        bytes,
        ..Usage::default()
    };
    if owner.is_none() {
        let span = client.query_one("SELECT min(place), max(place) FROM entry", &[])?;
        usage.span = span.get::<_, Option<i64>>(0).zip(span.get(1));
        let rows = client.query(
            "SELECT jid, sum(entries)::bigint, sum(bytes)::bigint FROM used JOIN jid ON jid.id = \
            party \
             WHERE party > 0 AND class < $1 GROUP BY jid ORDER BY 3 DESC, 2 DESC, 1 LIMIT 10",
            &[&RECEIVED],
        )?;
        let sender = |row: &Row| {
            (
                row.get(0),
                row.get::<_, i64>(1).unsigned_abs(),
                row.get::<_, i64>(2).unsigned_abs(),
            )
        };
        usage.senders = rows.iter().map(sender).collect();
    }
    Ok(usage)
}

/// Returns the number of a JID, if it has one.
pub(super) fn find(
    client: &mut impl GenericClient,
    keys: &Keys,
    jid: &str,
) -> Result<Option<i64>, StoreError> {
    let row = client.query_opt(
        "SELECT id FROM jid WHERE hash = $1 AND jid = $2",
        &[&keys.short_hash(jid), &jid],
    )?;
    Ok(row.map(|row| row.get(0)))
}

/// Returns the entries and bytes that a party sent and received in an archive; in all archives if
/// `None`.
pub(super) fn used(
    client: &mut impl GenericClient,
    party: i64,
    archive: Option<i64>,
    classes: &[Class],
) -> Result<(u64, u64), StoreError> {
    let rows = client.query(
        "SELECT class, entries, bytes FROM used WHERE party = $1 AND ($2::bigint IS NULL OR \
        archive = $2) AND class < $3",
        &[&party, &archive, &HOME],
    )?;
    let wanted =
        |class: i64| classes.is_empty() || classes.iter().any(|it| *it as i64 == class % RECEIVED);
    let rows = rows.iter().filter(|row| wanted(row.get(0)));
    Ok(rows.fold((0, 0), |sum, row| {
        (
            sum.0 + row.get::<_, i64>(1).unsigned_abs(),
            sum.1 + row.get::<_, i64>(2).unsigned_abs(),
        )
    }))
}

/// A connection, and the time that its statements have.
struct Reader<'r, C> {
    client: &'r mut C,
    limit: &'r mut StatementLimit,
}

impl<C: GenericClient> Reader<'_, C> {
    /// Fetches matching entries up to the limit.
    fn found(
        &mut self,
        query: &Query,
        bounds: [&i64; 3],
        condition: Option<&String>,
    ) -> Result<Vec<Row>, StoreError> {
        if condition.is_none() || !query.places.is_empty() {
            let sql = in_order(query, COLUMNS, condition.is_some());
            return self.fetch(&sql, query, bounds, condition);
        }
        let rows = self.fetch(&near(query, COLUMNS), query, bounds, condition)?;
        if i64::try_from(rows.len()).is_ok_and(|rows| rows >= *bounds[2]) {
            return Ok(rows);
        }
        self.fetch(&by_terms(query, COLUMNS), query, bounds, condition)
    }

    fn fetch(
        &mut self,
        sql: &str,
        query: &Query,
        bounds: [&i64; 3],
        condition: Option<&String>,
    ) -> Result<Vec<Row>, StoreError> {
        self.limit.renew(self.client)?;
        let mut values: Vec<&(dyn ToSql + Sync)> =
            bounds.into_iter().map(|bound| bound as _).collect();
        values.extend(condition.map(|condition| condition as &(dyn ToSql + Sync)));
        if !query.places.is_empty() {
            values.push(&query.places);
        }
        Ok(self.client.query(sql, &values)?)
    }
}

/// Formats the conditions as a `tsquery`. Terms contain no quotation marks.
fn expression(terms: &Terms) -> String {
    let term = |term: &Term| format!("'{}'{}", term.text, if term.beginning { ":*" } else { "" });
    let all_of = |terms: &Vec<Term>| {
        let terms: Vec<_> = terms.iter().map(term).collect();
        format!("({})", terms.join(" & "))
    };
    let any_of = |group: &Vec<Vec<Term>>| {
        let group: Vec<_> = group.iter().map(all_of).collect();
        format!("({})", group.join(" | "))
    };
    let all = terms.all.iter().map(any_of);
    let none = terms.none.iter().map(|none| format!("!{}", all_of(none)));
    all.chain(none).collect::<Vec<_>>().join(" & ")
}

/// Scans the first entries in order.
fn near(query: &Query, columns: &str) -> String {
    let order = if query.from_end { "DESC" } else { "ASC" };
    format!(
        "SELECT {columns} FROM (SELECT * FROM entry e WHERE e.place > $1 AND e.place < $2 ORDER BY \
        e.place {order} \
         LIMIT {SCAN_LIMIT}) AS e WHERE e.terms @@ $4::text::tsquery ORDER BY e.place {order} \
         LIMIT $3"
    )
}

/// Uses the index of terms only: the expression `place + 0` disables the index of places.
fn by_terms(query: &Query, columns: &str) -> String {
    let order = if query.from_end { "DESC" } else { "ASC" };
    format!(
        "SELECT {columns} FROM entry e WHERE e.place + 0 > $1 AND e.place + 0 < $2 AND e.terms @@ \
        $4::text::tsquery \
         ORDER BY e.place + 0 {order} LIMIT $3"
    )
}

fn in_order(query: &Query, columns: &str, by_index: bool) -> String {
    let order = if query.from_end { "DESC" } else { "ASC" };
    let terms = if by_index {
        " AND e.terms @@ $4::text::tsquery"
    } else {
        ""
    };
    let places = match (query.places.is_empty(), by_index) {
        (true, _) => "",
        (false, true) => " AND e.place = ANY($5)",
        (false, false) => " AND e.place = ANY($4)",
    };
    format!(
        "SELECT {columns} FROM entry e WHERE e.place > $1 AND e.place < $2{terms}{places} ORDER BY \
        e.place {order} LIMIT $3"
    )
}

fn entry(row: &Row, keys: &Keys) -> Result<Entry, StoreError> {
    let place = row.get(0);
    let alias: Option<String> = row.get(1);
    let archive: String = row.get(2);
    let to: Option<String> = row.get(4);
    let class: i16 = row.get(5);
    let stanza: Option<Vec<u8>> = row.get(6);
    let class = Class::of_number(i64::from(class));
    Ok(Entry {
        place,
        id: alias.unwrap_or_else(|| keys.id(place)),
        from: row.get(3),
        to: to.unwrap_or_else(|| archive.clone()),
        archive,
        class: class.ok_or_else(|| StoreError::Fault("entry has an unknown class".to_owned()))?,
        stanza: stanza.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    })
}
