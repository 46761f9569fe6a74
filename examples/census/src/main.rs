//! A census: everybody who sends it presence is counted, `!ask` asks all of them at the same time
//! for the software that they use (XEP-0092), and what they answered is shown page by page
//! (XEP-0059).
//!
//! `BOT_SECRET=secret cargo run -p example-census` mounts it on `census.localhost`, at the server
//! on 127.0.0.1:5347.

mod format;
mod survey;

use campanile::client::Client;
use campanile::component::Component;
use campanile::error::StanzaError;
use campanile::extract::{Payload, Recipient, Sender, State};
use campanile::paging::{self, SetQuery, page};
use campanile::router::Router;
use campanile::stanza::{PresenceType, Stanza};

use self::format::{CENSUS, Query, Results};
use self::survey::Survey;

/// Most answers on one page.
const PAGE: usize = 50;

/// Who is there, and who has gone.
async fn presence(Sender(who): Sender, State(survey): State<Survey>, kind: PresenceType) {
    match kind {
        PresenceType::Available => survey.add(who),
        PresenceType::Unavailable => survey.remove(&who),
        _ => {}
    }
}

/// Asks everybody. That takes longer than somebody waits for an answer, so the result is a message
/// of its own.
async fn ask(
    Sender(who): Sender,
    Recipient(me): Recipient,
    State(survey): State<Survey>,
    client: Client,
) -> String {
    let Some(members) = survey.begin() else {
        return "They are being asked at this moment.".to_owned();
    };
    let text = format!("Asking {} of them.", members.len());
    tokio::spawn(async move {
        let (answered, asked) = survey.run(&client, members).await;
        let told = Stanza::chat(who, &format!("{answered} of {asked} have answered."))
            .map(|told| told.with_from(me));
        let sent = match told {
            Ok(told) => client.send(told).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "nobody was told of the result");
        }
    });
    text
}

/// One page of what the last survey brought.
async fn results(
    State(survey): State<Survey>,
    Payload(Query { set }): Payload<Query>,
) -> Result<Payload<Results>, StanzaError> {
    let query = set.unwrap_or(SetQuery {
        max: None,
        after: None,
        before: None,
        index: None,
    });
    let page = page(survey.answers().iter().cloned(), &query, PAGE, |answer| {
        answer.jid.to_string()
    })?;
    Ok(Payload(Results {
        answers: page.items,
        set: page.set,
    }))
}

fn app() -> Router {
    Router::new()
        .presence(presence)
        .chat_command(("!ask", "Asks everybody what they use"), ask)
        .iq_get((CENSUS, "results"), results)
        .feature(paging::NS)
        .with_state(Survey::default())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let secret = std::env::var("BOT_SECRET")?;
    let bot = Component::builder("census.localhost")
        .server("127.0.0.1:5347")
        .secret(secret)
        .router(app())
        .build()?;
    bot.run_until(async { tokio::signal::ctrl_c().await.unwrap_or_default() })
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests;
