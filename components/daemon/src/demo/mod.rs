//! `campanile demo`: every component on a server within the process, and alice@localhost who speaks to each.

mod prompt;
mod scenes;
mod screen;
mod words;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use campanile::error::BoxError;
use campanile::host::Host;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::screen::Screen;
use crate::cli::{Demo, LogFormat};
use crate::config::{Config, Source};
use crate::exit::Exit;
use crate::{log, mount, report};

/// Whom the demo is seen through.
const ALICE: &str = "alice@localhost";
/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// Plays the demo, or gives a prompt.
pub(crate) fn demo(options: &Demo, format: LogFormat) -> Exit {
    let config = match Config::parse(&Source::built_in("demo.toml", include_str!("demo.toml"))) {
        Ok(config) => config,
        Err(failure) => return report::failure(&failure, format),
    };
    crate::runtime(format, async {
        match play(&config, options).await {
            Ok(()) => Exit::Done,
            Err(error) => {
                report::line(&format!("the demo failed: {}", report::chain(&*error)), format);
                Exit::Fault
            }
        }
    })
}

async fn play(config: &Config, options: &Demo) -> Result<(), BoxError> {
    let screen = Arc::new(Screen::new(options.xml, log::colours(&io::stdout())));
    let observer = Arc::clone(&screen);
    let host = Host::builder().secret("demo").observer(move |stanza| observer.stanza(stanza)).build();
    let stop = watch::Sender::new(false);
    let mut running = JoinSet::new();
    for settings in &config.components {
        let component = mount::builder(settings).connector(host.connector()).build()?;
        let mut stop = stop.subscribe();
        running.spawn(component.run_until(async move {
            // An error means that the sender is gone, which is a stop as well.
            let _ = stop.wait_for(|stop| *stop).await;
        }));
        let mounted = timeout(PATIENCE, host.mounted(settings.jid.as_str())).await;
        mounted.map_err(|_| format!("{} was not mounted in time", settings.jid))?;
    }
    let alice = host.user(ALICE)?;
    if options.interactive {
        prompt::converse(&alice, &screen, config).await?;
    } else {
        scenes::play(&alice, &screen, config).await?;
    }
    drop(alice);
    stop.send_replace(true);
    while let Some(ended) = running.join_next().await {
        ended??;
    }
    host.close().await;
    Ok(())
}

/// An id that was not used yet.
fn fresh_id(begins: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{begins}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
