//! `campanile demo`: every component on an embedded server, and alice@localhost, who talks to each.

mod adhoc;
mod describe;
mod editor;
mod folder;
mod lines;
mod listen;
mod output;
mod prompt;
mod script;
mod web_bot;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use campanile::component::RunError;
use campanile::error::BoxError;
use campanile::jid::BareJid;
use campanile::presence::{MemoryStore, Roster};
use campanile_testing::host::Host;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::adhoc::AdhocCommands;
use self::folder::Folder;
use self::listen::ClientListener;
use self::output::Output;
use self::web_bot::WebBot;
use crate::cli::Demo;
use crate::config::{Config, Source};
use crate::exit::Exit;
use crate::log::{self, LogFormat};
use crate::{build, diagnostics, runtime};

/// The user of the demo.
const ALICE: &str = "alice@localhost";
/// Users that may log in with a client.
const PEOPLE: [&str; 2] = ["alice", "bob"];
/// Timeout for each step, far longer than any should take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Runs the scripted demo, the prompt, or the server for clients.
pub(crate) fn demo(options: &Demo, format: LogFormat) -> Exit {
    let bot = match WebBot::bind() {
        Ok(bot) => bot,
        Err(error) => {
            diagnostics::line(
                &format!("no free loopback port for the webhook of the demo: {error}"),
                format,
            );
            return Exit::Machine;
        }
    };
    let folder = match Folder::create() {
        Ok(folder) => folder,
        Err(error) => {
            diagnostics::line(
                &format!("cannot create a folder for the archive of the demo: {error}"),
                format,
            );
            return Exit::Machine;
        }
    };
    let text = include_str!("demo.toml")
        .replace("HANDLER", &bot.address().to_string())
        .replace("FOLDER", &folder.path().to_string_lossy());
    let config = match Config::parse(&Source::built_in("demo.toml", &text)) {
        Ok(config) => config,
        Err(failure) => return diagnostics::failure(&failure, format),
    };
    runtime::block_on(format, async {
        match play(&config, options, bot).await {
            Ok(()) => Exit::Done,
            Err(error) if error.is::<Refused>() => {
                diagnostics::line(&error.to_string(), format);
                Exit::Machine
            }
            Err(error) => {
                diagnostics::line(
                    &format!("the demo failed: {}", diagnostics::chain(&*error)),
                    format,
                );
                Exit::Fault
            }
        }
    })
}

/// A system error, such as a port in use.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

async fn play(config: &Config, options: &Demo, bot: WebBot) -> Result<(), BoxError> {
    let output = Arc::new(Output::new(options.xml, log::colors(&io::stdout())));
    let serving = tokio::spawn(bot.serve(Arc::clone(&output)));
    let observer = Arc::clone(&output);
    let builder = Host::builder()
        .secret("demo")
        .observer(move |stanza| observer.stanza(stanza));
    let clients = options.listen.map(ClientListener::new);
    let host = match &clients {
        Some(clients) => clients.accounts(builder).build(),
        None => builder.build(),
    };
    let stop = watch::Sender::new(false);
    let running = mount(config, &host, &stop).await?;
    let listening = clients.is_some();
    if let Some(clients) = clients {
        clients.open(&host, &output, config).await?;
    }
    if options.interactive {
        prompt::converse(&host.user(ALICE)?, &output, config).await?;
    } else if listening {
        listen::watch(&output).await?;
    } else {
        script::play(&host.user(ALICE)?, &output, config).await?;
    }
    stop.send_replace(true);
    for ended in running.join_all().await {
        ended?;
    }
    host.close().await;
    serving.abort();
    output.check()
}

/// Starts the components, with presence and ad-hoc commands added.
async fn mount(
    config: &Config,
    host: &Host,
    stop: &watch::Sender<bool>,
) -> Result<JoinSet<Result<(), RunError>>, BoxError> {
    let mut running = JoinSet::new();
    for settings in &config.components {
        let mut builder = build::builder(settings)?;
        // An archive has commands of its own.
        if settings.logger.is_none() {
            builder = builder.module(AdhocCommands);
        }
        if settings.presence.is_none() {
            builder = builder.module(
                Roster::builder(MemoryStore::new())
                    .directory(|_: &BareJid| true)
                    .build(),
            );
        }
        let component = builder.connector(host.connector()).build()?;
        let mut stop = stop.subscribe();
        running.spawn(component.run_until(async move {
            // An error means that the sender was dropped, which is a stop as well.
            let _ = stop.wait_for(|stop| *stop).await;
        }));
        let mounted = timeout(TIMEOUT, host.mounted(settings.jid.as_str())).await;
        mounted.map_err(|_| format!("{} was not mounted in time", settings.jid))?;
    }
    Ok(running)
}

/// Returns 128 random bits from the system, obtained through the keys of hash tables.
fn random() -> String {
    let word = || RandomState::new().hash_one("demo");
    format!("{:016x}{:016x}", word(), word())
}

/// Returns a new id.
fn fresh_id(begins: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{begins}{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
