//! What the reader makes of some bytes, in whatever pieces they come.

use campanile_stanza::reader::{Event, ReadError, Reader, ReaderLimits, StanzaDefect};
use campanile_stanza::stanza::{Children, Stanza};

use crate::tree::{Tree, of_children};

/// The header that most documents begin with, as ejabberd writes it.
pub(crate) const HEADER: &str = "<?xml version='1.0'?><stream:stream id='1' xml:lang='en' \
    xmlns:stream='http://etherx.jabber.org/streams' from='echo.localhost' \
    xmlns='jabber:component:accept'>";

/// An event, all that can be asked of it, as plain data.
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
    /// Kind and type; of a refused stanza only its name.
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
            Event::Rejected(refused) => Self::Rejected {
                head: Head {
                    kind: refused.name().to_owned(),
                    from: refused.from().map(ToString::to_string),
                    to: refused.to().map(ToString::to_string),
                    id: refused.id().map(str::to_owned),
                    lang: None,
                },
                defect: refused.defect(),
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

/// The children as trees; what is asked of each child must agree with them.
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

/// Reads `pieces` until they end or the stream does; the reader must not be asked again after a
/// fault.
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

/// What `bytes` give, read whole.
pub(crate) fn whole(bytes: &[u8]) -> Vec<Seen> {
    seen(events(ReaderLimits::default(), [bytes]))
}

/// What `bytes` give, in whatever pieces: whole, byte by byte, in every split into two.
pub(crate) fn everywhere(bytes: &[u8]) -> Vec<Seen> {
    everywhere_within(ReaderLimits::default(), bytes)
}

/// Longer documents are split at every second, third, … byte only.
const SHORT: usize = 2000;

/// The same under bounds of the caller's.
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

/// The same events in a form that is cheap to compare: everything but the trees.
pub(crate) fn snapshot((events, fault): &(Vec<Event>, Option<ReadError>)) -> Vec<String> {
    let mut all: Vec<String> = events.iter().map(shot).collect();
    // Which fault is named may depend on what has been seen of the bytes; that there is one, and
    // its kind, not.
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
