//! Opens what a bridge consists of while it runs: outbox, delivery, feed and broker.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use campanile::client::Client;
use campanile::error::BoxError;
use tokio::task::JoinSet;

use super::Bridge;
use crate::events::Feed;
use crate::metrics::Metrics;
use crate::nats::Broker;
use crate::outbox::Outbox;
use crate::state::Running;
use crate::to_server::ToServer;
use crate::to_webhook::Delivery;
use crate::webhook::Poster;

impl Bridge {
    /// Opens the files and connections of the settings.
    pub(super) async fn open(
        &self,
        client: Client,
        tasks: &mut JoinSet<()>,
    ) -> Result<Arc<Running>, BoxError> {
        let settings = self.settings.clone();
        let poster = Poster::new(settings.bots.iter().filter_map(|bot| bot.webhook.as_ref()))?;
        let metrics = Arc::clone(&self.metrics);
        let keep = if settings.api.is_some() {
            settings.keep_events
        } else {
            0
        };
        let slot = Arc::new(OnceLock::<Arc<Delivery>>::new());
        let outbox = match &settings.outbox {
            Some(path) => Some(open_outbox(
                path,
                keep,
                Arc::clone(&slot),
                Arc::clone(&metrics),
            )?),
            None => None,
        };
        let way_out = outbox.clone();
        let max_age = settings.max_age;
        let to_server = Arc::new(ToServer::new(
            client.clone(),
            way_out,
            max_age,
            Arc::clone(&metrics),
        ));
        let delivery = Delivery::new(
            &settings,
            poster,
            Arc::clone(&to_server),
            outbox.clone(),
            metrics,
        );
        let delivery = Arc::clone(slot.get_or_init(|| Arc::new(delivery)));
        let feed = Feed::new(outbox.clone(), keep);
        let broker = match &settings.nats {
            Some(nats) => Some(
                Broker::start(
                    nats,
                    &settings.bots,
                    &delivery,
                    (&client, &self.peer_responses),
                    tasks,
                )
                .await?,
            ),
            None => None,
        };
        Ok(Arc::new(Running {
            settings,
            client,
            delivery,
            to_server,
            outbox,
            feed,
            broker,
        }))
    }
}

/// Opens the outbox; each message goes to its webhook once it is on disk.
fn open_outbox(
    path: &Path,
    keep: usize,
    delivery: Arc<OnceLock<Arc<Delivery>>>,
    metrics: Arc<Metrics>,
) -> Result<Outbox, BoxError> {
    let committed = move |queued| {
        // No message is stored before the module has started.
        if let Some(delivery) = delivery.get() {
            delivery.push(queued);
        }
    };
    let opened = Outbox::open(path, i64::try_from(keep)?, committed, metrics);
    opened.map_err(|error| format!("{}: {error}", path.display()).into())
}
