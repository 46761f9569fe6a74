//! `campanile demo --interactive`: a prompt as alice, for users and for scripts.

use campanile::error::BoxError;
use campanile::jid::Jid;
use campanile::minidom::Element;
use campanile::stanza::{Kind, PresenceType, Stanza};
use campanile_testing::host::{User, UserError};
use tokio::time::timeout;

use super::editor::Typed;
use super::lines::Lines;
use super::output::{HIDDEN, Output};
use super::{ALICE, TIMEOUT, describe, fresh_id};
use crate::config::Config;
use crate::escape::Escaped;

const HELP: &str = "  TEXT             send a chat message (write // for a text that starts with /)
  /to JID          set the recipient
  /iq NS [NAME]    send an IQ get with the payload <NAME xmlns='NS'/>
  /disco [JID]     query service discovery: identity, features and items
  /presence [TYPE] send presence: available, unavailable, subscribe, probe, …
  /raw XML         send a stanza written as XML
  /help            show this list
  /quit            exit";

/// One parsed line of input.
#[derive(Debug, PartialEq, Eq)]
enum Input {
    Nothing,
    Say(String),
    To(Jid),
    Iq { namespace: String, name: String },
    Disco(Option<Jid>),
    Presence(PresenceType),
    Raw(String),
    Help,
    Quit,
}

/// Takes lines from stdin until `/quit` or its end.
pub(super) async fn converse(
    alice: &User,
    output: &Output,
    config: &Config,
) -> Result<(), BoxError> {
    let mut to: Jid = config
        .components
        .first()
        .ok_or("nothing is mounted")?
        .jid
        .clone()
        .into();
    let mounted: Vec<_> = config
        .components
        .iter()
        .map(|component| component.jid.as_str())
        .collect();
    output.line(&format!(
        "You are {ALICE}. Components: {}. Type /help for a list of commands.",
        mounted.join(", ")
    ));
    let mut input = Lines::open(output);
    let mut interrupted = false;
    loop {
        let typed = input.next(&to, alice, output).await?;
        let again = std::mem::replace(&mut interrupted, typed == Typed::Interrupt);
        let line = match typed {
            Typed::Line(line) => line,
            Typed::Interrupt if !again => {
                output.line("  press Ctrl-C again or Ctrl-D to exit");
                continue;
            }
            Typed::Interrupt | Typed::End => break,
        };
        match understand(&line) {
            Ok(Input::Quit) => break,
            Ok(Input::Help) => output.line(HELP),
            Ok(Input::To(jid)) => to = jid,
            Ok(input) => {
                if let Err(error) = act(alice, &to, input).await {
                    output.line(&format!("  {}", Escaped(error)));
                }
            }
            Err(fault) => output.line(&format!("  {}", Escaped(fault))),
        }
        settle(alice, &to).await?;
    }
    for component in &config.components {
        settle(alice, &component.jid.clone().into()).await?;
    }
    output.stop_printer().await;
    Ok(())
}

async fn act(alice: &User, to: &Jid, input: Input) -> Result<(), UserError> {
    match input {
        Input::Say(body) => alice.say(to.as_str(), &body).await,
        Input::Iq { namespace, name } => get(alice, to, &name, &namespace).await,
        Input::Disco(jid) => {
            let to = jid.as_ref().unwrap_or(to);
            get(alice, to, "query", describe::INFO).await?;
            get(alice, to, "query", describe::ITEMS).await
        }
        Input::Presence(kind) => {
            alice
                .send(Stanza::new(Kind::Presence(kind)).with_to(to.clone()))
                .await
        }
        Input::Raw(xml) => alice.send(xml).await,
        Input::Nothing | Input::To(_) | Input::Help | Input::Quit => Ok(()),
    }
}

async fn get(alice: &User, to: &Jid, name: &str, namespace: &str) -> Result<(), UserError> {
    let payload = Element::builder(name, namespace).build();
    let request = Stanza::iq_get(to.clone(), &payload).map_err(UserError::Write)?;
    alice.send(request.with_id(fresh_id("a"))).await
}

/// Waits until everything sent so far has been answered.
///
/// Stanzas between two addresses are handled in order, so the reply to a ping comes last. The ping
/// is not shown.
async fn settle(alice: &User, to: &Jid) -> Result<(), BoxError> {
    if to.to_bare().as_str() == ALICE {
        // alice would have to answer herself.
        return Ok(());
    }
    let payload = Element::builder("ping", describe::PING).build();
    let ping = Stanza::iq_get(to.clone(), &payload)?.with_id(fresh_id(HIDDEN));
    match timeout(TIMEOUT, alice.request(ping)).await {
        Ok(answer) => answer.map(drop).map_err(Into::into),
        // The recipient may not answer pings.
        Err(_) => Ok(()),
    }
}

/// Parses one line.
fn understand(line: &str) -> Result<Input, String> {
    let line = line.trim();
    let Some(command) = line.strip_prefix('/').filter(|rest| !rest.starts_with('/')) else {
        let text = line.strip_prefix('/').unwrap_or(line);
        return Ok(if text.is_empty() {
            Input::Nothing
        } else {
            Input::Say(text.to_owned())
        });
    };
    let (command, rest) = command
        .split_once(char::is_whitespace)
        .unwrap_or((command, ""));
    let rest = rest.trim();
    match command {
        "to" => jid(rest).map(Input::To),
        "iq" => iq(rest),
        "disco" if rest.is_empty() => Ok(Input::Disco(None)),
        "disco" => jid(rest).map(|jid| Input::Disco(Some(jid))),
        "presence" => presence(rest).map(Input::Presence),
        "raw" if rest.is_empty() => {
            Err("add a stanza: /raw <message to='…'>…</message>".to_owned())
        }
        "raw" => Ok(Input::Raw(rest.to_owned())),
        "help" | "?" => Ok(Input::Help),
        "quit" | "q" | "exit" => Ok(Input::Quit),
        other => Err(format!(
            "unknown command /{other}: type /help for a list of commands"
        )),
    }
}

fn jid(text: &str) -> Result<Jid, String> {
    Jid::new(text).map_err(|error| format!("{text:?} is not a JID: {error}"))
}

fn iq(rest: &str) -> Result<Input, String> {
    let mut words = rest.split_whitespace();
    let Some(namespace) = words.next() else {
        return Err("add a namespace: /iq jabber:iq:version".to_owned());
    };
    let usual = match namespace {
        describe::PING => "ping",
        describe::TIME => "time",
        _ => "query",
    };
    let name = words.next().unwrap_or(usual);
    if !name.starts_with(|c: char| c.is_ascii_alphabetic())
        || !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    {
        return Err(format!("{name:?} is not an element name"));
    }
    Ok(Input::Iq {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

fn presence(text: &str) -> Result<PresenceType, String> {
    match text {
        "" | "available" => Ok(PresenceType::Available),
        "unavailable" => Ok(PresenceType::Unavailable),
        "subscribe" => Ok(PresenceType::Subscribe),
        "subscribed" => Ok(PresenceType::Subscribed),
        "unsubscribe" => Ok(PresenceType::Unsubscribe),
        "unsubscribed" => Ok(PresenceType::Unsubscribed),
        "probe" => Ok(PresenceType::Probe),
        other => Err(format!("unknown presence type {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_parsed() {
        let iq = |namespace: &str, name: &str| Input::Iq {
            namespace: namespace.into(),
            name: name.into(),
        };
        for (line, input) in [
            ("  ", Input::Nothing),
            ("hello there", Input::Say("hello there".into())),
            (
                "//quit is a command",
                Input::Say("/quit is a command".into()),
            ),
            (
                "/to bob@localhost",
                Input::To(Jid::new("bob@localhost").unwrap()),
            ),
            ("/iq urn:xmpp:ping", iq("urn:xmpp:ping", "ping")),
            ("/iq jabber:iq:version", iq("jabber:iq:version", "query")),
            (
                "/iq urn:example:orders order",
                iq("urn:example:orders", "order"),
            ),
            ("/disco", Input::Disco(None)),
            (
                "/presence subscribe",
                Input::Presence(PresenceType::Subscribe),
            ),
            (
                "/raw <message to='a'/>",
                Input::Raw("<message to='a'/>".into()),
            ),
            ("/quit", Input::Quit),
        ] {
            assert_eq!(understand(line), Ok(input), "{line}");
        }
    }

    #[test]
    fn invalid_commands_are_explained() {
        for (line, error) in [
            (
                "/dance",
                "unknown command /dance: type /help for a list of commands",
            ),
            (
                "/to @",
                "\"@\" is not a JID: nodepart empty despite the presence of a @",
            ),
            ("/iq", "add a namespace: /iq jabber:iq:version"),
            ("/iq urn:x <y/>", "\"<y/>\" is not an element name"),
            ("/presence lost", "unknown presence type \"lost\""),
            ("/raw", "add a stanza: /raw <message to='…'>…</message>"),
        ] {
            assert_eq!(understand(line), Err(error.to_owned()), "{line}");
        }
    }
}
