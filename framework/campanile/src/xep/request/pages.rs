//! Paged lists (XEP-0059).

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use xmpp_parsers::rsm::{SetQuery, SetResult};

use crate::client::IqError;

type Fetched<T> = Pin<Box<dyn Future<Output = Result<FetchedPage<T>, IqError>> + Send>>;

/// One page of a list.
#[derive(Debug, Clone)]
pub struct FetchedPage<T> {
    /// The items, in the order of the whole list.
    pub items: Vec<T>,
    /// The position of the page, or `None` if the entity does not support paging and these are all
    /// items.
    pub set: Option<SetResult>,
    /// Set if the entity states that there is nothing further in this direction.
    pub complete: bool,
}

/// A list that is requested page by page, as far as it is read.
///
/// The next page is requested once the previous one has been read. Dropping a future loses nothing:
/// the page is requested again. After an error, the same page can be requested again.
///
/// ```
/// # use campanile::{client::{Client, IqError}, jid::Jid};
/// # async fn example(client: Client, rooms: Jid) -> Result<(), IqError> {
/// let mut rooms = client.disco_items(rooms, None).page_size(20);
/// while let Some(room) = rooms.next().await? {
///     println!("{:?} of {:?}", room.name, rooms.count());
/// }
/// # Ok(())
/// # }
/// ```
pub struct Pages<T> {
    fetch: Box<dyn FnMut(SetQuery) -> Fetched<T> + Send>,
    size: usize,
    backwards: bool,
    /// The item after which the next page begins, or before which it ends.
    at: Option<String>,
    ended: bool,
    items: VecDeque<T>,
    count: Option<usize>,
}

impl<T> Pages<T> {
    /// Creates a list from a function that requests one page.
    pub fn new<F, Fut>(mut fetch: F) -> Self
    where
        F: FnMut(SetQuery) -> Fut + Send + 'static,
        Fut: Future<Output = Result<FetchedPage<T>, IqError>> + Send + 'static,
    {
        Self {
            fetch: Box::new(move |set| Box::pin(fetch(set))),
            size: 100,
            backwards: false,
            at: None,
            ended: false,
            items: VecDeque::new(),
            count: None,
        }
    }

    /// Sets the number of items to request at a time. Default: 100. The entity may return fewer or
    /// more.
    #[must_use]
    pub fn page_size(mut self, size: usize) -> Self {
        self.size = size.max(1);
        self
    }

    /// Starts after the item with this id (XEP-0059 §2.2).
    #[must_use]
    pub fn after(mut self, id: impl Into<String>) -> Self {
        (self.at, self.backwards) = (Some(id.into()), false);
        self
    }

    /// Reads the list backwards from its end (XEP-0059 §2.5).
    #[must_use]
    pub fn backwards(mut self) -> Self {
        self.backwards = true;
        self
    }

    /// Reads the list backwards from before the item with this id (XEP-0059 §2.3).
    #[must_use]
    pub fn before(mut self, id: impl Into<String>) -> Self {
        (self.at, self.backwards) = (Some(id.into()), true);
        self
    }

    /// Returns the next item, or `None` at the end.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn next(&mut self) -> Result<Option<T>, IqError> {
        while self.items.is_empty() && !self.ended {
            self.fetch().await?;
        }
        Ok(self.items.pop_front())
    }

    /// Returns the remaining items, up to `most`.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn collect(mut self, most: usize) -> Result<Vec<T>, IqError> {
        let mut all = Vec::new();
        while all.len() < most
            && let Some(item) = self.next().await?
        {
            all.push(item);
        }
        Ok(all)
    }

    /// Returns the size of the whole list, as stated by the last page. It may be an estimate
    /// (XEP-0059 §2.6).
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        self.count
    }

    async fn fetch(&mut self) -> Result<(), IqError> {
        let at = self.at.clone();
        let begin = self.backwards && self.at.is_none();
        let set = match self.backwards {
            false => SetQuery {
                max: Some(self.size),
                after: at,
                before: None,
                index: None,
            },
            true => SetQuery {
                max: Some(self.size),
                after: None,
                before: at.or(begin.then(String::new)),
                index: None,
            },
        };
        let page = (self.fetch)(set).await?;
        self.turn(page);
        Ok(())
    }

    fn turn(&mut self, page: FetchedPage<T>) {
        let FetchedPage {
            items,
            set,
            complete,
        } = page;
        let set = set.unwrap_or(SetResult {
            first: None,
            last: None,
            count: None,
        });
        let edge = if self.backwards {
            set.first.map(|first| first.item)
        } else {
            set.last
        };
        self.count = set.count.or(self.count);
        // Only an empty page or an explicit statement is the end: counts may be estimates. A page
        // that does not move on would be requested forever.
        self.ended = complete || items.is_empty() || edge.is_none() || edge == self.at;
        self.at = edge.or(self.at.take());
        self.items.extend(items);
        if self.backwards {
            self.items.make_contiguous().reverse();
        }
    }
}

impl<T> fmt::Debug for Pages<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("at", &self.at)
            .field("read", &self.ended)
            .finish_non_exhaustive()
    }
}
