//! Update of the index after a change of its terms, in small transactions while it is in use.

use postgres::Transaction;

use super::{Postgres, schema};
use crate::new_entry::{Class, Index};
use crate::store::usage::both;
use crate::store::{StoreError, index_terms};

pub(super) fn reindex(store: &mut Postgres, most: usize) -> Result<usize, StoreError> {
    let mut transaction = store.client.transaction()?;
    transaction.query(schema::LOCK, &[])?;
    let Some(row) = transaction.query_opt("SELECT boundary FROM reindex", &[])? else {
        return Ok(0);
    };
    let boundary: i64 = row.get(0);
    let rows = transaction.query(
        "SELECT place, archive, sender, recipient, class, stanza FROM entry WHERE place < $1 ORDER \
        BY place DESC LIMIT $2",
        &[&boundary, &i64::try_from(most).unwrap_or(i64::MAX)],
    )?;
    let mut places = Vec::new();
    let mut all_terms = Vec::new();
    for row in &rows {
        let stanza: Option<Vec<u8>> = row.get(5);
        // An erased entry has no words.
        let Some(stanza) = stanza.as_deref().and_then(crate::xml::stanza) else {
            continue;
        };
        let Index { words, payloads } = Index::of(&stanza);
        let class: i16 = row.get(4);
        let class = Class::of_number(i64::from(class)).unwrap_or(Class::Message);
        let mut terms = String::new();
        let parties = both(row.get(2), row.get(3));
        index_terms::of_entry(row.get(1), class, parties, &payloads, &words, &mut terms);
        places.push(row.get::<_, i64>(0));
        all_terms.push(terms);
    }
    update(&mut transaction, &places, &all_terms)?;
    match rows.last() {
        Some(last) => transaction.execute(
            "UPDATE reindex SET boundary = $1",
            &[&last.get::<_, i64>(0)],
        )?,
        None => transaction.execute("DELETE FROM reindex", &[])?,
    };
    transaction.commit()?;
    Ok(rows.len())
}

/// Leaves rows alone whose terms are the same, as in English.
fn update(
    transaction: &mut Transaction<'_>,
    places: &Vec<i64>,
    terms: &Vec<String>,
) -> Result<(), StoreError> {
    transaction.execute(
        "UPDATE entry SET terms = new.terms FROM (SELECT place, \
         array_to_tsvector(string_to_array(text, ' ')) AS terms \
         FROM unnest($1::bigint[], $2::text[]) AS row (place, text)) AS new \
         WHERE entry.place = new.place AND entry.terms <> new.terms",
        &[places, terms],
    )?;
    Ok(())
}
