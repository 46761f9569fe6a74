//! Forwarding of IQ responses between bridges on the same JID, in both directions.
//!
//! Responses are not stored, because a request is bounded by its timeout anyway.

use async_nats::Client;
use campanile::error::BoxError;
use futures_util::StreamExt;
use tokio::sync::mpsc::Receiver;

use super::peer_responses::{PeerResponse, PeerResponses};
use super::subject::Names;
use crate::mapping;

/// Publishes queued responses and accepts forwarded ones until the connection ends.
pub(super) async fn forward(
    (answers, outgoing): (&PeerResponses, &mut Receiver<PeerResponse>),
    nats: &Client,
    names: &Names,
    component: &campanile::client::Client,
) -> Result<(), BoxError> {
    let mut incoming = nats.subscribe(names.answer(component.instance())).await?;
    loop {
        tokio::select! {
            message = incoming.next() => match message {
                Some(message) => accept(&message.payload, component),
                None => return Ok(()),
            },
            Some((instance, answer)) = outgoing.recv() => {
                // This waits only for space in the client's own buffer.
                let subject = names.answer(&instance);
                if let Err(error) = nats.publish(subject, answer.to_xml().into()).await {
                    answers.record_lost(&instance, &error.to_string());
                }
            }
        }
    }
}

fn accept(payload: &[u8], component: &campanile::client::Client) {
    let text = String::from_utf8_lossy(payload);
    match mapping::from_xml(&text) {
        // The request may have timed out, or the response may be forged. Both are ignored.
        Ok(answer) => drop(component.accept_response(answer)),
        Err(fault) => tracing::warn!("forwarded response is not a valid stanza: {fault}"),
    }
}
