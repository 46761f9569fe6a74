//! Queries.
//!
//! The index iterates over matching places and stops when the page is full. The shortest posting
//! list drives the iteration, and a page far inside the results is reached by seeking.

use campanile::jid::BareJid;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Sqlite, usage_table};
use crate::keys::Keys;
use crate::new_entry::Class;
use crate::store::index_terms::{Term, Terms};
use crate::store::planner::{self, Filter, bounds, into_page};
use crate::store::{Entry, Page, Place, Query, StoreError};

const COLUMNS: &str = "e.place, coalesce((SELECT alias.id FROM alias WHERE alias.place = e.place), \
    ''), \
    (SELECT jid FROM jid WHERE id = e.archive), (SELECT jid FROM jid WHERE id = e.sender), \
    (SELECT jid FROM jid WHERE id = e.recipient), e.class, e.stanza";

/// The plan of a query, with conditions in FTS5 syntax.
enum Plan {
    Nothing,
    Scan,
    Match(String),
}

pub(super) fn page(store: &mut Sqlite, query: &Query) -> Result<Page, StoreError> {
    // One snapshot of the database for the whole page.
    let view = store.connection.unchecked_transaction()?;
    let plan = plan(store, &view, query)?;
    if !query.places.is_empty() {
        return by_places(store, &view, query, &plan);
    }
    let sql = match &plan {
        Plan::Nothing => return Ok(Page::default()),
        Plan::Scan => scan(query, COLUMNS),
        Plan::Match(_) => by_index(query, COLUMNS),
    };
    let mut statement = view.prepare_cached(&sql)?;
    planner::collect(query, |[low, high, limit], visit| {
        let mut rows = match &plan {
            Plan::Match(terms) => statement.query(params![low, high, limit, terms])?,
            _ => statement.query(params![low, high, limit])?,
        };
        while let Some(row) = rows.next()? {
            visit(entry(row, &store.keys)?);
        }
        Ok(())
    })
}

pub(super) fn count(
    store: &mut Sqlite,
    query: &Query,
    most: u64,
) -> Result<Option<u64>, StoreError> {
    let db = &store.connection;
    if planner::is_unfiltered(query) {
        // An unknown JID has no entries; without a JID, everything is counted.
        let number = |jid: &Option<BareJid>| -> Result<_, StoreError> {
            let Some(jid) = jid else {
                return Ok(Some(None));
            };
            Ok(store.jids.find(db, jid.as_str())?.map(Some))
        };
        let (Some(owner), Some(archive)) = (number(&query.owner)?, number(&query.archive)?) else {
            return Ok(Some(0));
        };
        return Ok(Some(
            usage_table::entries(
                db,
                owner.unwrap_or(usage_table::ALL),
                archive,
                &query.classes,
            )?
            .0,
        ));
    }
    if !query.places.is_empty() {
        return Ok(Some(query.places.len() as u64));
    }
    if !Filter::new(query).accepts_all() {
        return Ok(None);
    }
    let plan = plan(store, db, query)?;
    let (low, high) = bounds(query);
    let limit = i64::try_from(most).unwrap_or(i64::MAX).saturating_add(1);
    let counted: i64 = match &plan {
        Plan::Nothing => 0,
        Plan::Scan => {
            let sql = format!("SELECT count(*) FROM ({})", scan(query, "1"));
            db.prepare_cached(&sql)?
                .query_row(params![low, high, limit], |row| row.get(0))?
        }
        Plan::Match(terms) => {
            let sql = "SELECT count(*) FROM \
                (SELECT 1 FROM term WHERE term MATCH ?4 AND rowid > ?1 AND rowid < ?2 ORDER BY \
                rowid LIMIT ?3)";
            db.prepare_cached(sql)?
                .query_row(params![low, high, limit, terms], |row| row.get(0))?
        }
    };
    let counted = counted.unsigned_abs();
    Ok(Some(counted).filter(|counted| *counted <= most))
}

pub(super) fn place(store: &mut Sqlite, query: &Query, id: &str) -> Result<Place, StoreError> {
    let db = &store.connection;
    let place = match store.keys.place(id) {
        Some(place) => place,
        None => db
            .query_row("SELECT place FROM alias WHERE id = ?1", [id], |row| {
                row.get(0)
            })
            .optional()?
            .ok_or(StoreError::NotFound)?,
    };
    let found = one(db, place, &store.keys)?.ok_or(StoreError::NotFound)?;
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

fn plan(store: &Sqlite, db: &Connection, query: &Query) -> Result<Plan, StoreError> {
    Ok(
        match planner::plan(query, |jid| store.jids.find(db, jid))? {
            planner::Plan::Nothing => Plan::Nothing,
            planner::Plan::Scan => Plan::Scan,
            planner::Plan::Match(terms) => Plan::Match(expression(&terms)),
        },
    )
}

/// Formats the conditions in FTS5 syntax. Terms contain no quotation marks.
fn expression(terms: &Terms) -> String {
    let term = |term: &Term| {
        format!(
            "\"{}\"{}",
            term.text,
            if term.beginning { " *" } else { "" }
        )
    };
    let all_of = |terms: &Vec<Term>| {
        let terms: Vec<_> = terms.iter().map(term).collect();
        format!("({})", terms.join(" AND "))
    };
    let any_of = |group: &Vec<Vec<Term>>| {
        let group: Vec<_> = group.iter().map(all_of).collect();
        format!("({})", group.join(" OR "))
    };
    let all: Vec<_> = terms.all.iter().map(any_of).collect();
    let none = terms.none.iter().map(all_of);
    none.fold(all.join(" AND "), |matches, none| {
        format!("({matches}) NOT {none}")
    })
}

fn scan(query: &Query, columns: &str) -> String {
    let order = if query.from_end { "DESC" } else { "ASC" };
    format!(
        "SELECT {columns} FROM entry e WHERE e.place > ?1 AND e.place < ?2 ORDER BY e.place \
        {order} LIMIT ?3"
    )
}

fn by_index(query: &Query, columns: &str) -> String {
    let order = if query.from_end { "DESC" } else { "ASC" };
    // CROSS JOIN makes SQLite iterate over the index first.
    format!(
        "SELECT {columns} FROM term CROSS JOIN entry e ON e.place = term.rowid \
         WHERE term MATCH ?4 AND term.rowid > ?1 AND term.rowid < ?2 ORDER BY term.rowid {order} \
         LIMIT ?3"
    )
}

/// Returns the entries at given places that fulfill the other conditions.
fn by_places(
    store: &Sqlite,
    db: &Connection,
    query: &Query,
    plan: &Plan,
) -> Result<Page, StoreError> {
    let (low, high) = bounds(query);
    let mut places: Vec<_> = query
        .places
        .iter()
        .copied()
        .filter(|place| low < *place && *place < high)
        .collect();
    places.sort_unstable();
    places.dedup();
    if query.from_end {
        places.reverse();
    }
    let filter = Filter::new(query);
    let mut fits = db.prepare_cached("SELECT 1 FROM term WHERE term MATCH ?1 AND rowid = ?2")?;
    let mut entries = Vec::new();
    for place in places {
        let fits = match plan {
            Plan::Nothing => false,
            Plan::Scan => true,
            Plan::Match(terms) => fits.exists(params![terms, place])?,
        };
        if fits
            && let Some(entry) = one(db, place, &store.keys)?
            && filter.matches(&entry)
        {
            entries.push(entry);
        }
        if entries.len() > query.limit {
            break;
        }
    }
    Ok(into_page(entries, query))
}

fn one(db: &Connection, place: Place, keys: &Keys) -> Result<Option<Entry>, StoreError> {
    let mut statement =
        db.prepare_cached(&format!("SELECT {COLUMNS} FROM entry e WHERE e.place = ?1"))?;
    let mut rows = statement.query([place])?;
    rows.next()?.map(|row| entry(row, keys)).transpose()
}

fn entry(row: &Row<'_>, keys: &Keys) -> Result<Entry, StoreError> {
    let place = row.get(0)?;
    let alias: String = row.get(1)?;
    let archive: String = row.get(2)?;
    let to: Option<String> = row.get(4)?;
    let class: i64 = row.get(5)?;
    let stanza: Option<Vec<u8>> = row.get(6)?;
    let class = Class::of_number(class);
    Ok(Entry {
        place,
        id: if alias.is_empty() {
            keys.id(place)
        } else {
            alias
        },
        from: row.get(3)?,
        to: to.unwrap_or_else(|| archive.clone()),
        archive,
        class: class.ok_or_else(|| StoreError::Fault("entry has an unknown class".to_owned()))?,
        stanza: stanza.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
    })
}
