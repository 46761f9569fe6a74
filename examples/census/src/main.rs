//! A census of client software. Every user who sends presence is counted. `!ask` queries all of
//! them concurrently for their software version (XEP-0092), and the results are served in pages
//! (XEP-0059).
//!
//! Run it next to an XMPP server that accepts components on 127.0.0.1:5347 and knows the domain
//! `census.localhost`:
//!
//! ```text
//! BOT_SECRET=secret cargo run -p example-census
//! ```

mod format;
mod survey;

use campanile::extract::{Payload, Recipient, Sender, State};
use campanile::paging::{SetQuery, page};
use campanile::stanza::PresenceType;
use campanile::xmpp_parsers::ns;
use campanile::{Client, Component, Router, Stanza, StanzaError, shutdown_signal};

use self::format::{CENSUS, Query, Results};
use self::survey::Survey;

/// Maximum number of results on one page.
const PAGE: usize = 50;

/// Tracks which users are online.
async fn presence(Sender(who): Sender, State(survey): State<Survey>, kind: PresenceType) {
    match kind {
        PresenceType::Available => survey.add(who),
        PresenceType::Unavailable => survey.remove(&who),
        _ => {}
    }
}

/// Starts a survey of all users.
///
/// A survey takes longer than a user waits for a reply, so the result is sent as a separate
/// message.
async fn ask(
    Sender(who): Sender,
    Recipient(me): Recipient,
    State(survey): State<Survey>,
    client: Client,
) -> String {
    let Some(members) = survey.begin() else {
        return "A survey is already running.".to_owned();
    };
    let text = format!("Asking {} users.", members.len());
    tokio::spawn(async move {
        let (answered, asked) = survey.run(&client, members).await;
        let message = Stanza::chat(who, &format!("{answered} of {asked} users replied."))
            .map(|message| message.with_from(me));
        let sent = match message {
            Ok(message) => client.send(message).await,
            Err(error) => Err(error.into()),
        };
        if let Err(error) = sent {
            tracing::warn!(%error, "sending the survey result failed");
        }
    });
    text
}

/// Returns one page of the results of the last survey.
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
        .chat_command(("!ask", "Asks all users for their software"), ask)
        .iq_get((CENSUS, "results"), results)
        .feature(ns::RSM)
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
    Ok(bot.run_until(shutdown_signal()).await?)
}

#[cfg(test)]
mod tests;
