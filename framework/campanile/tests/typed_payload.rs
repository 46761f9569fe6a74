//! `#[derive(Payload)]`: what it reads and writes is what the derives of `xso` read and write.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use campanile::Stanza;
use campanile::extract::Payload;
use campanile::payload::{Delay, ReadPayload, WritePayload};
use campanile::stanza::{Children, ParseError};
use campanile::xml::{EmitError, Emitter};
use xso::{AsXml, FromXml};

const NS: &str = "urn:example:shelf";

/// Defines a module with the same structs for each way of deriving.
macro_rules! shelf {
    ($module:ident: $($derive:ident),*) => {
        mod $module {
            // Each way of deriving needs others.
            #[allow(unused_imports)]
            use super::{AsXml, Delay, FromXml, NS, Payload, Title};

            #[derive($($derive),*)]
            #[xml(namespace = NS, name = "order")]
            pub(super) struct Order {
                #[xml(attribute)]
                pub(super) count: u32,
                #[xml(attribute(name = "by", default))]
                pub(super) buyer: Option<campanile::jid::Jid>,
                #[xml(attribute(default))]
                pub(super) express: bool,
                #[xml(child)]
                pub(super) note: Note,
                #[xml(child(default))]
                pub(super) gift: Option<Gift>,
                #[xml(child(n = ..))]
                pub(super) books: Vec<Book>,
                #[xml(child(default))]
                pub(super) delay: Option<Delay>,
                #[xml(child(n = ..))]
                pub(super) titles: Vec<Title>,
            }

            #[derive($($derive),*)]
            #[xml(namespace = NS, name = "note")]
            pub(super) struct Note {
                #[xml(text)]
                pub(super) text: String,
            }

            #[derive($($derive),*)]
            #[xml(namespace = "urn:example:gift", name = "gift", on_unknown_attribute = Fail,
                  on_unknown_child = Fail)]
            pub(super) struct Gift;

            #[derive($($derive),*)]
            #[xml(namespace = NS, name = "book")]
            pub(super) struct Book(#[xml(attribute = "isbn")] pub(super) String, #[xml(text)] pub(super) u8);
        }
    };
}

/// A type of `xso` within the others, which needs to know the language around it.
#[derive(FromXml, AsXml)]
#[xml(namespace = NS, name = "title")]
struct Title {
    #[xml(lang)]
    lang: Option<String>,
    #[xml(text)]
    text: String,
}

shelf!(derived: Payload);
shelf!(with_xso: FromXml, AsXml);

const ATTRIBUTES: &[&str] = &[
    "",
    " count='1'",
    " count='&#49;2' by='alice@x/&quot;' express='true'",
    " by='' count='x'",
    " count='-1'",
    " count='1' express='perhaps' xml:lang='de'",
    " count='1' xml:lang='fr'",
    " count='1' express='0' p:count='5' xmlns:p='urn:p'",
];

const CHILDREN: &[&str] = &[
    "",
    " \n\t",
    "text",
    "<note/>",
    "<note>a &amp; <![CDATA[<b>]]> c</note>",
    "<note>a<other/>b<note>c</note></note>",
    "<note xmlns='urn:other'>x</note>",
    "<p:note xmlns:p='urn:example:shelf' p:x='1'>x</p:note>",
    "<p:book xmlns:p='urn:example:shelf' isbn='1'>7</p:book>",
    "<book isbn='1'>7</book><book isbn='&lt;'> 8</book>",
    "<book isbn='1'>7<p:q xmlns:p='urn:p'><p:r/></p:q></book>",
    "<book>7</book>",
    "<gift xmlns='urn:example:gift'/>",
    "<gift xmlns='urn:example:gift' x='1'/>",
    "<gift xmlns='urn:example:gift'><x/></gift>",
    "<gift xmlns='urn:example:gift' xmlns:q='urn:q'> </gift>",
    "<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T08:00:00Z'>offline</delay>",
    "<p:delay xmlns:p='urn:xmpp:delay' stamp='2026-01-01T08:00:00Z' from='x'/>",
    "<q:delay stamp='2026-01-01T08:00:00Z'/>",
    "<title>x</title><p:title xmlns:p='urn:example:shelf' xml:lang='de'>y</p:title><title/>",
    "<other xml:lang='es'><note>x</note></other><title>z<other/></title>",
];

fn message(attributes: &str, children: &[&str]) -> String {
    let children = children.concat();
    format!(
        "<message xml:lang='en'><order xmlns='{NS}' xmlns:q='urn:xmpp:delay'{attributes}>\
         {children}</order></message>"
    )
}

/// Returns what is written for the first order of the stanza.
fn copied<P: ReadPayload + WritePayload>(xml: &str) -> Result<Children, ParseError> {
    let order: P = Stanza::parse(xml).unwrap().child()?;
    Ok(Children::of(&order).unwrap())
}

fn text(children: &Children) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(children.as_bytes())
}

#[track_caller]
fn assert_same(xml: &str) {
    let one = copied::<derived::Order>(xml);
    let other = copied::<with_xso::Order>(xml);
    match (&one, &other) {
        (Ok(one), Ok(other)) => assert_eq!(text(one), text(other), "{xml}"),
        (Err(_), Err(_)) => {}
        _ => panic!("{xml}: {one:?}, but xso: {other:?}"),
    }
}

#[test]
fn derived_payload_is_what_xso_reads_and_writes() {
    for attributes in ATTRIBUTES {
        for first in CHILDREN {
            assert_same(&message(attributes, &["<note>x</note>", first]));
            for second in CHILDREN {
                assert_same(&message(attributes, &[first, second]));
                assert_same(&message(attributes, &[first, "<note>x</note>", second]));
            }
        }
    }
}

#[test]
fn many_of_these_payloads_are_valid() {
    let mut valid = 0;
    for attributes in ATTRIBUTES {
        for first in CHILDREN {
            let xml = message(attributes, &["<note>x</note>", first]);
            valid += usize::from(copied::<derived::Order>(&xml).is_ok());
        }
    }
    assert!(valid > 30, "{valid}");
}

#[test]
fn errors_name_element_and_part() {
    let rows = [
        ("", "<note/>", "`order` lacks the attribute `count`"),
        (" count='1'", "", "`order` lacks the child `note`"),
        (
            " count='x'",
            "<note/>",
            "attribute `count` of `order`: invalid digit found in string",
        ),
        (
            " count='1'",
            "<note/><note/>",
            "`order` has more than one child `note`",
        ),
        (
            " count='1'",
            "<note/>x",
            "`order` has text, but none is expected",
        ),
        (
            " count='1'",
            "<book isbn='1'>x</book>",
            "text of `book`: invalid digit found in string",
        ),
        (
            " count='1'",
            "<gift xmlns='urn:example:gift' x='1'/>",
            "`gift` has the unknown attribute `x`",
        ),
        (
            " count='1'",
            "<gift xmlns='urn:example:gift'><x/></gift>",
            "`gift` has the unknown child `x`",
        ),
    ];
    for (attributes, children, expected) in rows {
        let error = copied::<derived::Order>(&message(attributes, &[children])).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid element: {expected}"));
    }
}

#[test]
fn another_element_is_absent() {
    let other = "<message><order xmlns='urn:other'/></message>";
    let error = copied::<derived::Order>(other).unwrap_err();
    assert!(error.is_absent());
    let stanza = Stanza::parse(other).unwrap();
    let parsed = stanza.children().first().unwrap().parse::<derived::Order>();
    assert!(parsed.is_err_and(|error| error.is_absent()));
}

/// A payload whose elements are as given.
struct Wrong(fn(&mut Emitter<'_>));

impl WritePayload for Wrong {
    fn write(&self, emitter: &mut Emitter<'_>) -> Result<(), EmitError> {
        (self.0)(emitter);
        Ok(())
    }
}

#[test]
fn written_payload_must_be_one_element() {
    let rows: [fn(&mut Emitter<'_>); 4] = [
        |_| {},
        |emitter| emitter.start("urn:x", "a").unwrap(),
        |emitter| {
            for _ in 0..2 {
                emitter.start("urn:x", "a").unwrap();
                emitter.end();
            }
        },
        |emitter| {
            emitter.start("urn:x", "a").unwrap();
            emitter.end();
            emitter.text("x").unwrap();
        },
    ];
    for write in rows {
        let error = Children::of(&Wrong(write)).unwrap_err();
        assert!(error.to_string().contains("not one element"), "{error}");
    }
}
