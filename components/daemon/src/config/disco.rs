//! `[component.disco]`: name, identities and contact addresses in service discovery.

use super::fault::Faults;
use super::table::{Table, Value};

/// Purposes of contact addresses (XEP-0157 §3), each with its field `…-addresses`.
const CONTACTS: [&str; 7] = [
    "abuse", "admin", "feedback", "sales", "security", "status", "support",
];

/// Service discovery settings of a component.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Disco {
    pub(crate) name: Option<String>,
    pub(crate) identities: Vec<Identity>,
    /// Contact purposes, each with its URIs.
    pub(crate) contacts: Vec<(String, Vec<String>)>,
}

/// A disco identity: category and type of an entity (XEP-0030 §3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) category: String,
    pub(crate) kind: String,
    pub(crate) name: Option<String>,
    pub(crate) lang: Option<String>,
}

pub(super) fn read(mut table: Table<'_>, faults: &mut Faults<'_>) -> Disco {
    let name = table
        .take("name")
        .and_then(|value| value.text(faults))
        .map(str::to_owned);
    let identities = table
        .take("identities")
        .and_then(|value| identities(&value, faults))
        .unwrap_or_default();
    let contacts = table
        .take("contacts")
        .and_then(|value| contacts(&value, faults))
        .unwrap_or_default();
    table.finish(faults);
    Disco {
        name,
        identities,
        contacts,
    }
}

fn identities(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Vec<Identity>> {
    let items = value.list(
        "identities, such as [{ category = \"client\", type = \"bot\" }]",
        faults,
    )?;
    Some(
        items
            .iter()
            .filter_map(|item| identity(item, faults))
            .collect(),
    )
}

fn identity(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Identity> {
    let mut table = value.table("an identity", faults)?;
    let mut text = |key, faults: &mut Faults<'_>| {
        let text = table.take(key)?.text(faults)?;
        Some(text.to_owned())
    };
    let category = text("category", faults);
    let kind = text("type", faults);
    let name = text("name", faults);
    let lang = text("lang", faults);
    let complete = table.has("category") && table.has("type");
    if !complete {
        let remedy =
            "write both, as registered at https://xmpp.org/registrar/disco-categories.html";
        faults.push(
            &value.span,
            "an identity needs `category` and `type`",
            remedy,
        );
    }
    table.finish(faults);
    Some(Identity {
        category: category?,
        kind: kind?,
        name,
        lang,
    })
}

fn contacts(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<Vec<(String, Vec<String>)>> {
    let mut table = value.table("[component.disco.contacts]", faults)?;
    let mut contacts = Vec::new();
    for purpose in CONTACTS {
        let Some(items) = table
            .take(purpose)
            .and_then(|value| value.list("URIs", faults))
        else {
            continue;
        };
        let uris = items.iter().filter_map(|item| uri(item, faults)).collect();
        contacts.push((purpose.to_owned(), uris));
    }
    table.finish(faults);
    Some(contacts)
}

fn uri(value: &Value<'_>, faults: &mut Faults<'_>) -> Option<String> {
    let text = value.text(faults)?;
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    if scheme.is_empty()
        || !scheme
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    {
        let remedy = "write a contact URI, such as \"mailto:abuse@example.org\" \
            or \"xmpp:help@example.org\"";
        faults.push(&value.span, format!("{text:?} is not a URI"), remedy);
        return None;
    }
    Some(text.to_owned())
}
