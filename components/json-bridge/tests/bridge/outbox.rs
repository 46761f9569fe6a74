//! The outbox: restarts, dead letters and quotas.

use std::time::Duration;

use campanile::error::{Condition, StanzaError};
use campanile_json_bridge::{Admin, Settings};

use crate::setup::{Folder, Hook, bot, mounted, until, webhook};

const MESSAGE: &str =
    "<message type='chat' id='m' to='bot@bridge.localhost'><body>x</body></message>";

#[tokio::test]
async fn queued_messages_are_delivered_after_restart_with_same_id() {
    let folder = Folder::new("restart");
    let (hook, address) = Hook::start(&[(500, "")]).await;
    let settings = Settings {
        bots: vec![bot(Some(webhook(address)))],
        outbox: Some(folder.file("outbox.db")),
        ..Settings::default()
    };
    let (first, _) = mounted(settings.clone()).await;
    let alice = first.user("alice@localhost/phone");
    alice.send(MESSAGE).await.unwrap();
    alice
        .send(MESSAGE.replace("'m'", "'n'").as_str())
        .await
        .unwrap();
    hook.got(1).await;
    let admin = Admin::open(&folder.file("outbox.db")).unwrap();
    until(|| admin.list(10).unwrap().len() == 2).await;
    drop((alice, first));
    let (_second, bridge) = mounted(settings).await;
    until(|| bridge.snapshot().delivered == 2).await;
    let got = hook.got(3).await;
    let ids: Vec<_> = got
        .iter()
        .map(|got| got.json()["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!((ids[0].as_str(), ids.last().unwrap().as_str()), ("m", "n"));
    assert!(
        got[1..got.len() - 1]
            .iter()
            .all(|again| again.header("webhook-id") == got[0].header("webhook-id"))
    );
    until(|| admin.list(10).unwrap().is_empty()).await;
}

#[tokio::test]
async fn dead_letters_can_be_listed_replayed_and_dropped_while_bridge_runs() {
    let folder = Folder::new("dead");
    let (hook, address) = Hook::start(&[(503, ""); 4]).await;
    let settings = Settings {
        bots: vec![bot(Some(webhook(address)))],
        outbox: Some(folder.file("outbox.db")),
        max_age: Duration::from_millis(100),
        ..Settings::default()
    };
    let (mounted, bridge) = mounted(settings).await;
    let alice = mounted.user("alice@localhost/phone");
    for _ in 0..2 {
        alice.send(MESSAGE).await.unwrap();
        // The sender gets an error only now.
        assert_eq!(
            StanzaError::from_stanza(&alice.recv().await.unwrap()).condition(),
            Condition::ServiceUnavailable
        );
    }
    let admin = Admin::open(&folder.file("outbox.db")).unwrap();
    until(|| {
        admin
            .list(10)
            .unwrap()
            .iter()
            .filter(|entry| entry.dead)
            .count()
            == 2
    })
    .await;
    let dead = admin.list(10).unwrap();
    assert_eq!((&*dead[0].bot, &*dead[0].peer), ("bot", "alice@localhost"));
    assert!(dead[0].why.as_deref().unwrap().contains("503"), "{dead:?}");
    assert_eq!((dead[0].attempts, dead[0].next_attempt), (2, None));
    assert_eq!(admin.drop(Some(dead[1].seq)).unwrap(), 1);
    assert_eq!(admin.replay(None).unwrap(), 1);
    // Two attempts for each message, the second at the end of `max_age`.
    let got = hook.got(5).await;
    assert_eq!(got[4].header("webhook-id"), dead[0].id);
    until(|| bridge.snapshot().delivered == 1 && admin.list(10).unwrap().is_empty()).await;
    assert!(Admin::open(&folder.file("none.db")).is_err());
}

#[tokio::test]
async fn removed_outbox_rejects_messages() {
    let folder = Folder::new("removed");
    let (hook, address) = Hook::start(&[]).await;
    let settings = Settings {
        bots: vec![bot(Some(webhook(address)))],
        outbox: Some(folder.file("outbox.db")),
        ..Settings::default()
    };
    let (mounted, _bridge) = mounted(settings).await;
    let alice = mounted.user("alice@localhost/phone");
    alice.send(MESSAGE).await.unwrap();
    hook.got(1).await;
    for end in ["", "-wal", "-shm"] {
        std::fs::remove_file(folder.file(&format!("outbox.db{end}"))).unwrap();
    }
    alice.send(MESSAGE).await.unwrap();
    let reply = alice.recv().await.unwrap();
    assert!(reply.kind().is_error(), "{reply:?}");
    assert_eq!(hook.count(), 1);
}

#[tokio::test]
async fn full_queue_rejects_with_resource_constraint() {
    for (max_waiting, max_waiting_bytes) in [(1, 1_000_000), (1000, 400)] {
        let (hook, address) = Hook::start(&[(500, "")]).await;
        let bots = vec![bot(Some(webhook(address)))];
        let settings = Settings {
            bots,
            max_waiting,
            max_waiting_bytes,
            ..Settings::default()
        };
        let (mounted, bridge) = mounted(settings).await;
        let alice = mounted.user("alice@localhost/phone");
        alice.send(MESSAGE).await.unwrap();
        hook.got(1).await;
        assert!(bridge.waiting() == 1 && bridge.waiting_bytes() > MESSAGE.len());
        alice.send(MESSAGE).await.unwrap();
        assert_eq!(
            StanzaError::from_stanza(&alice.recv().await.unwrap()).condition(),
            Condition::ResourceConstraint
        );
        assert_eq!(bridge.snapshot().turned_away, 1);
        until(|| bridge.waiting() == 0 && bridge.waiting_bytes() == 0).await;
    }
}

#[tokio::test]
async fn one_sender_is_limited_to_a_quarter_of_the_quota() {
    let (hook, address) = Hook::start(&[(500, ""), (500, ""), (500, "")]).await;
    let settings = Settings {
        bots: vec![bot(Some(webhook(address)))],
        max_waiting: 8,
        ..Settings::default()
    };
    let (mounted, bridge) = mounted(settings).await;
    let alice = mounted.user("alice@localhost/phone");
    let bob = mounted.user("bob@localhost/phone");
    for _ in 0..3 {
        alice.send(MESSAGE).await.unwrap();
    }
    assert_eq!(
        StanzaError::from_stanza(&alice.recv().await.unwrap()).condition(),
        Condition::ResourceConstraint
    );
    bob.send(MESSAGE).await.unwrap();
    until(|| bridge.snapshot().delivered == 3).await;
    assert!(
        hook.got(4)
            .await
            .iter()
            .any(|got| got.json()["from"] == "bob@localhost/phone")
    );
}

#[tokio::test]
async fn slow_bot_does_not_delay_other_bots() {
    let (slow, slow_address) = Hook::hanging().await;
    let (quick, quick_address) = Hook::start(&[]).await;
    let other = campanile_json_bridge::Bot {
        localpart: Some("quick".into()),
        token: None,
        ..bot(Some(webhook(quick_address)))
    };
    let bots = vec![bot(Some(webhook(slow_address))), other];
    let (mounted, bridge) = mounted(Settings {
        bots,
        ..Settings::default()
    })
    .await;
    let users: Vec<_> = (0..100)
        .map(|user| mounted.user(&format!("u{user}@localhost/x")))
        .collect();
    for user in &users {
        user.send(MESSAGE).await.unwrap();
        user.send(MESSAGE.replace("bot@", "quick@").as_str())
            .await
            .unwrap();
    }
    // The slow bot has the maximum number of concurrent attempts, all without a response.
    quick.got(100).await;
    slow.got(64).await;
    until(|| bridge.waiting() == 100).await;
    assert_eq!(slow.count(), 64);
    slow.release();
    slow.got(100).await;
    until(|| bridge.waiting() == 0).await;
}

#[tokio::test]
async fn waiting_message_shows_reason_attempts_and_next_attempt() {
    let folder = Folder::new("waiting");
    let failed = crate::setup::Response::json(503, "").header("retry-after", "3600");
    let (_hook, address) = Hook::start_with([failed]).await;
    let settings = Settings {
        bots: vec![bot(Some(webhook(address)))],
        outbox: Some(folder.file("outbox.db")),
        max_age: Duration::from_secs(600),
        ..Settings::default()
    };
    let (mounted, _bridge) = mounted(settings).await;
    mounted
        .user("alice@localhost/phone")
        .send(MESSAGE)
        .await
        .unwrap();
    let admin = Admin::open(&folder.file("outbox.db")).unwrap();
    let listed = || admin.list(1).unwrap().pop();
    until(|| listed().is_some_and(|entry| entry.attempts == 1)).await;
    let entry = listed().unwrap();
    let pause = entry.next_attempt.unwrap() - entry.received;
    assert!((590_000..=601_000).contains(&pause), "{pause}");
    assert!(!entry.dead && entry.why.unwrap().contains("503"));
}
