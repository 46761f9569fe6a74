//! The connection to the broker, and the tasks that publish to it and consume from it.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::stream::{DiscardPolicy, RetentionPolicy};
use async_nats::jetstream::{self, Context, stream};
use async_nats::{Client, ConnectOptions, RequestErrorKind, ServerAddr};
use bytes::Bytes;
use campanile::error::{BoxError, Condition};
use campanile::stanza::Stanza;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::forward::forward;
use super::inbound::Inbound;
use super::outbound::Outbound;
use super::peer_responses::PeerResponses;
use super::publish::Publisher;
use super::subject::Names;
use crate::metrics::Metrics;
use crate::permissions::Permissions;
use crate::settings::{Bot, Login, Nats};
use crate::to_webhook::{self, Delivery};
use crate::webhook::{Answer, Outcome};

/// Timeout for the broker at the start of the component. After that the component starts anyway,
/// and senders get `resource-constraint` until the broker is reachable.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Delay before a failed operation is retried.
pub(super) const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The connection to NATS.
pub(crate) struct Broker {
    client: Client,
    names: Names,
    publisher: Publisher,
}

impl Broker {
    /// Connects, creates the streams, and starts consuming from them.
    pub(crate) async fn start(
        nats: &Nats,
        bots: &[Bot],
        delivery: &Arc<Delivery>,
        (component, answers): (&campanile::client::Client, &Arc<PeerResponses>),
        tasks: &mut JoinSet<()>,
    ) -> Result<Self, BoxError> {
        let client = connect(nats).await?;
        let jetstream = jetstream::new(client.clone());
        let names = Names::new(&nats.prefix);
        if let Err(why) = tokio::time::timeout(START_TIMEOUT, streams(&jetstream, nats, &names))
            .await
            .map_err(BoxError::from)
            .flatten()
        {
            tracing::warn!("broker not ready, starting without it: {why}");
        }
        let (publisher, publishing) =
            Publisher::new(jetstream.clone(), Arc::clone(&delivery.metrics));
        tasks.spawn(publishing);
        let permissions = bots.iter().map(|bot| {
            (
                super::subject::token(&to_webhook::key(bot)),
                Permissions::of_bot(bot, component.domain()),
            )
        });
        let outbound = Outbound::new(
            client.clone(),
            names.clone(),
            permissions.collect(),
            Arc::clone(delivery),
        );
        let inbound = bots.iter().filter(|bot| bot.webhook.is_some()).map(|bot| {
            Inbound::new(
                to_webhook::key(bot),
                names.clone(),
                nats.shared,
                Arc::clone(delivery),
            )
        });
        for inbound in inbound {
            let jetstream = jetstream.clone();
            let nats = nats.clone();
            let names = names.clone();
            let metrics = Arc::clone(&delivery.metrics);
            tasks.spawn(async move {
                loop {
                    let taken = Box::pin(async {
                        streams(&jetstream, &nats, &names).await?;
                        inbound.run(&jetstream).await
                    });
                    log_and_pause("messages for a webhook", &metrics, taken).await;
                }
            });
        }
        if let Some(mut outgoing) = answers.open() {
            let answers = Arc::clone(answers);
            let component = component.clone();
            let connection = client.clone();
            let own = names.clone();
            let metrics = Arc::clone(&delivery.metrics);
            tasks.spawn(async move {
                loop {
                    let forwarding =
                        forward((&answers, &mut outgoing), &connection, &own, &component);
                    log_and_pause("responses of other bridges", &metrics, forwarding).await;
                }
            });
        }
        let nats = nats.clone();
        let own = names.clone();
        let metrics = Arc::clone(&delivery.metrics);
        tasks.spawn(async move {
            loop {
                let taken = Box::pin(async {
                    streams(&jetstream, &nats, &own).await?;
                    outbound.run(&jetstream).await
                });
                log_and_pause("messages from bots", &metrics, taken).await;
            }
        });
        Ok(Self {
            client,
            names,
            publisher,
        })
    }

    /// Publishes a stanza. The receiver resolves once the broker has acknowledged it.
    ///
    /// Returns `None` if too many stanzas are waiting for an acknowledgment.
    pub(crate) fn publish(
        &self,
        bot: &str,
        stanza: &Stanza,
        json: String,
    ) -> Option<oneshot::Receiver<()>> {
        self.publisher
            .publish(self.names.inbound(bot, stanza.kind()), json)
    }

    /// Sends an IQ request to any one bot process that serves requests.
    pub(crate) async fn ask(&self, bot: &str, body: Bytes, within: Duration) -> Outcome {
        let request = async_nats::Request::new()
            .payload(body)
            .timeout(Some(within));
        match self.client.send_request(self.names.iq(bot), request).await {
            Ok(answer) if answer.payload.trim_ascii().is_empty() => Outcome::Taken(Answer::Empty),
            Ok(answer) => Outcome::Taken(Answer::Json(answer.payload)),
            Err(error) if error.kind() == RequestErrorKind::NoResponders => {
                Outcome::Refused(Condition::ServiceUnavailable.into())
            }
            Err(error) if error.kind() == RequestErrorKind::TimedOut => {
                Outcome::Refused(Condition::RemoteServerTimeout.into())
            }
            Err(error) => crate::webhook::unreachable(error.to_string()),
        }
    }
}

/// Runs a consumer until it stops, logs the reason, and waits before it is started again.
async fn log_and_pause(
    what: &str,
    metrics: &Metrics,
    consumer: impl Future<Output = Result<(), BoxError>>,
) {
    if let Some(Err(error)) = metrics.tasks.catch(what, consumer).await {
        tracing::warn!("consumer of {what} stopped, retrying: {error}");
    }
    tokio::time::sleep(RETRY_DELAY).await;
}

async fn connect(nats: &Nats) -> Result<Client, BoxError> {
    let parse = |address: &str| address.trim().parse::<ServerAddr>();
    let addresses = nats
        .url
        .split(',')
        .map(parse)
        .collect::<Result<Vec<_>, _>>()?;
    let options = ConnectOptions::new()
        .name("campanile")
        .retry_on_initial_connect();
    let options = options.event_callback(|event| async move { tracing::info!("broker: {event}") });
    let options = match &nats.login {
        Login::Open => options,
        Login::Token(token) => options.token(token.reveal().to_owned()),
        Login::Password(name, password) => {
            options.user_and_password(name.clone(), password.reveal().to_owned())
        }
    };
    Ok(options.connect(addresses).await?)
}

/// Creates the streams that do not exist.
async fn streams(jetstream: &Context, nats: &Nats, names: &Names) -> Result<(), BoxError> {
    for (way, subject) in [("in", names.all_inbound()), ("out", names.all_outbound())] {
        let config = stream::Config {
            name: names.stream(way),
            subjects: vec![subject],
            retention: RetentionPolicy::WorkQueue,
            // A full stream rejects new messages, so their senders get an error. No message that
            // has been accepted is discarded.
            discard: DiscardPolicy::New,
            max_bytes: nats.max_bytes,
            num_replicas: nats.replicas,
            ..stream::Config::default()
        };
        jetstream.get_or_create_stream(config).await?;
    }
    Ok(())
}
