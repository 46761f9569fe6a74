//! Result set management (XEP-0059) for the responding side. [`Pages`](crate::request::Pages) is
//! the requesting side.

use std::collections::VecDeque;

use xmpp_parsers::rsm::First;
pub use xmpp_parsers::rsm::{SetQuery, SetResult};

use crate::error::{Condition, StanzaError};

/// Namespace of result set management.
pub(crate) const NS: &str = "http://jabber.org/protocol/rsm";

/// A page of a list, with its position.
#[derive(Debug, Clone, PartialEq)]
pub struct ListPage<T> {
    /// The items, in the order of the list.
    pub items: Vec<T>,
    /// The `<set/>` element that describes the page: first and last item, and total count.
    pub set: SetResult,
}

/// Returns the page of a list that the query asks for.
///
/// `id` returns the id of an item. It must be unique within the list and stable while clients page
/// through it. A page has at most `most` items, even if the query asks for more or does not set a
/// maximum. The list is iterated once, and no more than one page is held in memory.
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
/// Returns `item-not-found` if the item that the page starts after or ends before does not exist
/// (XEP-0059 §2.3).
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
    // `true` once the item that the page starts after or ends before has been seen.
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
        // The index is optional (XEP-0059 §2.6). When slixmpp pages backward, it takes a page that
        // ends with the last item of the list for the final page and stops after one step. It
        // continues if the index is missing.
        first.index = first
            .index
            .filter(|index| *index == 0 || index + page.items.len() < count);
    }
    Ok(page)
}

/// The items that may be on the page.
struct Window<T> {
    most: usize,
    /// The index in the list of the first of these items.
    first: usize,
    items: VecDeque<T>,
}

impl<T> Window<T> {
    /// Keeps the first items that are offered.
    fn fill(&mut self, at: usize, item: T, too_early: bool) {
        if too_early || self.items.len() >= self.most {
            return;
        }
        if self.items.is_empty() {
            self.first = at;
        }
        self.items.push_back(item);
    }

    /// Keeps the last items that are offered.
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

    /// Formats the items, the index of the first, the last, and the count.
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
        let index_sent = last
            .as_ref()
            .filter(|last| query.before.is_none() || *last != "e");
        let wanted = format!("{items} {:?} {last:?} Some(5)", index_sent.map(|_| index));
        assert_eq!(shown(&LIST, query), Some(wanted), "{query:?}");
    }

    #[test]
    fn page_supports_every_query() {
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
        // XEP-0059 §2.6: an index beyond the end returns an empty page.
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
    fn list_can_be_paged_forward_and_backward() {
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
