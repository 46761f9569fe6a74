//! `campanile check`: every fault at once.

use std::fmt::Write as _;
use std::io;

use crate::cli::{Check, LogFormat};
use crate::config::{Component, Config, Source};
use crate::connect::{self, Outcome};
use crate::escape::Escaped;
use crate::exit::Exit;
use crate::{mount, report, say};

/// Reads the configuration and says what is wrong with it.
pub(crate) fn check(options: &Check) -> Exit {
    let config = match Source::read(options.file.config.as_deref()).and_then(|source| Config::parse(&source)) {
        Ok(config) => config,
        // Findings are for people here, whatever the log looks like.
        Err(failure) => return report::failure(&failure, LogFormat::Text),
    };
    say(io::stderr(), &report::list(&config.warnings, "warning: "), Exit::Done);
    if let Err(why) = buildable(&config) {
        report::line(&why, LogFormat::Text);
        return Exit::Config;
    }
    let said = say(io::stdout(), &overview(&config), Exit::Done);
    if options.connect && said == Exit::Done {
        return crate::runtime(LogFormat::Text, async { answers(&connect::connect(&config.components).await) });
    }
    said
}

/// Whether everything can stand side by side on each JID.
fn buildable(config: &Config) -> Result<(), String> {
    for settings in &config.components {
        mount::component(settings).map_err(|error| mount::explain(&settings.jid, &error))?;
    }
    Ok(())
}

fn overview(config: &Config) -> String {
    let mut text = format!("{} has no faults\n", Escaped(&config.name));
    for component in &config.components {
        let Component { jid, address, tls, .. } = component;
        let link = match tls {
            Some(_) => " over TLS",
            None if address.is_local() => "",
            None => " WITHOUT ENCRYPTION",
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "{jid} on {}{link}: {}", Escaped(address), component.mounted());
    }
    text
}

/// Shows what each server answered.
fn answers(outcomes: &[(campanile::jid::BareJid, Outcome)]) -> Exit {
    let (mut text, mut exit) = (String::new(), Exit::Done);
    for (jid, outcome) in outcomes {
        let _ = match outcome {
            Outcome::Mounted => writeln!(text, "{jid}: mounted, and left again"),
            Outcome::Running(why) => writeln!(text, "{jid}: not tried: {}", Escaped(why)),
            Outcome::Failed(why) => {
                exit = Exit::Refused;
                writeln!(text, "{jid}: FAILED: {}", report::lines(why))
            }
        };
    }
    say(io::stdout(), &text, exit)
}
