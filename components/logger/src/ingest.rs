//! Handlers that archive stanzas sent to the logger.

use campanile::address;
use campanile::error::{BoxError, Condition, StanzaError};
use campanile::extract::State;
use campanile::inbound::Inbound;
use campanile::reply::{IntoReply, Reply};
use campanile::stanza::{Children, Kind, MessageType, PresenceType, Stanza};
use campanile::xmpp_parsers::receipts::Received;

use crate::archive::Archive;
use crate::help;
use crate::new_entry::{self, HINTS};
use crate::store::Query;
use crate::xml;

const RECEIPTS: &str = "urn:xmpp:receipts";

/// Archives a message. The receipt, if requested, is sent once the message is on disk.
pub(crate) async fn message(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    let stanza = inbound.stanza();
    admit(&archive, &inbound)?;
    let unwanted = archive.settings.honor_hints
        && ["no-store", "no-permanent-store"]
            .iter()
            .any(|hint| stanza.children().find(HINTS, hint).is_some());
    let signals = !archive.settings.signals && new_entry::is_signal(stanza);
    let hint = help::hint(&archive.settings, stanza);
    // A message that is not archived gets no receipt.
    if unwanted || signals || archive.is_opted_out(inbound.sender()) {
        return hint.map_or(Ok(Reply::Empty), IntoReply::into_reply);
    }
    let receipt = receipt(stanza)?;
    // It is archived all the same, as it may be what the user meant to write.
    let reply = match hint {
        Some(hint) => Reply::Multiple(vec![
            receipt,
            format!("{hint} Your message was archived.").into_reply()?,
        ]),
        None => receipt,
    };
    archive.append(&inbound, reply)
}

/// Archives presence. Subscription requests and probes are refused with `unsubscribed`.
pub(crate) async fn presence(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    admit(&archive, &inbound)?;
    let reply = match inbound.kind() {
        Kind::Presence(PresenceType::Subscribe | PresenceType::Probe) => {
            let refused = Stanza::new(Kind::Presence(PresenceType::Unsubscribed))
                .with_from(inbound.recipient().to_bare())
                .with_to(inbound.sender().to_bare());
            Reply::Stanza(Box::new(refused))
        }
        _ => Reply::Empty,
    };
    if archive.is_opted_out(inbound.sender()) {
        return Ok(reply);
    }
    archive.append(&inbound, reply)
}

/// Archives the payload of an IQ set; the result is sent once it is on disk.
pub(crate) async fn set(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    admit(&archive, &inbound)?;
    if archive.is_opted_out(inbound.sender()) {
        let error = StanzaError::new(Condition::NotAllowed)
            .with_text("you have opted out of logging")
            .with_lang("en");
        return Err(error.into());
    }
    archive.append(&inbound, Reply::Empty)
}

/// Returns the newest payload of the requested name that the requester has sent.
pub(crate) async fn get(
    inbound: Inbound,
    State(archive): State<Archive>,
) -> Result<Reply, BoxError> {
    let permissions = archive.permissions(&inbound)?;
    let asked = inbound
        .stanza()
        .children()
        .first()
        .ok_or(Condition::BadRequest)?;
    let namespace = asked.namespace().into_owned();
    let name = asked.name().to_owned();
    archive.settle().await;
    let requester = permissions.requester;
    let query = Query {
        archive: Some(inbound.recipient().to_bare()),
        owner: Some(requester.clone()),
        payload: Some((namespace.clone(), name.clone())),
        from_end: true,
        limit: 1,
        ..Query::default()
    };
    let page = archive
        .read(&requester, move |backend| backend.page(&query))
        .await?;
    let newest = page
        .entries
        .first()
        .and_then(|entry| xml::stanza(entry.stanza.as_ref()?.as_bytes()));
    let newest = newest.ok_or(Condition::ItemNotFound)?;
    let payload = newest
        .children()
        .find(&namespace, &name)
        .ok_or(Condition::ItemNotFound)?;
    Ok(Reply::Children(payload.to_children()))
}

/// Handles IQs without another route, if archiving of IQs is enabled.
pub(crate) async fn other(inbound: Inbound, state: State<Archive>) -> Result<Reply, BoxError> {
    match inbound.kind() {
        Kind::Iq(campanile::stanza::IqType::Set) => set(inbound, state).await,
        Kind::Iq(_) => get(inbound, state).await,
        _ => Ok(Reply::Empty),
    }
}

/// Rejects senders without write access.
fn admit(archive: &Archive, inbound: &Inbound) -> Result<(), BoxError> {
    let settings = &archive.settings;
    let admin = address::contains(&settings.admins, &inbound.sender().to_bare());
    if admin || settings.users.allows(inbound.sender()) {
        Ok(())
    } else {
        Err(Condition::Forbidden.into())
    }
}

/// Builds the receipt, if one is requested. XEP-0184 §5.4: only for chat and normal messages with
/// an ID, and never for a receipt.
fn receipt(stanza: &Stanza) -> Result<Reply, BoxError> {
    let conversation = matches!(
        stanza.kind(),
        Kind::Message(MessageType::Chat | MessageType::Normal)
    );
    let asked = conversation && stanza.children().find(RECEIPTS, "request").is_some();
    let Some(id) = stanza.id().filter(|_| asked) else {
        return Ok(Reply::Empty);
    };
    Ok(Reply::Children(Children::of(&Received { id: id.into() })?))
}
