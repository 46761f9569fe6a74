//! Long lists a page at a time (XEP-0059), for whoever is asked; for those who ask there is
//! [`Pages`](crate::request::Pages).

use std::collections::VecDeque;

use xmpp_parsers::rsm::First;
pub use xmpp_parsers::rsm::{SetQuery, SetResult};

use crate::error::{Condition, StanzaError};

/// Namespace of result sets.
pub const NS: &str = "http://jabber.org/protocol/rsm";

/// One page of a list: its items, and where they lie.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// What is told about them.
    pub set: SetResult,
}

/// Cuts out of a list the page that is asked for.
///
/// `id` names an item so that no other has the same name, for as long as somebody may read on. At
/// most `most` items are on a page, also when more are asked for, or no number. The list is gone
/// through once, and no more than a page of it is held.
///
/// ```
/// use campanile::paging::{SetQuery, page};
///
/// # fn main() -> Result<(), campanile::error::StanzaError> {
/// let query = SetQuery { max: Some(2), after: Some("b".into()), before: None, index: None };
/// let page = page(["a", "b", "c", "d", "e"], &query, 100, |item| (*item).to_owned())?;
/// assert_eq!(page.items, ["c", "d"]);
/// assert_eq!((page.set.last.as_deref(), page.set.count), (Some("d"), Some(5)));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Item-not-found, when the item that the page begins behind or ends before is not there (XEP-0059
/// §2.3).
pub fn page<T>(
    list: impl IntoIterator<Item = T>,
    query: &SetQuery,
    most: usize,
    id: impl Fn(&T) -> String,
) -> Result<ListPage<T>, StanzaError> {
    let most = query.max.unwrap_or(most).min(most);
    let mut window = Window {
        most,
        first: 0,
        items: VecDeque::new(),
    };
    let mut count = 0;
    // The item that the page begins behind or ends before has been seen, if there is one.
    let mut found = false;
    for item in list {
        match (&query.after, &query.before, query.index) {
            (Some(_), ..) if found => window.fill(count, item, false),
            (Some(after), ..) => found = id(&item) == **after,
            (None, Some(before), _) if before.is_empty() => window.slide(count, item),
            (None, Some(_), _) if found => {}
            (None, Some(before), _) => {
                found = id(&item) == **before;
                if !found {
                    window.slide(count, item);
                }
            }
            (None, None, Some(index)) => window.fill(count, item, count < index),
            (None, None, None) => window.fill(count, item, false),
        }
        count += 1;
    }
    let named = query
        .after
        .as_ref()
        .or(query.before.as_ref().filter(|before| !before.is_empty()));
    if named.is_some() && !found {
        return Err(StanzaError::new(Condition::ItemNotFound));
    }
    let mut page = window.finish(count, id);
    if let (Some(_), Some(first)) = (&query.before, &mut page.set.first) {
        // The place is optional (XEP-0059 §2.6). slixmpp takes a page with which the list ends for
        // the last that it asks for, whichever way it goes, and would stop after its first step
        // backwards.
        first.index = first
            .index
            .filter(|index| *index == 0 || index + page.items.len() < count);
    }
    Ok(page)
}

/// The items that may be on the page.
struct Window<T> {
    most: usize,
    /// The place of the first of them in the list.
    first: usize,
    items: VecDeque<T>,
}

impl<T> Window<T> {
    /// Takes the first that come.
    fn fill(&mut self, at: usize, item: T, too_early: bool) {
        if too_early || self.items.len() >= self.most {
            return;
        }
        if self.items.is_empty() {
            self.first = at;
        }
        self.items.push_back(item);
    }

    /// Keeps the last that came.
    fn slide(&mut self, at: usize, item: T) {
        self.items.push_back(item);
        if self.items.len() > self.most {
            self.items.pop_front();
        }
        self.first = (at + 1).saturating_sub(self.items.len());
    }

    fn finish(self, count: usize, id: impl Fn(&T) -> String) -> ListPage<T> {
        let first = self.items.front().map(|item| First {
            index: Some(self.first),
            item: id(item),
        });
        let last = self.items.back().map(id);
        ListPage {
            items: self.items.into(),
            set: SetResult {
                first,
                last,
                count: Some(count),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn query(max: Option<usize>) -> SetQuery {
        SetQuery {
            max,
            after: None,
            before: None,
            index: None,
        }
    }

    /// The items in one text, the index of the first, the last, the count.
    fn shown(list: &[&'static str], query: &SetQuery) -> Option<String> {
        let page = page(list.iter().copied(), query, 3, |item| (*item).to_owned()).ok()?;
        let SetResult { first, last, count } = page.set;
        assert_eq!(
            first.as_ref().map(|first| first.item.as_str()),
            page.items.first().copied()
        );
        Some(format!(
            "{} {:?} {last:?} {count:?}",
            page.items.concat(),
            first.and_then(|first| first.index)
        ))
    }

    fn is(query: &SetQuery, items: &str, index: usize) {
        let last = items.chars().last().map(String::from);
        let told = last
            .as_ref()
            .filter(|last| query.before.is_none() || *last != "e");
        let wanted = format!("{items} {:?} {last:?} Some(5)", told.map(|_| index));
        assert_eq!(shown(&LIST, query), Some(wanted), "{query:?}");
    }

    #[test]
    fn every_way_to_ask_for_a_page() {
        let after = |id: &str| SetQuery {
            after: Some(id.into()),
            ..query(Some(2))
        };
        let before = |id: &str| SetQuery {
            before: Some(id.into()),
            ..query(Some(2))
        };
        let index = |index| SetQuery {
            index: Some(index),
            ..query(Some(2))
        };
        is(&query(None), "abc", 0);
        is(&query(Some(2)), "ab", 0);
        is(&query(Some(99)), "abc", 0);
        is(&query(Some(0)), "", 0);
        is(&after("b"), "cd", 2);
        is(&after("d"), "e", 4);
        is(&after("e"), "", 0);
        is(&before(""), "de", 3);
        is(&before("d"), "bc", 1);
        is(&before("b"), "a", 0);
        is(&before("a"), "", 0);
        is(&index(0), "ab", 0);
        is(&index(3), "de", 3);
        is(&index(4), "e", 4);
        // XEP-0059 §2.6: beyond the end is an empty page.
        is(&index(5), "", 0);
        for unknown in [after("x"), before("x"), after("")] {
            assert_eq!(shown(&LIST, &unknown), None, "{unknown:?}");
        }
        assert_eq!(
            shown(&[], &query(None)),
            Some(" None None Some(0)".to_owned())
        );
    }

    #[test]
    fn a_list_is_read_from_end_to_end_both_ways() {
        let mut forwards = Vec::new();
        let mut ask = query(Some(2));
        while let Ok(ListPage { items, set }) = page(LIST, &ask, 3, |item| (*item).to_owned())
            && set.last.is_some()
        {
            forwards.extend(items);
            ask.after = set.last;
        }
        assert_eq!(forwards, LIST);
        let mut backwards = Vec::new();
        let mut ask = SetQuery {
            before: Some(String::new()),
            ..query(Some(2))
        };
        while let Ok(ListPage { items, set }) = page(LIST, &ask, 3, |item| (*item).to_owned())
            && let Some(first) = set.first
        {
            backwards.splice(0..0, items);
            ask.before = Some(first.item);
        }
        assert_eq!(backwards, LIST);
    }
}
