//! Tests of forms with literal XML.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xso::FromXml;

use super::*;
use crate::error::into_stanza_error;
use crate::extract::FromInbound;
use crate::router::Router;
use crate::stanza::Children;
use crate::test_util::{answer, inbound};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    sku: String,
    count: u32,
    gift: bool,
    size: Size,
    note: Option<String>,
    tags: Vec<Tag>,
    lines: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tag {
    New,
    Sale,
}

fn parse<T: FromXml>(xml: &str) -> T {
    let element: minidom::Element = xml.parse().unwrap();
    Children::of(&element)
        .unwrap()
        .first()
        .unwrap()
        .parse()
        .unwrap()
}

fn submitted(fields: &str) -> DataForm {
    parse(&format!(
        "<x xmlns='jabber:x:data' type='submit'>{fields}</x>"
    ))
}

fn xml<P: xso::AsXml>(payload: &P) -> String {
    String::from_utf8_lossy(Children::of(payload).unwrap().as_bytes()).into_owned()
}

fn wrong<T>(read: Result<T, FormError>) -> (Option<String>, String) {
    let Err(error) = read else {
        panic!("the form was accepted")
    };
    (error.var().map(str::to_owned), error.to_string())
}

const ORDER: &str = "<field var='FORM_TYPE' type='hidden'><value>urn:example:order</value></field>\
    <field var='sku'><value>abc</value></field><field var='count'><value> 3 </value></field>\
    <field var='gift' type='boolean'><value>true</value></field><field \
    var='size'><value>large</value></field>\
    <field var='note'><value/></field><field \
    var='tags'><value>new</value><value>sale</value></field>\
    <field var='lines'><value>a</value><value/><value>b</value></field>";

fn order() -> Order {
    Order {
        sku: "abc".into(),
        count: 3,
        gift: true,
        size: Size::Large,
        note: None,
        tags: vec![Tag::New, Tag::Sale],
        lines: vec!["a".into(), String::new(), "b".into()],
    }
}

#[test]
fn read_deserializes_struct() {
    assert_eq!(read::<Order>(&submitted(ORDER).fields).unwrap(), order());
}

#[test]
fn write_serializes_struct() {
    let form = DataForm {
        type_: DataFormType::Submit,
        title: None,
        instructions: None,
        fields: write(&order()).unwrap(),
    };
    let wanted = "<x xmlns='jabber:x:data' type='submit'><field \
        var='sku'><value>abc</value></field>\
        <field var='count'><value>3</value></field><field var='gift' \
        type='boolean'><value>1</value></field>\
        <field var='size' type='list-single'><value>large</value></field>\
        <field var='tags' type='text-multi'><value>new</value><value>sale</value></field>\
        <field var='lines' type='text-multi'><value>a</value><value/><value>b</value></field></x>";
    assert_eq!(xml(&form), wanted);
    assert_eq!(read::<Order>(&form.fields).unwrap(), order());
}

#[test]
fn empty_fields_read_as_none_empty_or_false() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Empty {
        text: String,
        some: Option<u32>,
        several: Vec<u32>,
        ticked: bool,
    }
    let empty = Empty {
        text: String::new(),
        some: None,
        several: Vec::new(),
        ticked: false,
    };
    for value in ["", "<value/>"] {
        let fields = ["text", "some", "several", "ticked"]
            .map(|var| format!("<field var='{var}'>{value}</field>"));
        assert_eq!(
            read::<Empty>(&submitted(&fields.concat()).fields).unwrap(),
            empty,
            "{value:?}"
        );
    }
}

#[test]
fn multi_line_text_joins_into_string() {
    let fields = submitted("<field var='a'><value>x</value><value>y</value></field>").fields;
    let joined: BTreeMap<String, String> = read(&fields).unwrap();
    assert_eq!(joined["a"], "x\ny");
    let read: BTreeMap<String, Vec<String>> = super::read(&fields).unwrap();
    assert_eq!(read["a"], ["x", "y"]);
    #[derive(Deserialize, Serialize)]
    struct Text {
        a: String,
    }
    let text: Text = super::read(&fields).unwrap();
    assert_eq!(text.a, "x\ny");
    assert_eq!(write(&text).unwrap()[0].values, ["x", "y"]);
}

#[test]
fn errors_name_the_field() {
    let rows = [
        (
            ORDER.replace(" 3 ", "-3"),
            "count",
            "must be a non-negative whole number, not \"-3\"",
        ),
        (
            ORDER.replace(" 3 ", ""),
            "count",
            "must be a non-negative whole number, but is empty",
        ),
        (ORDER.replace("var='sku'", "var='ska'"), "sku", "is missing"),
        (
            ORDER.replace("large", "huge"),
            "size",
            "must be one of small, large, not \"huge\"",
        ),
        (
            ORDER.replace("true", "perhaps"),
            "gift",
            "must be true or false, not \"perhaps\"",
        ),
        (
            ORDER.replace("<value>large", "<value>small</value><value>large"),
            "size",
            "has more than one value",
        ),
        (
            format!("{ORDER}<field var='sku'><value>b</value></field>"),
            "sku",
            "is given twice",
        ),
    ];
    for (fields, var, why) in rows {
        let wanted = (Some(var.to_owned()), format!("field {var:?} {why}"));
        assert_eq!(wrong(read::<Order>(&submitted(&fields).fields)), wanted);
    }
}

#[test]
fn nested_values_are_rejected() {
    #[derive(Serialize)]
    struct Outer {
        inner: Inner,
    }
    #[derive(Serialize)]
    struct Inner {
        x: u8,
    }
    let (var, why) = wrong(write(&Outer {
        inner: Inner { x: 1 },
    }));
    assert_eq!(var.as_deref(), Some("inner"));
    assert!(
        why.contains("cannot be serialized: form fields hold plain values only"),
        "{why}"
    );
    assert!(write(&3).is_err() && write("x").is_err());
}

fn definition() -> Definition {
    Definition::of::<Order>()
        .form_type("urn:example:order")
        .title("An order")
        .instructions("What do you want?")
        .edit("sku", |field| {
            field.label("Article").description("as on the shelf")
        })
        .edit("size", |field| field.option("small", "fits in a pocket"))
        .edit("count", |field| field.value("1"))
        .field(Field::hidden("cart", "7"))
        .field(Field::fixed("Thank you"))
}

#[test]
fn definition_of_struct_has_its_fields() {
    let wanted = "<x xmlns='jabber:x:data' type='form'><title>An order</title><instructions>What \
        do you want?</instructions>\
        <field var='FORM_TYPE' type='hidden'><value>urn:example:order</value></field>\
        <field var='sku' label='Article'><required/><desc>as on the shelf</desc></field>\
        <field var='count'><required/><value>1</value></field><field var='gift' type='boolean'/>\
        <field var='size' type='list-single'><required/><option label='fits in a \
        pocket'><value>small</value></option>\
        <option label='large'><value>large</value></option></field><field var='note'/>\
        <field var='tags' type='list-multi'><option label='new'><value>new</value></option>\
        <option label='sale'><value>sale</value></option></field><field var='lines' \
        type='text-multi'/>\
        <field var='cart' type='hidden'><value>7</value></field><field type='fixed'><value>Thank \
        you</value></field></x>";
    let blank = definition().blank();
    assert_eq!(blank, parse(wanted));
    assert_eq!(parse::<DataForm>(&xml(&blank)), blank);
}

#[test]
fn filled_form_contains_initial_values() {
    let filled = definition().filled(&order()).unwrap();
    let value = |var: &str| {
        filled
            .fields
            .iter()
            .find(|field| field.var.as_deref() == Some(var))
            .unwrap()
            .values
            .concat()
    };
    assert_eq!(
        [
            value("sku"),
            value("count"),
            value("gift"),
            value("note"),
            value("cart")
        ],
        ["abc", "3", "1", "", "7"]
    );
    assert_eq!(
        (filled.type_, filled.fields[1].required),
        (DataFormType::Form, true)
    );
}

#[test]
fn submitted_form_is_checked_against_definition() {
    let definition = definition().edit("tags", Field::required);
    let cart = "<field var='cart'><value>7</value></field>";
    let good = format!("{ORDER}{cart}");
    assert_eq!(
        definition.read::<Order>(&submitted(&good)).unwrap(),
        order()
    );
    let field = |var: &str, why: &str| (Some(var.to_owned()), format!("field {var:?} {why}"));
    let form = |why: &str| (None, format!("form {why}"));
    let rows = [
        (submitted(ORDER), field("cart", "must not be changed")),
        (
            submitted(&good.replace("abc", "")),
            field("sku", "is required"),
        ),
        (
            submitted(&good.replace("<value>new</value><value>sale</value>", "")),
            field("tags", "is required"),
        ),
        (
            submitted(&good.replace("large", "huge")),
            field("size", "must be one of small, large, not \"huge\""),
        ),
        (
            submitted(&good.replace("urn:example:order", "urn:x")),
            form("is of type urn:x, expected urn:example:order"),
        ),
        (
            parse("<x xmlns='jabber:x:data' type='cancel'/>"),
            form("was not submitted"),
        ),
    ];
    for (form, wanted) in rows {
        assert_eq!(wrong(definition.read::<Order>(&form)), wanted);
    }
}

#[test]
fn omitted_fields_read_as_empty() {
    let fields = "<field var='sku'><value>abc</value></field><field \
        var='count'><value>3</value></field>\
        <field var='size'><value>small</value></field><field var='cart'><value>7</value></field>";
    let read: Order = definition().read(&submitted(fields)).unwrap();
    assert_eq!(
        (read.gift, read.tags, read.lines, read.note),
        (false, Vec::new(), Vec::new(), None)
    );
}

#[test]
fn jid_fields_are_validated() {
    let definition = Definition::new()
        .field(Field::jid("who"))
        .field(Field::jids("all"));
    let form = |who: &str, all: &str| {
        submitted(&format!(
            "<field var='who'><value>{who}</value></field><field \
            var='all'><value>{all}</value></field>"
        ))
    };
    assert!(
        definition
            .check(&form("a@example.org", "b@example.org/r"))
            .is_ok()
    );
    assert!(definition.check(&form("", "")).is_ok());
    assert_eq!(
        definition
            .check(&form("@x", "b@example.org"))
            .unwrap_err()
            .var(),
        Some("who")
    );
    assert_eq!(
        definition
            .check(&form("a@example.org", "b@@"))
            .unwrap_err()
            .var(),
        Some("all")
    );
}

#[test]
fn result_has_labels_without_input_rules() {
    let result = definition().result(&order()).unwrap();
    let text = xml(&result);
    assert!(
        text.starts_with(
            "<x xmlns='jabber:x:data' type='result'><title>An order</title><field var='FORM_TYPE'"
        ),
        "{text}"
    );
    assert!(
        text.contains("label='Article'")
            && !text.contains("<required/>")
            && !text.contains("<option"),
        "{text}"
    );
}

#[test]
fn table_has_headings_and_rows() {
    #[derive(Serialize, Deserialize)]
    struct Row {
        name: String,
        up: bool,
    }
    let definition = Definition::of::<Row>()
        .title("Hosts")
        .edit("name", |field| field.label("Host"));
    let rows = [
        Row {
            name: "a".into(),
            up: true,
        },
        Row {
            name: "b".into(),
            up: false,
        },
    ];
    let table = definition.table(&rows).unwrap();
    let wanted = "<x xmlns='jabber:x:data' type='result'><title>Hosts</title>\
        <reported><field var='name' label='Host'/><field var='up' type='boolean'/></reported>\
        <item><field var='name'><value>a</value></field><field \
        var='up'><value>1</value></field></item>\
        <item><field var='name'><value>b</value></field><field \
        var='up'><value>0</value></field></item></x>";
    assert_eq!(table, parse(wanted));
    let read: Table = parse(&xml(&table));
    assert_eq!(read.heads().collect::<Vec<_>>(), ["Host", "up"]);
    let ups: Vec<_> = read
        .rows()
        .map(|row| super::read::<Row>(row).unwrap().up)
        .collect();
    assert_eq!(ups, [true, false]);
}

#[test]
#[should_panic(expected = "is not a struct with named fields, so it cannot be a form")]
fn definition_of_list_panics() {
    let _ = Definition::of::<Vec<String>>();
}

async fn order_in(Form(order): Form<Order>) -> Form<Order> {
    Form(order)
}

#[test]
fn handler_extracts_and_replies_forms() {
    let mut router = Router::new()
        .message_with((NS, "x"), order_in)
        .iq_set(("urn:example:shop", "order"), order_in);
    let said = answer(
        &mut router,
        &format!("<message><x xmlns='jabber:x:data' type='submit'>{ORDER}</x></message>"),
    );
    assert!(
        said.contains("<x xmlns='jabber:x:data' type='result'>"),
        "{said}"
    );
    let nested = |form: &str| {
        format!("<iq type='set' id='1'><order xmlns='urn:example:shop'>{form}</order></iq>")
    };
    let form = format!("<x xmlns='jabber:x:data' type='submit'>{ORDER}</x>");
    assert!(answer(&mut router, &nested(&form)).contains("<value>abc</value>"));
    let reply = answer(&mut router, &nested(&form.replace("large", "huge")));
    assert!(
        reply.contains("<not-acceptable") && reply.contains("field \"size\" must be one of"),
        "{reply}"
    );
    let reply = answer(&mut router, &nested(""));
    assert!(
        reply.contains("<bad-request") && reply.contains("no data form"),
        "{reply}"
    );
    let reply = answer(
        &mut router,
        &nested("<x xmlns='jabber:x:data' type='cancel'/>"),
    );
    assert!(reply.contains("form was not submitted"), "{reply}");
}

#[test]
fn optional_form_is_none_if_absent_and_rejected_if_invalid() {
    let take =
        |xml: &str| <Option<Form<Order>> as FromInbound<()>>::from_inbound(&inbound(xml), &());
    assert!(
        take("<message><body>hi</body></message>")
            .unwrap()
            .is_none()
    );
    let error = take("<message><x xmlns='jabber:x:data' type='submit'/></message>").unwrap_err();
    assert_eq!(
        into_stanza_error(&error).text(),
        Some("field \"sku\" is missing")
    );
    let error = take("<message><x xmlns='jabber:x:data' type='what'/></message>").unwrap_err();
    assert_eq!(
        into_stanza_error(&error).condition(),
        crate::error::Condition::BadRequest
    );
}
