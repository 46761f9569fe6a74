//! Responses to MAM queries.

use campanile::error::{BoxError, Condition};
use campanile::jid::BareJid;
use campanile::reply::Reply;
use campanile::stanza::{Children, Stanza};

use super::query::MamQuery;
use super::{FULLTEXT, MAM, RSM};
use crate::new_entry::SID;
use crate::store::{Entry, Page};
use crate::time;
use crate::xml::{self, escaped};

/// Maximum size of a forwarded stanza in bytes. The result of a larger stanza, or of one that some
/// servers reject, has ID and timestamp only (XEP-0313 §3.2).
const MAX_STANZA_BYTES: usize = 500_000;

/// Returns the results in order, then the `<fin/>`.
pub(super) fn results(
    archive: &BareJid,
    request: &MamQuery,
    page: &Page,
    count: Option<u64>,
) -> Result<Reply, BoxError> {
    let mut replies = Vec::with_capacity(page.entries.len() + 1);
    for entry in &page.entries {
        let message = message(archive, request.queryid.as_deref(), entry);
        replies.push(Reply::Stanza(Box::new(parse(&message)?)));
    }
    if request.flip {
        replies.reverse();
    }
    replies.push(Reply::Children(children(&fin(page, count))?));
    Ok(Reply::Multiple(replies))
}

fn message(archive: &BareJid, queryid: Option<&str>, entry: &Entry) -> String {
    let queryid = queryid
        .map(|id| format!(" queryid='{}'", escaped(id)))
        .unwrap_or_default();
    let id = escaped(&entry.id);
    let stamp = time::format(entry.place);
    let forwarded = match &entry.stanza {
        Some(stanza) if stanza.len() <= MAX_STANZA_BYTES && xml::is_sendable(stanza) => {
            with_id(&xml::standalone(stanza), archive, &id)
        }
        _ => String::new(),
    };
    format!(
        "<message><result xmlns='{MAM}'{queryid} id='{id}'><forwarded xmlns='urn:xmpp:forward:0'>\
         <delay xmlns='urn:xmpp:delay' stamp='{stamp}'/>{forwarded}</forwarded></result></message>"
    )
}

/// Adds the archive's stanza ID (XEP-0359).
fn with_id(stanza: &str, archive: &BareJid, id: &str) -> String {
    let own = format!(
        "<stanza-id xmlns='{SID}' by='{}' id='{id}'/>",
        escaped(archive.as_str())
    );
    if let Some(head) = stanza.strip_suffix("/>") {
        let name = head
            .split([' ', '>'])
            .next()
            .unwrap_or_default()
            .trim_start_matches('<');
        return format!("{head}>{own}</{name}>");
    }
    let end = stanza.rfind("</").unwrap_or(stanza.len());
    let (content, end) = stanza.split_at(end);
    format!("{content}{own}{end}")
}

fn fin(page: &Page, count: Option<u64>) -> String {
    let complete = if page.more { "" } else { " complete='true'" };
    let ends = page
        .entries
        .first()
        .zip(page.entries.last())
        .map(|(first, last)| {
            format!(
                "<first>{}</first><last>{}</last>",
                escaped(&first.id),
                escaped(&last.id)
            )
        });
    let count = count.map(|count| format!("<count>{count}</count>"));
    let set = ends.into_iter().chain(count).collect::<String>();
    format!("<fin xmlns='{MAM}'{complete}><set xmlns='{RSM}'>{set}</set></fin>")
}

/// The form with the supported query fields (XEP-0313 §4.1.5).
pub(super) fn form() -> Result<Reply, BoxError> {
    let field = |kind: &str, var: &str, inner: &str| {
        format!("<field type='{kind}' var='{var}'>{inner}</field>")
    };
    let open = "<validate xmlns='http://jabber.org/protocol/xdata-validate' \
        datatype='xs:string'><open/></validate>";
    let fields = [
        field("hidden", "FORM_TYPE", &format!("<value>{MAM}</value>")),
        field("jid-single", "with", ""),
        field("text-single", "start", ""),
        field("text-single", "end", ""),
        field("text-single", "before-id", ""),
        field("text-single", "after-id", ""),
        field("list-multi", "ids", open),
        field("boolean", "include-groupchat", ""),
        field("text-single", FULLTEXT, ""),
    ];
    let form = format!(
        "<query xmlns='{MAM}'><x xmlns='jabber:x:data' type='form'>{}</x></query>",
        fields.concat()
    );
    Ok(Reply::Children(children(&form)?))
}

/// The first and last entry of an archive; an empty archive has neither.
pub(super) fn metadata(first: &Page, last: &Page) -> Result<Reply, BoxError> {
    let end = |name: &str, page: &Page| {
        let entry = page.entries.first();
        entry.map_or_else(String::new, |entry| {
            format!(
                "<{name} id='{}' timestamp='{}'/>",
                escaped(&entry.id),
                time::format(entry.place)
            )
        })
    };
    let ends = format!(
        "<metadata xmlns='{MAM}'>{}{}</metadata>",
        end("start", first),
        end("end", last)
    );
    Ok(Reply::Children(children(&ends)?))
}

fn parse(xml: &str) -> Result<Stanza, BoxError> {
    xml::stanza(xml.as_bytes()).ok_or_else(|| Condition::InternalServerError.into())
}

fn children(xml: &str) -> Result<Children, BoxError> {
    Ok(parse(&format!("<message>{xml}</message>"))?
        .children()
        .clone())
}
