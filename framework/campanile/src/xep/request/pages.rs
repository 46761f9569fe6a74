//! Lists that come page by page (XEP-0059).

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

use xmpp_parsers::rsm::{SetQuery, SetResult};

use crate::client::IqError;

type Fetched<T> = Pin<Box<dyn Future<Output = Result<FetchedPage<T>, IqError>> + Send>>;

/// One page.
#[derive(Debug, Clone)]
pub struct FetchedPage<T> {
    /// What is on it, in the order of the whole list.
    pub items: Vec<T>,
    /// Where it lies. `None`: whoever was asked knows no pages, and this is all there is.
    pub set: Option<SetResult>,
    /// There is nothing further in this direction, and that is known for sure.
    pub complete: bool,
}

/// A list that is asked for page by page, as far as somebody wants to read it.
///
/// The next page is asked for when the last one has been read. A future that is dropped loses
/// nothing: the page is asked for again. After an error the same page may be tried again.
///
/// ```
/// # use campanile::{client::{Client, IqError}, jid::Jid};
/// # async fn example(client: Client, rooms: Jid) -> Result<(), IqError> {
/// let mut rooms = client.disco_items(rooms).page_size(20);
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
    /// The item that the next page begins behind, or ends before.
    at: Option<String>,
    ended: bool,
    items: VecDeque<T>,
    count: Option<usize>,
}

impl<T> Pages<T> {
    /// Pages of which each is asked for by calling this.
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

    /// How many items to ask for at a time; 100 unless said. Fewer may come, or more.
    #[must_use]
    pub fn page_size(mut self, size: usize) -> Self {
        self.size = size.max(1);
        self
    }

    /// Begins behind the item with this id (XEP-0059 §2.2).
    #[must_use]
    pub fn after(mut self, id: impl Into<String>) -> Self {
        (self.at, self.backwards) = (Some(id.into()), false);
        self
    }

    /// Begins at the end of the list, and reads it backwards (XEP-0059 §2.5).
    #[must_use]
    pub fn backwards(mut self) -> Self {
        self.backwards = true;
        self
    }

    /// Begins before the item with this id, and reads the list backwards (XEP-0059 §2.3).
    #[must_use]
    pub fn before(mut self, id: impl Into<String>) -> Self {
        (self.at, self.backwards) = (Some(id.into()), true);
        self
    }

    /// The next item; `None` at the end.
    ///
    /// # Errors
    /// See [`IqError`].
    pub async fn next(&mut self) -> Result<Option<T>, IqError> {
        while self.items.is_empty() && !self.ended {
            self.fetch().await?;
        }
        Ok(self.items.pop_front())
    }

    /// All items that are left, `most` at the most.
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

    /// How many items the whole list has, as was last said with a page. It may be an estimate
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
        // Only an empty page, or the word of whoever was asked, is the end: counts may be
        // estimates. One whose edge stays where it is would be asked for for ever.
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
