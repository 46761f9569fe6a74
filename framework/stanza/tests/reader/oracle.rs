//! The events that the reader must yield, derived from the result of another parser by the rules of
//! RFC 6120.

use campanile_stanza::jid::Jid;
use campanile_stanza::reader::{ReadError, ReaderLimits, StanzaDefect};

use crate::seen::{Head, Seen, whole};
use crate::tree::{Content, Document, End, Tree};

const ACCEPT: &str = "jabber:component:accept";
const CLIENT: &str = "jabber:client";
const STREAMS: &str = "http://etherx.jabber.org/streams";
const XML: &str = "http://www.w3.org/XML/1998/namespace";

/// Returns the expected events of a document, or `None` if its root is not a stream header.
pub(crate) fn expected(document: &Document) -> Option<Vec<Seen>> {
    let Some(header) = &document.header else {
        return Some(Vec::new());
    };
    if (&*header.namespace, &*header.name) != (STREAMS, "stream") {
        return None;
    }
    // The other parser does not report declarations, so the content namespace is tested elsewhere.
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
            .and_then(address)
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

/// Checks the limits on depth and attributes. Documents here are too small for the other limits.
fn fits(tree: &Tree, depth: usize) -> bool {
    depth <= ReaderLimits::default().max_depth
        && tree.attributes.len() <= 128
        && tree.elements().all(|child| fits(child, depth + 1))
}

/// Returns kind and type as displayed, or the rule that is broken.
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

/// Converts elements in the stream's namespace to `jabber:client`, and leaves attributes unchanged.
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

/// A difference between the reader and another parser.
#[derive(Debug)]
pub(crate) struct Disagreement {
    pub(crate) why: String,
    /// The error of the reader, if it failed.
    pub(crate) fault: Option<ReadError>,
    /// The other parser found an error where the reader does not check: in an element beyond the
    /// limits on depth and attributes.
    ///
    /// Such an element is discarded while it arrives. Its tags are parsed, but names and prefixes
    /// are not kept, because the limits exist to bound that memory. Therefore a duplicate attribute
    /// is not detected there.
    pub(crate) blind: bool,
}

/// Compares the reader with the result of another parser for the same bytes. `again` runs the other
/// parser on different bytes.
pub(crate) fn compare(
    bytes: &[u8],
    document: &Document,
    again: impl Fn(&[u8]) -> End,
) -> Result<(), Disagreement> {
    let mut actual = whole(bytes);
    let (end, fault) = match actual.last() {
        Some(Seen::Close) => (End::Closed, None),
        Some(Seen::Failed(fault)) => (End::Broken, Some(*fault)),
        _ => (End::Open, None),
    };
    if end != End::Open {
        actual.pop();
    }
    if let Some(Seen::Open { namespace, .. }) = actual.first_mut() {
        namespace.clear();
    }
    let wanted = expected(document);
    let agreed = match (end, document.end) {
        // If the root is not a stream header, the reader reports that before any other error.
        (End::Broken, _) if wanted.is_none() => actual.is_empty(),
        _ if Some(&actual) != wanted.as_ref() || fault == Some(ReadError::NoStream) => false,
        (End::Open, End::Broken) => is_doomed(bytes),
        // The reader checks text as it arrives, other parsers when it is complete.
        (End::Broken, End::Open) => again(&completed(bytes)) == End::Broken,
        (actual, other) => actual == other,
    };
    let blind = document.end == End::Broken
        && is_beyond_bounds(bytes)
        && wanted
            .as_ref()
            .is_some_and(|wanted| actual.starts_with(wanted));
    let why = || {
        format!(
            "{end:?} {fault:?} {actual:?}\nother parser: {:?} {wanted:?}",
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

/// Returns `true` if the document may exceed the limits on depth or attributes.
fn is_beyond_bounds(bytes: &[u8]) -> bool {
    let count = |bytes: &[u8], wanted| bytes.iter().filter(|&&byte| byte == wanted).count();
    count(bytes, b'<') > ReaderLimits::default().max_depth
        || bytes
            .split(|&b| b == b'<')
            .any(|tag| count(tag, b'=') > 128)
}

/// Returns the document with its trailing text completed.
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

/// Returns `true` if every continuation of the document is an error.
///
/// The reader checks a tag, a section or a reference when it is complete; other parsers may reject
/// it earlier.
fn is_doomed(bytes: &[u8]) -> bool {
    let ends: [&[u8]; 8] = [b">", b"'>", b"\">", b";", b"]]>", b"--", b"DOCTYPE", b"?>"];
    let before = whole(bytes).len();
    let after = ends.map(|end| whole(&[bytes, end].concat()));
    after
        .iter()
        .any(|seen| matches!(seen.last(), Some(Seen::Failed(_))))
        && after.iter().all(|seen| seen.len() <= before + 1)
}

/// Returns the address, or its bare JID if the resource has characters that `jid` may not know.
fn address(text: &str) -> Option<Jid> {
    let bare = || {
        let (bare, _) = text.split_once('/')?;
        Jid::new(bare)
            .ok()
            .filter(|_| !text.is_ascii() && text.len() <= 3071)
    };
    Jid::new(text).ok().or_else(bare)
}
