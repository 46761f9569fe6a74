//! Tests with many virtual users.

use std::sync::atomic::{AtomicUsize, Ordering};

use std::sync::Arc;
use std::time::Duration;

use campanile::error::{BoxError, Condition};
use campanile::reply::Reply;
use campanile::xmpp_parsers::version::VersionResult;
use campanile_testing as testing;
use campanile_testing::host::User;
use tokio::time::Instant;

use super::*;
use crate::survey::{ANSWER_TIMEOUT, AT_A_TIME};

const SERVICE: &str = "census.localhost";
const CROWD: usize = 60;

/// Number of pending requests, now and at most.
#[derive(Debug, Default)]
struct Asked {
    now: AtomicUsize,
    most: AtomicUsize,
}

/// Replies after a second. Every tenth user never replies, and every tenth replies with an error.
async fn virtual_user(user: User, number: usize, asked: Arc<Asked>) -> Result<(), BoxError> {
    user.send(format!("<presence to='{SERVICE}'/>")).await?;
    let request = user
        .recv_where(|stanza| stanza.kind().is_request())
        .await
        .ok_or("the host is closed")?;
    asked.most.fetch_max(
        asked.now.fetch_add(1, Ordering::SeqCst) + 1,
        Ordering::SeqCst,
    );
    let silent = number % 10 == 3;
    tokio::time::sleep(Duration::from_secs(1)).await;
    asked.now.fetch_sub(1, Ordering::SeqCst);
    if silent {
        return Ok(());
    }
    let version = VersionResult {
        name: "tin can".into(),
        version: number.to_string(),
        os: None,
    };
    let reply = match number % 10 {
        7 => Reply::Error(Condition::ServiceUnavailable.into()),
        _ => Reply::payload(&version)?,
    };
    user.answer(&request, reply).await?;
    // Stays online until the end, so that the server does not answer in its place.
    user.recv().await;
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn survey_limits_concurrency_and_pages_results() -> Result<(), BoxError> {
    let bot = testing::mount(SERVICE, |bot| bot.router(app())).await;
    let asked = Arc::new(Asked::default());
    for number in 0..CROWD {
        let user = bot.user(&format!("user{number:02}@localhost/can"));
        tokio::spawn(virtual_user(user, number, Arc::clone(&asked)));
    }
    bot.counted(|stats| stats.taken == CROWD as u64).await;

    let alice = bot.user("alice@localhost");
    let began = Instant::now();
    alice.say(SERVICE, "!ask").await?;
    alice
        .expect("<message type='chat'><body>Asking 60 users.</body></message>")
        .await;
    alice.say(SERVICE, "!ask").await?;
    alice
        .expect("<message type='chat'><body>A survey is already running.</body></message>")
        .await;
    alice
        .expect("<message type='chat'><body>48 of 60 users replied.</body></message>")
        .await;
    assert_eq!(asked.most.load(Ordering::SeqCst), AT_A_TIME);
    let took = began.elapsed();
    assert!(
        took < 4 * ANSWER_TIMEOUT,
        "sequential requests would take more than a minute: {took:?}"
    );

    let mut read = Vec::new();
    let mut set = "<max>25</max>".to_owned();
    for items in [25, 25, 10] {
        let page = alice.request(request(&set)).await?.to_xml();
        let answers: Vec<_> = page.split("<answer ").skip(1).map(str::to_owned).collect();
        assert_eq!(answers.len(), items, "{page}");
        let last = page
            .split_once("<last>")
            .and_then(|(_, rest)| rest.split_once("</last>"))
            .ok_or("no last")?
            .0;
        assert!(page.contains("<count>60</count>"), "{page}");
        set = format!("<max>25</max><after>{last}</after>");
        read.extend(answers);
    }
    for (number, wanted) in [
        (2, "jid='user02@localhost/can' software='tin can 2'"),
        (
            3,
            "jid='user03@localhost/can' failure='no response within the timeout'",
        ),
        (
            7,
            "jid='user07@localhost/can' failure='service-unavailable'",
        ),
        (59, "jid='user59@localhost/can' software='tin can 59'"),
    ] {
        assert!(read[number].starts_with(wanted), "{}", read[number]);
    }
    alice
        .ask_error(
            &request("<after>unknown@localhost</after>"),
            Condition::ItemNotFound,
        )
        .await;
    Ok(())
}

fn request(set: &str) -> String {
    let set = format!("<set xmlns='http://jabber.org/protocol/rsm'>{set}</set>");
    format!(
        "<iq type='get' to='{SERVICE}'><results xmlns='urn:example:census'>{set}</results></iq>"
    )
}

#[tokio::test(start_paused = true)]
async fn survey_skips_unavailable_users() -> Result<(), BoxError> {
    let bot = testing::mount(SERVICE, |bot| bot.router(app())).await;
    let alice = bot.user("alice@localhost");
    let bob = bot.user("bob@localhost");
    for kind in ["", " type='unavailable'"] {
        bob.send(format!("<presence to='{SERVICE}'{kind}/>"))
            .await?;
    }
    bot.counted(|stats| stats.taken == 2).await;
    alice.say(SERVICE, "!ask").await?;
    alice
        .expect("<message type='chat'><body>Asking 0 users.</body></message>")
        .await;
    alice
        .expect("<message type='chat'><body>0 of 0 users replied.</body></message>")
        .await;
    let empty = "<iq type='result'><results xmlns='urn:example:census'>\
        <set xmlns='http://jabber.org/protocol/rsm'><count>0</count></set></results></iq>";
    alice.ask(&request(""), empty).await;
    Ok(())
}
