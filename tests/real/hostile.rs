//! Hostile stanzas: the stream stays open, and each stanza gets the expected reply.

use std::collections::BTreeMap;

use campanile_tests::hostile::{Generator, Hostile, Origin, Outcome, OutcomeCounts, shape};
use campanile_tests::tree::{self, Tree};
use campanile_tests::{Daemon, Ejabberd, Kind, RawServer, Server, SlixmppClient, on_both};

use crate::support::{component, components, mounted, setup};

const ECHO: &str = "echo.localhost";
const COUNT: usize = 10_000;
/// Number of stanzas in flight.
const BLOCK: usize = 250;
/// Size of the message after each block, in both directions: more than a server reads at once.
const PUSH: usize = 32 * 1024;

/// Expected replies to a block of stanzas, and unexpected ones.
#[derive(Default)]
struct Expectations {
    open: BTreeMap<String, Vec<String>>,
    due: usize,
    surplus: Vec<String>,
}

impl Expectations {
    fn expect(&mut self, stanza: &Hostile) {
        if let Some(answer) = stanza.outcome.answer() {
            self.open
                .entry(answer.to_owned())
                .or_default()
                .push(stanza.xml.clone());
            self.due += 1;
        }
    }

    fn receive(&mut self, answer: &Tree, origin: Origin) {
        let shape = shape(answer, origin);
        self.due = self.due.saturating_sub(1);
        match self.open.get_mut(&shape).and_then(Vec::pop) {
            Some(_) => self.open.retain(|_, open| !open.is_empty()),
            None => self.surplus.push(shape),
        }
    }

    fn assert_met(&self, what: &str) {
        let short = |text: &str| text.chars().take(700).collect::<String>();
        let surplus: Vec<_> = self.surplus.iter().map(|shape| short(shape)).collect();
        let open: Vec<_> = self
            .open
            .iter()
            .map(|(shape, xml)| (short(shape), short(&xml[0])))
            .collect();
        assert!(
            surplus.is_empty() && open.is_empty(),
            "{what}: unexpected: {surplus:#?}\nmissing: {open:#?}"
        );
    }
}

/// Writes the stanzas and waits for the expected reply to each.
async fn exchange(alice: &mut SlixmppClient, stanzas: &[Hostile]) {
    let mut expected = Expectations::default();
    stanzas.iter().for_each(|stanza| expected.expect(stanza));
    let all: String = stanzas.iter().map(|stanza| stanza.xml.as_str()).collect();
    alice.raw(&all).await;
    // The servers' parser may defer a long tag that arrived in pieces, and all input after it,
    // until twice as much is buffered (expat since CVE-2023-52425; Debian's since 2.5.0-1+deb12u2).
    let fence = alice
        .message(
            ECHO,
            &format!("and now {} {}", stanzas.len(), "x".repeat(PUSH)),
        )
        .await;
    let mut fenced = false;
    while expected.due > 0 || !fenced {
        let Some(next) = alice
            .next_within(campanile_tests::wait::TIMEOUT, |_| true)
            .await
        else {
            break;
        };
        let answer = tree::read(&next.xml);
        if answer.attribute("id") == fence {
            fenced = true;
        } else if answer.is_from(ECHO) {
            expected.receive(&answer, Origin::Client);
        }
    }
    expected.assert_met("a block of stanzas");
    assert!(fenced, "no echo after a block of stanzas");
}

/// Adjusts the expected outcome: stanzas that a server rejects itself are answered by it, the
/// others by the component.
fn as_on(kind: Kind, mut stanza: Hostile) -> Hostile {
    let seen = tree::read(&stanza.xml);
    let id = seen.attribute("id");
    let to = seen.attribute("to");
    let refused = |from: &str| {
        Outcome::BadRequest(format!(
            "{} error {id:?} from {from} bad-request",
            seen.name
        ))
    };
    match (kind, seen.name.as_str()) {
        // Prosody rejects an IQ without id, even a result.
        (Kind::Prosody, "iq")
            if !stanza.xml.contains(" id=") && seen.attribute("type") != "error" =>
        {
            stanza.outcome = refused(to);
        }
        // Prosody rejects an unknown presence type on behalf of the bare JID.
        (Kind::Prosody, "presence") if stanza.outcome != Outcome::Skipped => {
            stanza.outcome = refused(to.split('/').next().unwrap_or_default());
        }
        // ejabberd rejects invalid values of `<show/>` and `<priority/>`.
        (Kind::Ejabberd, "presence")
            if ["<show>busy", "<priority>high"]
                .iter()
                .any(|it| stanza.xml.contains(it)) =>
        {
            stanza.outcome = refused(to);
        }
        _ => {}
    }
    stanza
}

/// Stanzas that make libraries with strict parsing close the stream.
async fn malformed_stanzas_are_answered(server: Server) {
    let mut daemon = Daemon::start(&components(&server.component_address()));
    mounted(&mut daemon, ECHO).await;
    let mut alice = SlixmppClient::login(&server, "alice").await;
    let bad_request = |kind: &str, id: &str| {
        Outcome::BadRequest(format!("{kind} error {id:?} from {ECHO} bad-request"))
    };
    let weird = Outcome::Accepted(format!("message normal \"h4\" from {ECHO} <body>\"weird\""));
    for (xml, outcome) in [
        (
            "<iq type='error' to='echo.localhost' id='h1'/>",
            Outcome::Skipped,
        ),
        (
            "<iq type='get' to='echo.localhost' id='h2'/>",
            bad_request("iq", "h2"),
        ),
        (
            "<iq type='get' to='echo.localhost'><ping xmlns='urn:xmpp:ping'/></iq>",
            bad_request("iq", ""),
        ),
        (
            "<message type='weird' to='echo.localhost' id='h4'><body>weird</body></message>",
            weird,
        ),
        (
            "<presence to='echo.localhost' id='h5'><show>busy</show></presence>",
            Outcome::Skipped,
        ),
        (
            "<presence to='echo.localhost' id='h6'><show/></presence>",
            Outcome::Skipped,
        ),
        (
            "<presence to='echo.localhost' id='h7'><priority>200</priority></presence>",
            Outcome::Skipped,
        ),
        (
            "<presence type='invisible' to='echo.localhost' id='h8'/>",
            bad_request("presence", "h8"),
        ),
    ] {
        let stanza = as_on(
            server.kind(),
            Hostile {
                xml: xml.to_owned(),
                outcome,
            },
        );
        exchange(&mut alice, &[stanza]).await;
    }
    assert!(daemon.stop().await.success());
}
on_both!(malformed_stanzas_are_answered, setup());

async fn daemon_survives_hostile_client(server: Server) {
    let mut daemon = Daemon::start(&components(&server.component_address()));
    mounted(&mut daemon, ECHO).await;
    let mut alice = SlixmppClient::login(&server, "alice").await;
    let mut counts = OutcomeCounts::default();
    let stanzas = Generator::new(2, Origin::Client, ECHO)
        .take(COUNT)
        .map(|stanza| as_on(server.kind(), stanza));
    let stanzas: Vec<_> = stanzas
        .inspect(|stanza| counts.count(&stanza.outcome))
        .collect();
    for block in stanzas.chunks(BLOCK) {
        exchange(&mut alice, block).await;
    }
    counts.report(&format!("a client of {:?}", server.kind()));
    assert!(daemon.stop().await.success());
}
on_both!(daemon_survives_hostile_client, setup());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn daemon_survives_hostile_server() {
    let server = RawServer::listen().await;
    let mut daemon = Daemon::start(&component(ECHO, &server.address(), "[component.echo]"));
    let mut component = server.accept().await;
    let mut counts = OutcomeCounts::default();
    let stanzas: Vec<_> = Generator::new(2, Origin::Component, ECHO)
        .take(COUNT)
        .collect();
    for block in stanzas.chunks(BLOCK) {
        let mut expected = Expectations::default();
        for stanza in block {
            counts.count(&stanza.outcome);
            expected.expect(stanza);
            component.write(&stanza.xml).await;
        }
        while expected.due > 0 {
            let Ok(answer) = component.next_within(campanile_tests::wait::TIMEOUT).await else {
                break;
            };
            expected.receive(&answer.expect("the stream is open"), Origin::Component);
        }
        expected.assert_met("a block of stanzas");
    }
    component
        .write(&format!(
            "<message from='a@localhost/r' to='{ECHO}' id='last'><body>last</body></message>"
        ))
        .await;
    assert_eq!(
        component
            .next()
            .await
            .map(|echo| echo.attribute("id").to_owned())
            .as_deref(),
        Some("last")
    );
    assert!(daemon.stop().await.success());
    assert_eq!(component.next().await, None, "no further stanzas");
    counts.report("a server");
}

/// A stanza of twenty megabytes, which ejabberd does not limit, is rejected without being buffered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oversized_stanza_is_rejected_without_buffering() {
    let server = Ejabberd::start(&setup()).await;
    let mut daemon = Daemon::start(&components(&server.component_address()));
    mounted(&mut daemon, ECHO).await;
    let mut alice = SlixmppClient::login(&server, "alice").await;
    alice.message(ECHO, "before").await;
    alice.message_from(ECHO).await;
    let (_, before) = daemon.process().resident().unwrap();
    let text = "<x>hello there, </x>".repeat(1024 * 1024);
    for (id, stanza) in [
        (
            "iq",
            format!(
                "<iq type='set' id='iq' to='{ECHO}'><data xmlns='MY-FORMAT-NS'>{text}</data></iq>"
            ),
        ),
        (
            "chat",
            format!(
                "<message type='chat' id='chat' to='{ECHO}'><data \
                xmlns='MY-FORMAT-NS'>{text}</data></message>"
            ),
        ),
    ] {
        alice.raw(&stanza).await;
        let answer = alice
            .next("the answer to a large stanza", |it| it.attr("id") == id)
            .await;
        assert_eq!(
            answer.error().as_deref(),
            Some("modify/policy-violation"),
            "{}",
            answer.xml
        );
        alice.message(ECHO, id).await;
        assert_eq!(alice.message_from(ECHO).await.body().as_deref(), Some(id));
    }
    let (_, after) = daemon.process().resident().unwrap();
    eprintln!("peak memory before and after two stanzas of 20 MB: {before} KiB, {after} KiB");
    assert!(
        after <= before + 4 * 1024,
        "{before} KiB before, {after} KiB after"
    );
    assert!(daemon.stop().await.success());
}
