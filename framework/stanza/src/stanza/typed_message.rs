//! The conversions between [`Stanza`] and the `Message` of `xmpp-parsers`, without the detour over
//! the events and items of `xso`.
//!
//! Its state machines for a whole message are moved at each step, and attributes pass through maps
//! of strings: three quarters of the time. What is written and read is the same.

use std::borrow::Cow;
use std::collections::BTreeMap;

use minidom::Element;
use xmpp_parsers::message::{Id, Lang, Message, MessageType as TypedKind, Thread};

use super::{Child, ChildrenBuilder, Kind, MessageType, Stanza, WriteError};
use crate::xml::tokens::{StartTag, Token, Tokens, attributes};
use crate::xml::{CLIENT, EmitError, Emitter, XML, escape, events};

impl TryFrom<&Message> for Stanza {
    type Error = WriteError;

    fn try_from(message: &Message) -> Result<Self, WriteError> {
        // Without `..`: a field that is added to the type must not get lost here.
        let Message {
            from,
            to,
            id,
            type_,
            bodies,
            subjects,
            thread,
            payloads,
        } = message;
        let mut children = ChildrenBuilder::default();
        for (name, texts) in [("body", bodies), ("subject", subjects)] {
            for (lang, text) in texts {
                children.push_with(|emitter| write_text(emitter, name, lang, text))?;
            }
        }
        if let Some(thread) = thread {
            children.push(thread)?;
        }
        for payload in payloads {
            children.push(payload)?;
        }
        let mut stanza = Self::new(Kind::Message(kind_of(type_)));
        stanza.from.clone_from(from);
        stanza.to.clone_from(to);
        stanza.id = id.as_ref().map(|Id(id)| id.into());
        Ok(stanza.with_children(children.finish()))
    }
}

fn write_text(
    emitter: &mut Emitter<'_>,
    name: &str,
    lang: &str,
    text: &str,
) -> Result<(), EmitError> {
    emitter.start(CLIENT, name)?;
    if !lang.is_empty() {
        emitter.attribute(XML, "lang", lang)?;
    }
    emitter.text(text)?;
    emitter.end();
    Ok(())
}

/// Reads a message whose own elements are plain texts. Returns `None` for any other, which the
/// parser of the type decides on.
pub(super) fn read(stanza: &Stanza) -> Option<Message> {
    let Kind::Message(kind) = stanza.kind else {
        return None;
    };
    // An address that is not a JID is an error.
    if stanza.raw.is_some() {
        return None;
    }
    let mut message = Message::new_with_type(type_of(kind), stanza.to.clone());
    message.from.clone_from(&stanza.from);
    message.id = stanza.id().map(|id| Id(id.to_owned()));
    for child in stanza.children.iter() {
        if child.is(CLIENT, "body") {
            insert(&mut message.bodies, &child, stanza.lang())?;
        } else if child.is(CLIENT, "subject") {
            insert(&mut message.subjects, &child, stanza.lang())?;
        } else if child.is(CLIENT, "thread") {
            let (None, id) = text_of(&child)? else {
                return None;
            };
            let id = id.into_owned();
            let another = message.thread.replace(Thread { parent: None, id });
            if another.is_some() {
                return None;
            }
        } else {
            let payload: Element = events::parse(child.as_str(), stanza.lang()).ok()?;
            message.payloads.push(payload);
        }
    }
    Some(message)
}

/// Inserts a text with its language. Returns `None` if there is one in this language.
fn insert(
    texts: &mut BTreeMap<Lang, String>,
    child: &Child<'_>,
    outer: Option<&str>,
) -> Option<()> {
    let (lang, text) = text_of(child)?;
    let lang = lang.as_deref().or(outer).unwrap_or_default();
    let earlier = texts.insert(Lang::from(lang), text.into_owned());
    earlier.is_none().then_some(())
}

/// Returns language and text of an element that has nothing else.
fn text_of<'a>(child: &Child<'a>) -> Option<(Option<Cow<'a, str>>, Cow<'a, str>)> {
    let mut tokens = Tokens::new(child.as_str());
    let Some(Token::Start(StartTag {
        attributes: written,
        ..
    })) = tokens.next()
    else {
        return None;
    };
    let mut lang = None;
    for (name, value) in attributes(written) {
        if name != "xml:lang" {
            return None;
        }
        lang = Some(escape::unescape_attribute(value));
    }
    if tokens.any(|token| matches!(token, Token::Start(_))) {
        return None;
    }
    Some((lang, child.text()))
}

fn kind_of(kind: &TypedKind) -> MessageType {
    match kind {
        TypedKind::Chat => MessageType::Chat,
        TypedKind::Error => MessageType::Error,
        TypedKind::Groupchat => MessageType::Groupchat,
        TypedKind::Headline => MessageType::Headline,
        TypedKind::Normal => MessageType::Normal,
    }
}

fn type_of(kind: MessageType) -> TypedKind {
    match kind {
        MessageType::Chat => TypedKind::Chat,
        MessageType::Error => TypedKind::Error,
        MessageType::Groupchat => TypedKind::Groupchat,
        MessageType::Headline => TypedKind::Headline,
        MessageType::Normal => TypedKind::Normal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHILDREN: &[&str] = &[
        "<body/>",
        "<body>a &amp; b</body>",
        "<body xml:lang='de'>hallo</body>",
        "<body xml:lang=''>none</body>",
        "<body xml:lang='d&#x65;'>c\r\nd<![CDATA[<x>]]></body>",
        "<body n='1'>x</body>",
        "<body xmlns:x='urn:x' x:y='1'>x</body>",
        "<body><b xmlns='urn:x'/></body>",
        "<subject>s</subject>",
        "<subject xml:lang='en'>t</subject>",
        "<thread>t1</thread>",
        "<thread parent='t0'>t1</thread>",
        "<thread/>",
        "<body xmlns='urn:x'>other</body>",
        "<active xmlns='http://jabber.org/protocol/chatstates'/>",
        "<error type='cancel'><gone xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>",
        "<p:q xmlns:p='urn:p' xml:lang='fr' p:a='1'>t<p:r/></p:q>",
        " text between ",
    ];

    fn message(attributes: &str, children: &[&str]) -> Stanza {
        let children = children.concat();
        Stanza::parse(&format!("<message{attributes}>{children}</message>")).unwrap()
    }

    fn assert_same(stanza: &Stanza) {
        let expected = stanza.parse_as::<Message>();
        let xml = stanza.to_xml();
        match (read(stanza), expected) {
            (Some(read), Ok(expected)) => {
                assert_eq!(read, expected, "{xml}");
                let again = Stanza::try_from(&read).unwrap().to_xml();
                assert_eq!(again, Stanza::from_value(&read).unwrap().to_xml(), "{xml}");
            }
            (Some(_), Err(error)) => panic!("{xml}: {error}"),
            (None, _) => {}
        }
    }

    #[test]
    fn message_is_what_the_parser_of_the_type_reads() {
        for attributes in ["", " from='a@x/r' to='y' id='1' type='chat' xml:lang='en'"] {
            for first in CHILDREN {
                assert_same(&message(attributes, &[first]));
                for second in CHILDREN {
                    assert_same(&message(attributes, &[first, second]));
                }
            }
        }
        for kind in ["chat", "error", "groupchat", "headline", "normal"] {
            assert_same(&message(&format!(" type='{kind}'"), &["<body>x</body>"]));
        }
    }

    #[test]
    fn plain_texts_and_payloads_are_read_here() {
        let children: Vec<_> = [1, 2, 4, 8, 9, 10, 13, 14, 16]
            .map(|index| CHILDREN[index])
            .to_vec();
        assert!(read(&message(" from='a@x'", &children[..2])).is_some());
        assert!(read(&message("", &children[3..])).is_some());
    }

    #[test]
    fn unusual_messages_are_left_to_the_parser_of_the_type() {
        let cases: [&[&str]; 5] = [
            &["<body>a</body>", "<body>b</body>"],
            &["<body n='1'>x</body>"],
            &["<body><b xmlns='urn:x'/></body>"],
            &["<thread parent='t0'>t1</thread>"],
            &["<thread>1</thread>", "<thread>2</thread>"],
        ];
        for children in cases {
            assert!(read(&message("", children)).is_none(), "{children:?}");
        }
        assert!(read(&message(" to='a@x/\u{1f514}'", &[])).is_none());
    }
}
