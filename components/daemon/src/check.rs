//! `campanile check`: reports every fault of the configuration at once.

use std::fmt::Write as _;
use std::io;

use crate::cli::Check;
use crate::config::{Component, Config, Source};
use crate::doctor::{self, Report};
use crate::escape::Escaped;
use crate::exit::Exit;
use crate::log::LogFormat;
use crate::output::say;
use crate::{diagnostics, load, runtime};

/// Reads the configuration and reports every fault in it.
pub(crate) fn check(options: &Check) -> Exit {
    let config =
        match Source::read(options.file.config.as_deref()).and_then(|source| load::load(&source)) {
            Ok(config) => config,
            // Diagnostics are for people here, whatever the log format is.
            Err(failure) => return diagnostics::failure(&failure, LogFormat::Text),
        };
    say(
        io::stderr(),
        &diagnostics::list(&config.warnings, "warning: "),
        Exit::Done,
    );
    let said = say(io::stdout(), &overview(&config), Exit::Done);
    if options.connect && said == Exit::Done {
        say(io::stdout(), doctor::WARNING, Exit::Done);
        return runtime::block_on(LogFormat::Text, async {
            let reports = doctor::examine(&config, options.resolver).await;
            print_reports(&config.components, &reports)
        });
    }
    said
}

fn overview(config: &Config) -> String {
    let mut text = format!("{} has no faults\n", Escaped(&config.name));
    for component in &config.components {
        let Component {
            jid, address, tls, ..
        } = component;
        let link = match tls {
            Some(_) => " over TLS",
            None if address.is_local() => "",
            None => " WITHOUT ENCRYPTION",
        };
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{jid} on {}{link}: {}",
            Escaped(address),
            component.mounted()
        );
    }
    text
}

/// Prints the result of `--connect` for each component.
fn print_reports(components: &[Component], reports: &[Report]) -> Exit {
    let mut text = String::new();
    let mut exit = Exit::Done;
    let jids = components.iter().map(|component| component.jid.as_str());
    // The last report is that of the admin port.
    for (about, report) in jids.chain(["[admin]"]).zip(reports) {
        if let Some(well) = &report.well {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{about}: {}", Escaped(well));
        }
        for diagnostic in &report.diagnostics {
            text.push_str(&diagnostic.show(about));
            if diagnostic.is_fault() {
                exit = Exit::Refused;
            }
        }
    }
    say(io::stdout(), &text, exit)
}
