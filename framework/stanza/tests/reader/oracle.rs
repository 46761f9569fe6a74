//! What the reader must see, worked out from what another parser sees, by the rules alone.

use campanile_stanza::jid::Jid;
use campanile_stanza::reader::{ReadError, ReaderLimits, StanzaDefect};

use crate::seen::{Head, Seen, whole};
use crate::tree::{Content, Document, End, Tree};

const ACCEPT: &str = "jabber:component:accept";
const CLIENT: &str = "jabber:client";
const STREAMS: &str = "http://etherx.jabber.org/streams";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Events that a document gives; `None` when its root is no stream.
pub(crate) fn expected(document: &Document) -> Option<Vec<Seen>> {
    let Some(header) = &document.header else {
        return Some(Vec::new());
    };
    if (&*header.namespace, &*header.name) != (STREAMS, "stream") {
        return None;
    }
    // The content namespace is a declaration, which no event shows; it is tested elsewhere.
    let own = |name: &str| header.attribute(name).map(str::to_owned);
    let open = Seen::Open {
        namespace: String::new(),
        id: own("id").unwrap_or_default(),
        from: own("from"),
        to: own("to"),
    };
    let mut seen = vec![open];
    seen.extend(document.tops.iter().filter_map(top));
    Some(seen)
}

fn top(tree: &Tree) -> Option<Seen> {
    let children: Vec<Tree> = tree.elements().map(translated).collect();
    let stanza = matches!(&*tree.namespace, ACCEPT | CLIENT)
        && matches!(&*tree.name, "iq" | "message" | "presence");
    if !stanza {
        let Tree {
            namespace, name, ..
        } = tree.clone();
        return fits(tree, 1).then(|| Seen::Element {
            namespace,
            name,
            children,
            text: tree.text(),
        });
    }
    let jid = |name| {
        tree.attribute(name)
            .and_then(|jid| Jid::new(jid).ok())
            .map(|jid| jid.to_string())
    };
    let head = Head {
        kind: tree.name.clone(),
        from: jid("from"),
        to: jid("to"),
        id: tree
            .attribute("id")
            .filter(|id| !id.is_empty())
            .map(str::to_owned),
        lang: tree
            .attributes
            .get(&(XML.to_owned(), "lang".to_owned()))
            .cloned(),
    };
    let kind = match kind(
        &tree.name,
        tree.attribute("type").unwrap_or_default(),
        head.id.is_some(),
        children.len(),
    ) {
        _ if !fits(tree, 1) => Err(StanzaDefect::TooDeep),
        kind => kind,
    };
    Some(match kind {
        Ok(kind) => Seen::Stanza {
            head: Head { kind, ..head },
            children,
        },
        Err(defect) => Seen::Rejected {
            head: Head { lang: None, ..head },
            defect,
        },
    })
}

/// The bounds on depth and on attributes; documents here are too small for the others.
fn fits(tree: &Tree, depth: usize) -> bool {
    depth <= ReaderLimits::default().max_depth
        && tree.attributes.len() <= 128
        && tree.elements().all(|child| fits(child, depth + 1))
}

/// Kind and type as they are shown, or the rule that is broken.
fn kind(name: &str, kind: &str, id: bool, children: usize) -> Result<String, StanzaDefect> {
    match (name, kind) {
        ("iq", "get" | "set" | "result" | "error") if !id => Err(StanzaDefect::MissingId),
        ("iq", "get" | "set") if children != 1 => Err(StanzaDefect::PayloadCount),
        ("iq", "get" | "set" | "result" | "error") => Ok(format!("iq {kind}")),
        ("message", "chat" | "groupchat" | "headline" | "error") => Ok(format!("message {kind}")),
        ("message", _) => Ok("message normal".to_owned()),
        ("presence", "") => Ok("presence".to_owned()),
        (
            "presence",
            "unavailable" | "subscribe" | "subscribed" | "unsubscribe" | "unsubscribed" | "probe"
            | "error",
        ) => Ok(format!("presence {kind}")),
        _ => Err(StanzaDefect::UnknownType),
    }
}

/// What is in the stream's namespace is in `jabber:client` in memory; attributes stay as they are.
fn translated(tree: &Tree) -> Tree {
    let namespace = if tree.namespace == ACCEPT {
        CLIENT
    } else {
        &tree.namespace
    };
    let content = tree.content.iter().map(|content| match content {
        Content::Element(tree) => Content::Element(translated(tree)),
        Content::Text(text) => Content::Text(text.clone()),
    });
    Tree {
        namespace: namespace.to_owned(),
        name: tree.name.clone(),
        attributes: tree.attributes.clone(),
        content: content.collect(),
    }
}

/// What the reader and another parser do not agree on.
#[derive(Debug)]
pub(crate) struct Disagreement {
    pub(crate) why: String,
    /// Why the reader gave up, if it did.
    pub(crate) fault: Option<ReadError>,
    /// The other found a fault where the reader does not look: in an element beyond the bounds on
    /// depth and attributes.
    ///
    /// Such an element is thrown away as it comes: its tags are read, but which names and prefixes
    /// stand in them is not kept, since keeping them is what the bounds forbid. So nobody misses an
    /// attribute that stands twice there.
    pub(crate) blind: bool,
}

/// Compares with what another parser saw in the same bytes. `again` asks the other once more.
pub(crate) fn compare(
    bytes: &[u8],
    document: &Document,
    again: impl Fn(&[u8]) -> End,
) -> Result<(), Disagreement> {
    let mut ours = whole(bytes);
    let (end, fault) = match ours.last() {
        Some(Seen::Close) => (End::Closed, None),
        Some(Seen::Failed(fault)) => (End::Broken, Some(*fault)),
        _ => (End::Open, None),
    };
    if end != End::Open {
        ours.pop();
    }
    if let Some(Seen::Open { namespace, .. }) = ours.first_mut() {
        namespace.clear();
    }
    let wanted = expected(document);
    let agreed = match (end, document.end) {
        // Whatever else is wrong with a header that is none, the reader says first.
        (End::Broken, _) if wanted.is_none() => ours.is_empty(),
        _ if Some(&ours) != wanted.as_ref() || fault == Some(ReadError::NoStream) => false,
        (End::Open, End::Broken) => is_doomed(bytes),
        // The reader judges text as it arrives, others when it is complete.
        (End::Broken, End::Open) => again(&completed(bytes)) == End::Broken,
        (ours, other) => ours == other,
    };
    let blind = document.end == End::Broken
        && is_beyond_bounds(bytes)
        && wanted
            .as_ref()
            .is_some_and(|wanted| ours.starts_with(wanted));
    let why = || {
        format!(
            "{end:?} {fault:?} {ours:?}\nthe other: {:?} {wanted:?}",
            document.end
        )
    };
    if agreed {
        Ok(())
    } else {
        Err(Disagreement {
            why: why(),
            fault,
            blind,
        })
    }
}

/// Whether something in the document may be nested too deep, or have too many attributes.
fn is_beyond_bounds(bytes: &[u8]) -> bool {
    let count = |bytes: &[u8], wanted| bytes.iter().filter(|&&byte| byte == wanted).count();
    count(bytes, b'<') > ReaderLimits::default().max_depth
        || bytes
            .split(|&b| b == b'<')
            .any(|tag| count(tag, b'=') > 128)
}

/// The document with an end to the text with which it ends.
fn completed(bytes: &[u8]) -> Vec<u8> {
    let last = |wanted: &[u8]| {
        bytes
            .windows(wanted.len())
            .rposition(|window| window == wanted)
    };
    let in_section =
        last(b"<![CDATA[").is_some_and(|open| last(b"]]>").is_none_or(|close| close < open));
    let end: &[u8] = if in_section { b"]]><a>" } else { b"<a>" };
    [bytes, end].concat()
}

/// The reader judges a tag, a section or a reference when it is complete; others may know earlier
/// that it is bad.
fn is_doomed(bytes: &[u8]) -> bool {
    let ends: [&[u8]; 8] = [b">", b"'>", b"\">", b";", b"]]>", b"--", b"DOCTYPE", b"?>"];
    let before = whole(bytes).len();
    let after = ends.map(|end| whole(&[bytes, end].concat()));
    after
        .iter()
        .any(|seen| matches!(seen.last(), Some(Seen::Failed(_))))
        && after.iter().all(|seen| seen.len() <= before + 1)
}
