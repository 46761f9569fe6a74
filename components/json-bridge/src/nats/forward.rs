//! The way of answers through the broker, both directions. It is not kept: whoever asked waits no
//! longer than its time.

use async_nats::Client;
use campanile::error::BoxError;
use futures_util::StreamExt;
use tokio::sync::mpsc::Receiver;

use super::peer_responses::{PeerResponse, PeerResponses};
use super::subject::Names;
use crate::mapping;

/// Carries what is handed over, and takes what was carried here, until the broker is gone.
pub(super) async fn forward(
    (answers, going): (&PeerResponses, &mut Receiver<PeerResponse>),
    nats: &Client,
    names: &Names,
    component: &campanile::client::Client,
) -> Result<(), BoxError> {
    let mut coming = nats.subscribe(names.answer(component.instance())).await?;
    loop {
        tokio::select! {
            message = coming.next() => match message {
                Some(message) => take(&message.payload, component),
                None => return Ok(()),
            },
            Some((instance, answer)) = going.recv() => {
                // It waits for room in the client's own buffer, and no longer.
                if let Err(error) = nats.publish(names.answer(&instance), answer.to_xml().into()).await {
                    answers.record_lost(&instance, &error.to_string());
                }
            }
        }
    }
}

fn take(payload: &[u8], component: &campanile::client::Client) {
    let text = String::from_utf8_lossy(payload);
    match mapping::from_xml(&text) {
        // Whoever asked may have given up by now, or the answer is a forgery: both are nothing to
        // act upon.
        Ok(answer) => drop(component.accept_response(answer)),
        Err(fault) => tracing::warn!("what another bridge has handed over cannot be read: {fault}"),
    }
}
