//! The option that names the configuration file.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ConfigFile {
    /// The configuration file; - reads it from stdin
    ///
    /// Defaults to CAMPANILE_CONFIG, then ./campanile.toml, then /etc/campanile/campanile.toml.
    /// Paths in the file are relative to the folder of the file.
    #[arg(short, long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
}
