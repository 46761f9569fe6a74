//! The way of answers through the broker, both directions. It is not kept: whoever asked waits no longer than its time.

use async_nats::Client;
use campanile::error::BoxError;
use futures_util::StreamExt;
use tokio::sync::mpsc;

use super::answers::{Answers, Carried};
use super::subject::Names;
use crate::mapping;

/// Carries what is handed over, and takes what was carried here, until it is dropped.
pub(super) async fn carry(
    answers: &Answers,
    nats: Client,
    names: Names,
    component: campanile::client::Client,
) -> Result<(), BoxError> {
    let mut coming = nats.subscribe(names.answer(component.instance())).await?;
    let taking = async {
        while let Some(message) = coming.next().await {
            take(&message.payload, &component);
        }
    };
    match answers.open() {
        Some(going) => drop(tokio::join!(taking, send(going, &nats, &names))),
        None => taking.await,
    }
    Ok(())
}

async fn send(mut going: mpsc::Receiver<Carried>, nats: &Client, names: &Names) {
    while let Some((instance, answer)) = going.recv().await {
        if let Err(error) = nats.publish(names.answer(&instance), answer.to_xml().into()).await {
            tracing::warn!(instance, "an answer to another bridge's request is lost: {error}");
        }
    }
}

fn take(payload: &[u8], component: &campanile::client::Client) {
    let text = String::from_utf8_lossy(payload);
    match mapping::from_xml(&text) {
        // Whoever asked may have given up by now, or the answer is a forgery: both are nothing to act upon.
        Ok(answer) => drop(component.accept_answer(answer)),
        Err(fault) => tracing::warn!("what another bridge has handed over cannot be read: {fault}"),
    }
}
