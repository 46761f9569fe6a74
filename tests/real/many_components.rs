//! Many components in one daemon.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use campanile_tests::setup::SECRET;
use campanile_tests::{Daemon, Ejabberd, daemon, wait};

use crate::support::{log_is, setup_for};

const COUNT: usize = 200;
const SOON: Duration = Duration::from_secs(60);

/// With ejabberd's default backlog of five, some connections look established but are silent for
/// seconds. With the default limits all components still connect in time, initially and after a
/// server restart.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn components_connect_with_default_ejabberd_backlog() {
    let jids: Vec<String> = (0..COUNT)
        .map(|number| format!("c{number}.localhost"))
        .collect();
    let mut server = Ejabberd::start(&setup_for(&jids).default_backlog()).await;
    let server_table = format!("[server]\naddress = \"{}\"\n", server.component_address());
    let tables = jids.iter().map(|jid| {
        format!("[[component]]\njid = \"{jid}\"\nsecret = \"{SECRET}\"\n[component.echo]\n")
    });
    // Builds the daemon before the measurement.
    daemon::binary();
    let start = Instant::now();
    let mut daemon = Daemon::start(&(server_table + &tables.collect::<String>()));
    up(&daemon, &jids, 0, start, "from the start").await;
    let before = daemon.output().lines().len();
    server.stop().await;
    server.start_again().await;
    up(
        &daemon,
        &jids,
        before,
        Instant::now(),
        "from the end of the server's restart",
    )
    .await;
    assert!(daemon.stop().await.success());
}

/// Waits until each component has logged its connection after line `before` of the log.
async fn up(daemon: &Daemon, jids: &[String], before: usize, since: Instant, what: &str) {
    let mut missing: BTreeSet<&str> = jids.iter().map(String::as_str).collect();
    let mut read = before;
    let all = wait::until("all of them", SOON, async || {
        let lines = daemon.output().lines();
        for line in lines
            .iter()
            .skip(read)
            .filter_map(|line| serde_json::from_str(line).ok())
        {
            missing.retain(|jid| {
                !log_is(&line, "mounted", jid) && !log_is(&line, "mounted again", jid)
            });
        }
        read = lines.len();
        missing.is_empty().then_some(())
    });
    let all = all.await;
    eprintln!("{COUNT} components up after {:?} {what}", since.elapsed());
    assert!(
        all.is_ok() && since.elapsed() < SOON,
        "not connected: {missing:?}\n{}",
        daemon.output().tail()
    );
}
