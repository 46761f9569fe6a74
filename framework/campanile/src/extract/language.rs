//! Texts in several languages.

use crate::stanza::{Child, Stanza};
use campanile_stanza::xml::CLIENT;

/// A text in one or more languages, as sent in one stanza.
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
    /// Collects the elements with this name. Returns `None` if there are none.
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

    /// Returns the text in the language of the stanza, or the first text if there is none.
    #[must_use]
    pub fn own(&self) -> &str {
        self.texts.get(self.own).map_or("", |(_, text)| text)
    }

    /// Returns the text in the first of these languages that is available, or
    /// [`own`](Localized::own) if none is.
    ///
    /// A range such as `de-AT` also matches `de` (RFC 4647 §3.4). As a last resort, `de` matches
    /// `de-CH`.
    #[must_use]
    pub fn choose(&self, languages: &[&str]) -> &str {
        languages
            .iter()
            .find_map(|language| self.find(language))
            .unwrap_or_else(|| self.own())
    }

    /// Returns all texts in order, each with its language if known.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (Option<&str>, &str)> {
        self.texts
            .iter()
            .map(|(lang, text)| (lang.as_deref(), text.as_str()))
    }

    fn find(&self, language: &str) -> Option<&str> {
        let with = |fits: &dyn Fn(&str) -> bool| {
            self.iter()
                .find(|(lang, _)| lang.is_some_and(fits))
                .map(|(_, text)| text)
        };
        let mut range = language;
        loop {
            if let Some(text) = with(&|lang| lang.eq_ignore_ascii_case(range)) {
                return Some(text);
            }
            let Some((shorter, _)) = range.rsplit_once('-') else {
                break;
            };
            range = shorter;
        }
        with(&|lang| primary(lang).eq_ignore_ascii_case(primary(language)))
    }
}

/// Returns the element in the language of the stanza, or the first element if there is none.
pub(super) fn own<'a>(stanza: &'a Stanza, name: &str) -> Option<Child<'a>> {
    let mut texts = all(stanza, name);
    let first = texts.next()?;
    // Almost every message has only one body, so the language is not looked up.
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

/// RFC 6121 §5.2.3: an element without `xml:lang` is in the language of the stanza.
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
