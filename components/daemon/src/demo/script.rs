//! The scripted conversation of the demo.

use campanile::error::BoxError;
use campanile::stanza::Stanza;
use campanile_testing::host::User;
use tokio::time::timeout;

use super::output::Output;
use super::{ALICE, TIMEOUT, describe, fresh_id};
use crate::config::{Component, Config};

/// Sends requests and messages from alice to each component.
pub(super) async fn play(alice: &User, output: &Output, config: &Config) -> Result<(), BoxError> {
    output.line(&format!(
        "An embedded server for localhost is running in this process. {ALICE} is online."
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
        if component.logger.is_some() {
            archive(alice, output, component).await?;
        }
        output.heading("Built-in replies of every JID");
        for question in [
            ("ping", describe::PING),
            ("query", describe::VERSION),
            ("time", describe::TIME),
            ("query", describe::LAST),
        ] {
            ask(alice, jid, &payload(question.0, question.1)).await?;
        }
        output
            .heading("An unknown request is refused at once, so senders do not wait for a timeout");
        answer(alice, jid, &payload("order", "urn:example:orders")).await?;
    }
    output.heading("Next steps");
    output.line("  campanile demo --xml            show the stanzas as well");
    output.line("  campanile demo --interactive    talk to the components as alice");
    output.line("  campanile run --help            connect them to your own server");
    Ok(())
}

async fn bot(alice: &User, output: &Output, component: &Component) -> Result<(), BoxError> {
    output.heading(
        "A bot in any language: each message is a signed POST of JSON, and the response is \
        the reply",
    );
    say(
        alice,
        &format!("helpdesk@{}", component.jid),
        "<body>Do you read XML?</body>",
    )
    .await
}

async fn archive(alice: &User, output: &Output, component: &Component) -> Result<(), BoxError> {
    output.heading("The logger stores each message. Its receipt means that it is on disk");
    let jid = component.jid.as_str();
    say(
        alice,
        jid,
        "<body>The bell rings at noon.</body><request xmlns='urn:xmpp:receipts'/>",
    )
    .await?;
    output.heading("Users search what they wrote");
    say(alice, jid, "<body>!search bell</body>").await
}

async fn echo(alice: &User, output: &Output, component: &Component) -> Result<(), BoxError> {
    output.heading("The echo component returns each message");
    let jid = component.jid.as_str();
    say(alice, jid, "<body>Is anybody up there?</body>").await?;
    output.heading("Custom payloads are returned unchanged");
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

/// Sends an IQ get, and fails unless the reply is a result.
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

/// Sends a message, and waits for the reply.
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
        .map_err(|_| "no reply in time")?
        .ok_or("the server has stopped")?;
    if echo.kind().is_error() {
        return Err(format!("expected a reply, received {}", describe::of(&echo)).into());
    }
    Ok(())
}
