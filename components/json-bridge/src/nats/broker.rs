//! The connection to the broker, and what is done with it.

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
use crate::permissions::Permissions;
use crate::settings::{Bot, Login, Nats};
use crate::to_webhook::{self, Delivery};
use crate::webhook::Outcome;

/// How long the component's start waits for the broker; then it goes on without, and senders are
/// told to wait.
const START_TIMEOUT: Duration = Duration::from_secs(5);
/// Between two attempts at something that failed.
pub(super) const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The broker.
pub(crate) struct Broker {
    client: Client,
    names: Names,
    publisher: Publisher,
}

impl Broker {
    /// Connects, makes the streams, and begins to take from them.
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
            tracing::warn!("the broker is not ready: {why}");
        }
        let (publisher, publishing) = Publisher::new(jetstream.clone());
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
            tasks.spawn(async move {
                loop {
                    let taken = async {
                        streams(&jetstream, &nats, &names).await?;
                        inbound.run(&jetstream).await
                    };
                    log_and_pause("for a webhook", taken.await).await;
                }
            });
        }
        if let Some(mut going) = answers.open() {
            let answers = Arc::clone(answers);
            let component = component.clone();
            let line = client.clone();
            let own = names.clone();
            tasks.spawn(async move {
                loop {
                    log_and_pause(
                        "from other bridges",
                        forward((&answers, &mut going), &line, &own, &component).await,
                    )
                    .await;
                }
            });
        }
        let nats = nats.clone();
        let own = names.clone();
        tasks.spawn(async move {
            loop {
                let taken = async {
                    streams(&jetstream, &nats, &own).await?;
                    outbound.run(&jetstream).await
                };
                log_and_pause("from bots", taken.await).await;
            }
        });
        Ok(Self {
            client,
            names,
            publisher,
        })
    }

    /// Hands a stanza to the broker; the receiver says when that has it. `None` when too many wait
    /// for that already.
    pub(crate) fn publish(
        &self,
        bot: &str,
        stanza: &Stanza,
        json: String,
    ) -> Option<oneshot::Receiver<()>> {
        self.publisher
            .publish(self.names.inbound(bot, stanza.kind()), json)
    }

    /// Asks whichever bot answers requests.
    pub(crate) async fn ask(&self, bot: &str, body: Bytes, within: Duration) -> Outcome {
        let request = async_nats::Request::new()
            .payload(body)
            .timeout(Some(within));
        match self.client.send_request(self.names.iq(bot), request).await {
            Ok(answer) if answer.payload.trim_ascii().is_empty() => Outcome::Taken(None),
            Ok(answer) => Outcome::Taken(Some(answer.payload)),
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

/// Why taking from a stream has ended; it is begun again.
async fn log_and_pause(what: &str, ended: Result<(), BoxError>) {
    if let Err(error) = ended {
        tracing::warn!("nothing is taken {what} for now: {error}");
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

/// Makes the streams that are not there.
async fn streams(jetstream: &Context, nats: &Nats, names: &Names) -> Result<(), BoxError> {
    for (way, subject) in [("in", names.all_inbound()), ("out", names.all_outbound())] {
        let config = stream::Config {
            name: names.stream(way),
            subjects: vec![subject],
            retention: RetentionPolicy::WorkQueue,
            // What does not fit is refused, and its sender told: nothing is pushed out.
            discard: DiscardPolicy::New,
            max_bytes: nats.max_bytes,
            num_replicas: nats.replicas,
            ..stream::Config::default()
        };
        jetstream.get_or_create_stream(config).await?;
    }
    Ok(())
}
