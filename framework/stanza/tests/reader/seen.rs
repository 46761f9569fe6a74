//! The events that the reader yields, for every split of the bytes.

use campanile_stanza::reader::{Event, ReadError, Reader, ReaderLimits, StanzaDefect};
use campanile_stanza::stanza::{Children, Stanza};

use crate::tree::{Tree, of_children};

/// The stream header that most documents start with, as sent by ejabberd.
pub(crate) const HEADER: &str = "<?xml version='1.0'?><stream:stream id='1' xml:lang='en' \
    xmlns:stream='http://etherx.jabber.org/streams' from='echo.localhost' \
    xmlns='jabber:component:accept'>";

/// An event, with all accessible details, as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Seen {
    Open {
        namespace: String,
        id: String,
        from: Option<String>,
        to: Option<String>,
    },
    Stanza {
        head: Head,
        children: Vec<Tree>,
    },
    Rejected {
        head: Head,
        defect: StanzaDefect,
    },
    Element {
        namespace: String,
        name: String,
        children: Vec<Tree>,
        text: String,
    },
    Close,
    Failed(ReadError),
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Head {
    /// Kind and type, or only the name of a rejected stanza.
    pub(crate) kind: String,
    pub(crate) from: Option<String>,
    pub(crate) to: Option<String>,
    pub(crate) id: Option<String>,
    pub(crate) lang: Option<String>,
}

impl Head {
    fn of(stanza: &Stanza) -> Self {
        Self {
            kind: stanza.kind().to_string(),
            from: stanza.from().map(ToString::to_string),
            to: stanza.to().map(ToString::to_string),
            id: stanza.id().map(str::to_owned),
            lang: stanza.lang().map(str::to_owned),
        }
    }
}

impl From<Event> for Seen {
    fn from(event: Event) -> Self {
        match event {
            Event::Open(header) => Self::Open {
                namespace: header.namespace,
                id: header.id,
                from: header.from,
                to: header.to,
            },
            Event::Stanza(stanza) => Self::Stanza {
                head: Head::of(&stanza),
                children: checked_children(stanza.children()),
            },
            Event::Rejected(rejected) => Self::Rejected {
                head: Head {
                    kind: rejected.name().to_owned(),
                    from: rejected.from().map(ToString::to_string),
                    to: rejected.to().map(ToString::to_string),
                    id: rejected.id().map(str::to_owned),
                    lang: None,
                },
                defect: rejected.defect(),
            },
            Event::Element(top) => Self::Element {
                children: checked_children(&top.children),
                text: top.text().into_owned(),
                namespace: top.namespace,
                name: top.name,
            },
            Event::Close => Self::Close,
        }
    }
}

/// Converts the children into trees, and checks that the accessors of each child agree with them.
fn checked_children(children: &Children) -> Vec<Tree> {
    let (trees, _) = of_children(children);
    assert_eq!(children.len(), trees.len(), "{children:?}");
    for (child, tree) in children.iter().zip(&trees) {
        assert_eq!(
            (&*child.namespace(), child.name()),
            (&*tree.namespace, &*tree.name),
            "{child:?}"
        );
        assert_eq!(child.text(), tree.text(), "{child:?}");
        let (alone, text) = of_children(&child.to_children());
        assert_eq!(
            (alone, text),
            (vec![tree.clone()], String::new()),
            "{child:?}"
        );
    }
    trees
}

/// Reads `pieces` until the first error. The reader must not be used after it.
pub(crate) fn events<'a>(
    bounds: ReaderLimits,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> (Vec<Event>, Option<ReadError>) {
    let mut reader = Reader::new(bounds);
    let mut events = Vec::new();
    for piece in pieces {
        reader.buffer().extend_from_slice(piece);
        loop {
            match reader.next() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(fault) => return (events, Some(fault)),
            }
        }
    }
    (events, None)
}

/// Returns the events of `bytes`, read at once.
pub(crate) fn whole(bytes: &[u8]) -> Vec<Seen> {
    seen(events(ReaderLimits::default(), [bytes]))
}

/// Returns the events of `bytes`, after checking that reading them at once, byte by byte and in
/// every split into two yields the same.
pub(crate) fn everywhere(bytes: &[u8]) -> Vec<Seen> {
    everywhere_within(ReaderLimits::default(), bytes)
}

/// Documents longer than this are split at every second, third, … byte only.
const SHORT: usize = 2000;

/// Like [`everywhere`], with the given limits.
pub(crate) fn everywhere_within(bounds: ReaderLimits, bytes: &[u8]) -> Vec<Seen> {
    let events_whole = events(bounds, [bytes]);
    let wanted = snapshot(&events_whole);
    let bytewise = events(bounds, bytes.chunks(1));
    assert_eq!(
        wanted,
        snapshot(&bytewise),
        "byte by byte: {}",
        bytes.escape_ascii()
    );
    for at in (0..=bytes.len()).step_by(1 + bytes.len() / SHORT) {
        let (first, second) = bytes.split_at(at);
        let split = events(bounds, [first, second]);
        assert_eq!(
            wanted,
            snapshot(&split),
            "{} | {}",
            first.escape_ascii(),
            second.escape_ascii()
        );
    }
    seen(events_whole)
}

/// Converts events into a form that is cheap to compare: everything except the trees.
pub(crate) fn snapshot((events, fault): &(Vec<Event>, Option<ReadError>)) -> Vec<String> {
    let mut all: Vec<String> = events.iter().map(shot).collect();
    // The reason of an error may depend on the split; that there is one, and its condition, may
    // not.
    all.extend(fault.map(|fault| fault.condition().to_owned()));
    all
}

fn shot(event: &Event) -> String {
    let children = match event {
        Event::Stanza(stanza) => stanza.children(),
        Event::Element(top) => &top.children,
        _ => return format!("{event:?}"),
    };
    let names: Vec<_> = children
        .iter()
        .map(|child| format!("{{{}}}{}", child.namespace(), child.name()))
        .collect();
    format!("{event:?} {names:?}")
}

pub(crate) fn seen((events, fault): (Vec<Event>, Option<ReadError>)) -> Vec<Seen> {
    events
        .into_iter()
        .map(Seen::from)
        .chain(fault.map(Seen::Failed))
        .collect()
}
