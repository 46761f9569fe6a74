//! The conversation that the demo shows.

use campanile::error::BoxError;
use campanile::stanza::Stanza;
use campanile_testing::host::User;
use tokio::time::timeout;

use super::output::Output;
use super::{ALICE, TIMEOUT, describe, fresh_id};
use crate::config::{Component, Config};

/// Alice speaks to each component.
pub(super) async fn play(alice: &User, output: &Output, config: &Config) -> Result<(), BoxError> {
    output.line(&format!(
        "A server is up within this process, for localhost. {ALICE} is online."
    ));
    for component in &config.components {
        let jid = component.jid.as_str();
        output.heading(&format!("What is mounted on {jid}?"));
        ask(alice, jid, &payload("query", describe::INFO)).await?;
        if component.has("echo") {
            echo(alice, output, component).await?;
        }
        if component.bridge.is_some() {
            bot(alice, output, component).await?;
        }
        output.heading("What answers on every JID without being asked for");
        for question in [
            ("ping", describe::PING),
            ("query", describe::VERSION),
            ("time", describe::TIME),
            ("query", describe::LAST),
        ] {
            ask(alice, jid, &payload(question.0, question.1)).await?;
        }
        output.heading(
            "A request that nobody here knows is refused at once: no sender waits in vain",
        );
        answer(alice, jid, &payload("order", "urn:example:orders")).await?;
    }
    output.heading("Now you");
    output.line("  campanile demo --xml            the same with the stanzas themselves");
    output.line("  campanile demo --interactive    speak to the components as alice");
    output.line("  campanile run --help            attach them to your server");
    Ok(())
}

async fn bot(alice: &User, output: &Output, component: &Component) -> Result<(), BoxError> {
    output.heading(
        "A bot in any language: what it is sent is one signed POST of JSON, what that \
        answers is the reply",
    );
    say(
        alice,
        &format!("helpdesk@{}", component.jid),
        "<body>Do you read XML?</body>",
    )
    .await
}

async fn echo(alice: &User, output: &Output, component: &Component) -> Result<(), BoxError> {
    output.heading("The echo sends back what it is sent");
    let jid = component.jid.as_str();
    say(alice, jid, "<body>Is anybody up there?</body>").await?;
    output.heading("Whatever it is: a payload of your own goes through unread");
    say(
        alice,
        jid,
        "<data xmlns='MY-FORMAT-NS'>vgreg%G% B%$t54T%$gqfg4fgAEAE</data>",
    )
    .await
}

fn payload(name: &str, namespace: &str) -> String {
    format!("<{name} xmlns='{namespace}'/>")
}

/// Asks, and waits for the answer, which must be one.
async fn ask(alice: &User, jid: &str, payload: &str) -> Result<(), BoxError> {
    let answer = answer(alice, jid, payload).await?;
    if answer.kind().is_error() {
        return Err(format!("{jid} answered {payload} with an {}", describe::of(&answer)).into());
    }
    Ok(())
}

async fn answer(alice: &User, jid: &str, payload: &str) -> Result<Stanza, BoxError> {
    let request = format!(
        "<iq type='get' to='{jid}' id='{}'>{payload}</iq>",
        fresh_id("a")
    );
    let answer = timeout(TIMEOUT, alice.request(request)).await;
    Ok(answer.map_err(|_| format!("{jid} did not answer {payload} in time"))??)
}

/// Says something, and waits for it to come back.
async fn say(alice: &User, to: &str, children: &str) -> Result<(), BoxError> {
    let id = fresh_id("a");
    alice
        .send(format!(
            "<message type='chat' to='{to}' id='{id}'>{children}</message>"
        ))
        .await?;
    let echo = timeout(
        TIMEOUT,
        alice.recv_where(|stanza| !stanza.kind().is_response()),
    )
    .await;
    let echo = echo
        .map_err(|_| "no answer came in time")?
        .ok_or("the server is gone")?;
    if echo.kind().is_error() {
        return Err(format!("in place of an answer came an {}", describe::of(&echo)).into());
    }
    Ok(())
}
