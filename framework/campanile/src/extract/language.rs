//! Texts that a stanza has in several languages.

use crate::stanza::{Child, Stanza};
use campanile_stanza::xml::CLIENT;

/// A text in one or several languages; never in none.
///
/// ```
/// use campanile::extract::Bodies;
///
/// async fn greet(Bodies(body): Bodies) -> String {
///     body.choose(&["de-AT", "en"]).to_owned()
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Localized {
    texts: Vec<(Option<String>, String)>,
    own: usize,
}

impl Localized {
    /// The elements of this name; `None` when there is none.
    pub(super) fn of(stanza: &Stanza, name: &str) -> Option<Self> {
        let lang = |child: &Child<'_>| {
            child
                .attribute("xml:lang")
                .map(Into::into)
                .or(stanza.lang().map(str::to_owned))
        };
        let texts: Vec<_> = all(stanza, name)
            .map(|child| (lang(&child), child.text().into_owned()))
            .collect();
        let own = own_at(stanza, name)?;
        Some(Self { texts, own })
    }

    /// The text in the stanza's own language, or the first one.
    #[must_use]
    pub fn own(&self) -> &str {
        self.texts.get(self.own).map_or("", |(_, text)| text)
    }

    /// The text in the first of these languages that there is one in, else the
    /// [own](Localized::own) one.
    ///
    /// A wish for `de-AT` also takes `de` (RFC 4647 §3.4), and one for `de` takes `de-CH`: better
    /// than nothing.
    #[must_use]
    pub fn choose(&self, wishes: &[&str]) -> &str {
        wishes
            .iter()
            .find_map(|wish| self.find(wish))
            .unwrap_or_else(|| self.own())
    }

    /// All texts in their order, each with its language where one is said.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Option<&str>, &str)> {
        self.texts
            .iter()
            .map(|(lang, text)| (lang.as_deref(), text.as_str()))
    }

    fn find(&self, wish: &str) -> Option<&str> {
        let with = |fits: &dyn Fn(&str) -> bool| {
            self.iter()
                .find(|(lang, _)| lang.is_some_and(fits))
                .map(|(_, text)| text)
        };
        let mut range = wish;
        loop {
            if let Some(text) = with(&|lang| lang.eq_ignore_ascii_case(range)) {
                return Some(text);
            }
            let Some((shorter, _)) = range.rsplit_once('-') else {
                break;
            };
            range = shorter;
        }
        with(&|lang| primary(lang).eq_ignore_ascii_case(primary(wish)))
    }
}

/// The element in the stanza's own language, or the first one.
pub(super) fn own<'a>(stanza: &'a Stanza, name: &str) -> Option<Child<'a>> {
    let mut texts = all(stanza, name);
    let first = texts.next()?;
    // Nearly every message has one body: nothing else is looked at.
    let Some(second) = texts.next() else {
        return Some(first);
    };
    [first, second]
        .into_iter()
        .chain(texts)
        .find(|text| is_own(stanza, text))
        .or(Some(first))
}

fn own_at(stanza: &Stanza, name: &str) -> Option<usize> {
    all(stanza, name)
        .position(|text| is_own(stanza, &text))
        .or(all(stanza, name).next().map(|_| 0))
}

/// RFC 6121 §5.2.3: texts differ in language; one without `xml:lang` is in that of the stanza.
fn is_own(stanza: &Stanza, text: &Child<'_>) -> bool {
    text.attribute("xml:lang")
        .is_none_or(|lang| Some(&*lang) == stanza.lang())
}

fn all<'a>(stanza: &'a Stanza, name: &str) -> impl Iterator<Item = Child<'a>> {
    stanza
        .children()
        .iter()
        .filter(move |child| child.is(CLIENT, name))
}

fn primary(tag: &str) -> &str {
    tag.split_once('-').map_or(tag, |(primary, _)| primary)
}
